"""Names of types for annotations."""
from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, Union

import flambeau as torch

__all__ = ["Number", "Device", "FileLike", "Storage"]

Tensor = torch.Tensor
_TensorOrTensors = Union[Tensor, Sequence[Tensor]]
_TensorOrTensorsOrGradEdge = Any
_dtype = torch.dtype
_device = torch.device
_layout = torch.layout
_int = builtins.int
_float = builtins.float
_complex = builtins.complex
_bool = builtins.bool
_str = builtins.str
_bytes = builtins.bytes
Number = Union[builtins.int, builtins.float, builtins.bool]
_Number = (builtins.int, builtins.float, builtins.bool)
Size = torch.Size
_size = Union[torch.Size, "list[builtins.int]", "tuple[builtins.int, ...]"]
_symsize = _size
IntLikeType = builtins.int
FloatLikeType = builtins.float
BoolLikeType = builtins.bool
py_sym_types = ()
FileLike = Union[str, "os.PathLike[str]", IO[bytes]]
Device = Union[torch.device, str, int, None]


class Storage:
    """Stands for the types of storages in annotations."""

    dtype: Any
    device: Any

    def nbytes(self) -> int:
        """The size in bytes."""
        raise NotImplementedError
