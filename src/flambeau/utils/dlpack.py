"""Exchange of memory with other libraries by the DLPack protocol."""
from __future__ import annotations

import enum

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """Device numbers of the protocol."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14


def to_dlpack(tensor: Any) -> Any:
    """A capsule over a tensor's memory; it can be taken once."""
    return tensor.__dlpack__()


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """A tensor over the memory of an object with __dlpack__, or of a capsule.

    >>> import numpy
    >>> a = numpy.zeros(2); t = torch.utils.dlpack.from_dlpack(a); t[0] = 7.0
    >>> float(a[0])
    7.0
    """
    if device is None and copy is None:
        return torch.from_dlpack(ext_tensor)
    return torch.from_dlpack(ext_tensor, device=device, copy=copy)
