"""The types of TorchScript by name, which programs use in annotations: torch.TensorType, torch.ListType..."""
from __future__ import annotations

from typing import Any

__all__ = ["AnyType", "BoolType", "DictType", "FloatType", "IntType", "JitType", "ListType", "NoneType", "OptionalType", "StringType",
           "TensorType", "TupleType"]


class JitType:
    """A type; equal to those that print the same."""

    name = "Any"

    def __init__(self, *elements: Any) -> None:
        self.elements = elements[0] if len(elements) == 1 and isinstance(elements[0], (list, tuple)) else elements

    @classmethod
    def get(cls) -> JitType:
        """The type, of those without elements."""
        return cls()

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.elements))}]" if self.elements else self.name

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JitType) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def _made(label: str, text: str) -> type[JitType]:
    return type(label, (JitType,), {"name": text, "__doc__": f"TorchScript's {text}.", "__module__": __name__})


AnyType, BoolType, FloatType, IntType = _made("AnyType", "Any"), _made("BoolType", "bool"), _made("FloatType", "float"), _made("IntType", "int")
NoneType, StringType, TensorType = _made("NoneType", "NoneType"), _made("StringType", "str"), _made("TensorType", "Tensor")
DictType, ListType, OptionalType, TupleType = (_made(f"{name}Type", name) for name in ("Dict", "List", "Optional", "Tuple"))
