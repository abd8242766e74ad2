"""Operator schemas: `name.overload(Tensor self, int dim=-1, *, bool keepdim=False) -> Tensor`, parsed into signatures
that bind a call's arguments. Alias marks such as `(a!)` are read and dropped; sizes as in `int[2]` let one int stand
for the list."""

from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REQUIRED: Any = object()
_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}
_TYPE_TEXT = {"Scalar": "Number", "int[]": "tuple of ints", "float[]": "tuple of floats",
              "Tensor[]": "tuple of Tensors", "Tensor?[]": "tuple of Tensors", "ScalarType": "torch.dtype",
              "Layout": "torch.layout", "Device": "torch.device", "Generator": "torch.Generator",
              "MemoryFormat": "torch.memory_format"}


class Mismatch(Exception):
    """The arguments do not fit this signature; the text says why."""


class Parameter:
    """One formal argument: its name, type (`int`, `Tensor`, `int[]`, ...), whether None is allowed, and its default."""

    __slots__ = ("name", "type", "optional", "size", "default", "check")

    def __init__(self, text: str) -> None:
        declaration, _, default = text.partition("=")
        kind, _, self.name = declaration.strip().rpartition(" ")
        while "(" in kind:  # an alias mark
            before, _, rest = kind.partition("(")
            kind = before + rest.partition(")")[2]
        kind = kind.replace("SymInt", "int")
        self.optional = kind.endswith("?")
        if self.optional:
            kind = kind[:-1]
        element, bracket, size = kind.partition("[")
        self.size = int(size[:-1] or 0) if bracket else 0
        self.type = element + "[]" if bracket else kind
        self.default = _default(default.strip(), self) if default else REQUIRED
        self.check = _CHECKS[self.type]


def _split(text: str) -> list[str]:
    """The parts between commas that are not inside brackets."""
    parts: list[str] = []
    for piece in text.split(","):
        if parts and (parts[-1].count("[") > parts[-1].count("]") or parts[-1].count("(") > parts[-1].count(")")):
            parts[-1] += "," + piece
        else:
            parts.append(piece)
    return [part.strip() for part in parts if part.strip()]


def _default(text: str, parameter: Parameter) -> Any:
    words = {"None": None, "True": True, "False": False, "Mean": 1, "contiguous_format": torch.contiguous_format}
    if text in words:
        return words[text]
    if text[0] in "\"'":
        return text[1:-1]
    if text[0] == "[":
        inner = text[1:-1].strip()
        return [_number(item) for item in inner.split(",")] if inner else []
    value = _number(text)
    if parameter.type == "float":
        return float(value)
    return [value] * max(parameter.size, 1) if parameter.type.endswith("[]") else value


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


# A check returns the converted argument or REQUIRED when the argument does not fit.


def _tensor(value: Any, size: int) -> Any:
    return value if isinstance(value, torch.Tensor) else REQUIRED


def _tensors(value: Any, size: int) -> Any:
    if not isinstance(value, (tuple, list)):
        return REQUIRED
    for position, item in enumerate(value):
        if not isinstance(item, torch.Tensor):
            raise TypeError(f"expected Tensor as element {position} in argument 0, but got {type(item).__name__}")
    return value


def _int(value: Any, size: int) -> Any:
    kind = type(value)
    if kind is int:
        return value
    if kind is bool or kind is float or kind is str or value is None:
        return REQUIRED
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 and not (value.is_floating_point() or value.is_complex()) else REQUIRED
    return value.__index__() if hasattr(value, "__index__") else REQUIRED


def _float(value: Any, size: int) -> Any:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 and not value.is_complex() else REQUIRED
    return float(value) if hasattr(value, "__float__") and not isinstance(value, (str, complex, bool)) else REQUIRED


def _scalar(value: Any, size: int) -> Any:
    if isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 and not value.requires_grad else REQUIRED
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else REQUIRED


def _bool(value: Any, size: int) -> Any:
    if isinstance(value, bool):
        return value
    return bool(value) if type(value).__name__ in ("bool_", "bool") else REQUIRED


def _string(value: Any, size: int) -> Any:
    return value if isinstance(value, str) else REQUIRED


def _ints(value: Any, size: int) -> Any:
    if isinstance(value, (tuple, list)):
        items = [_int(item, 0) for item in value]
        return REQUIRED if any(item is REQUIRED for item in items) else items
    if size:
        item = _int(value, 0)
        return item if item is REQUIRED else [item] * size
    return REQUIRED


def _floats(value: Any, size: int) -> Any:
    if not isinstance(value, (tuple, list)):
        return REQUIRED
    items = [_float(item, 0) for item in value]
    return REQUIRED if any(item is REQUIRED for item in items) else items


def _scalars(value: Any, size: int) -> Any:
    if isinstance(value, (tuple, list)):
        items = [_scalar(item, 0) for item in value]
        return REQUIRED if any(item is REQUIRED for item in items) else items
    item = _scalar(value, 0)
    return [item] * size if size and item is not REQUIRED else REQUIRED


