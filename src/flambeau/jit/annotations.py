"""torch.jit.annotations: the names of types, for annotations."""
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035

from flambeau.jit._types import (
    AnyType,
    BoolType,
    DictType,
    FloatType,
    IntType,
    ListType,
    NoneType,
    OptionalType,
    StringType,
    TensorType,
    TupleType,
)

__all__ = ["Any", "AnyType", "BoolType", "Dict", "DictType", "Final", "FloatType", "IntType", "List", "ListType", "NoneType", "Optional",
           "OptionalType", "StringType", "TensorType", "Tuple", "TupleType", "Union"]
