"""torch.onnx: not offered; programs that ask whether an export is under way hear no."""
from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["export", "is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Not offered. NotImplementedError."""
    raise NotImplementedError("torch.onnx.export: writing ONNX files is not offered; save the state_dict and export it with PyTorch")