def _dtype(value: Any, size: int) -> Any:
    if isinstance(value, torch.dtype):
        return value
    names = {float: torch.float64, int: torch.int64, bool: torch.bool, complex: torch.complex128}
    return names.get(value, REQUIRED) if isinstance(value, type) else REQUIRED


def _device(value: Any, size: int) -> Any:
    if isinstance(value, torch.device):
        return value
    return torch.device(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else REQUIRED


def _instance(name: str) -> Any:
    def check(value: Any, size: int) -> Any:
        return value if isinstance(value, getattr(torch, name)) else REQUIRED
    return check


_CHECKS = {"Tensor": _tensor, "Tensor[]": _tensors, "int": _int, "float": _float, "Scalar": _scalar, "bool": _bool,
           "str": _string, "int[]": _ints, "float[]": _floats, "Scalar[]": _scalars, "ScalarType": _dtype,
           "Device": _device, "Layout": _instance("layout"), "Generator": _instance("Generator"),
           "MemoryFormat": _instance("memory_format"), "Tensor?[]": _tensors}


class Signature:
    """A parsed schema. `bind(args, kwargs, method)` gives the arguments in schema order, defaults filled in."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        head, _, returns = schema.rpartition("->")
        self.name, _, rest = head.partition("(")
        self.name, _, self.overload = self.name.strip().partition(".")
        inner = rest.rpartition(")")[0]
        parts = _split(inner)
        self.positional = parts.index("*") if "*" in parts else len(parts)
        self.parameters = [Parameter(part) for part in parts if part != "*"]
        self.index = {parameter.name: i for i, parameter in enumerate(self.parameters)}
        self.takes_self = bool(self.parameters) and self.parameters[0].name == "self"
        returned = [part.strip().partition(" ")[2] for part in returns.strip().strip("()").split(",")]
        self.fields = returned if len(returned) > 1 and all(returned) else []

    def bind(self, args: tuple, kwargs: dict, method: bool, name: str) -> list:
        parameters, positional = self.parameters, self.positional
        if len(args) > positional or (len(args) > 1 and self.varargs(method)):
            start = 1 if method else 0
            rest = args[start:]
            if not (self.varargs(method) and len(rest) > 0 and all(_int(item, 0) is not REQUIRED for item in rest)):
                if len(args) > positional:
                    least = sum(p.default is REQUIRED for p in parameters[:positional])
                    span = f"{positional}" if least == positional else f"from {least} to {positional}"
                    raise Mismatch(f"{name}() takes {span} positional argument{'s' if positional != 1 else ''} "
                                   f"but {len(args)} were given")
            else:
                args = args[:start] + (rest,)
        values = [REQUIRED] * len(parameters)
        values[:len(args)] = args
        for key, value in kwargs.items():
            position = self._position(key, method)
            if position is None:
                raise Mismatch(f"{name}() got an unexpected keyword argument '{key}'")
            if values[position] is not REQUIRED:
                raise Mismatch(f"{name}() got multiple values for argument '{key}'")
            values[position] = value
        for position, parameter in enumerate(parameters):
            value = values[position]
            if value is REQUIRED:
                if parameter.default is REQUIRED:
                    missing = [f'"{self.shown(p)}"' for p, v in zip(parameters, values)
                               if v is REQUIRED and p.default is REQUIRED]
                    raise Mismatch(f"{name}() missing {len(missing)} required positional arguments: "
                                   f"{', '.join(missing)}")
                values[position] = parameter.default
            elif value is None and parameter.optional:
                continue
            else:
                value = parameter.check(value, parameter.size)
                if value is REQUIRED:
                    given = values[position]
                    where = f" (position {position + (0 if method else 1)})" if position < len(args) else ""
                    raise Mismatch(f"{name}(): argument '{self.shown(parameter)}'{where} must be "
                                   f"{_TYPE_TEXT.get(parameter.type, parameter.type)}, not {type(given).__name__}")
                values[position] = value
        return values

    def varargs(self, method: bool) -> bool:
        """Whether the ints of the only list argument may be given one by one, as in x.tile(2, 3)."""
        first = 1 if method else 0
        return self.positional == first + 1 and self.parameters[first].type == "int[]"

    def _position(self, key: str, method: bool) -> int | None:
        for name in (key, _NUMPY_NAMES.get(key)):
            if name == "input" and self.takes_self and not method:
                return 0
            if name in self.index and not (name == "self" and self.takes_self):
                return self.index[name]
        return None

    def shown(self, parameter: Parameter) -> str:
        """The argument's public name: functions call `self` input."""
        return "input" if parameter.name == "self" else parameter.name

    def text(self) -> str:
        """The signature as error messages show it."""
        words = []
        for position, parameter in enumerate(self.parameters):
            if position == self.positional:
                words.append("*")
            kind = _TYPE_TEXT.get(parameter.type, parameter.type)
            default = "" if parameter.default is REQUIRED else f" = {parameter.default}"
            words.append(f"{kind} {self.shown(parameter)}{default}")
        return f"({', '.join(words)})"
