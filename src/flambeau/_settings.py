"""Process-wide settings: the default dtype and device, threads, autocast, determinism, precision, memory."""
from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "set_default_dtype", "set_default_tensor_type", "get_default_device", "set_default_device",
    "get_num_interop_threads", "set_num_interop_threads", "is_autocast_enabled", "set_autocast_enabled",
    "get_autocast_dtype", "set_autocast_dtype", "is_autocast_cache_enabled", "set_autocast_cache_enabled",
    "autocast_increment_nesting", "autocast_decrement_nesting", "clear_autocast_cache", "is_autocast_cpu_enabled",
    "get_autocast_cpu_dtype", "get_autocast_gpu_dtype", "use_deterministic_algorithms",
    "are_deterministic_algorithms_enabled", "is_deterministic_algorithms_warn_only_enabled",
    "set_deterministic_debug_mode", "get_deterministic_debug_mode", "set_float32_matmul_precision",
    "get_float32_matmul_precision", "set_flush_denormal", "set_warn_always", "is_warn_always_enabled", "show_config",
    "memory_stats", "empty_cache", "compiled_with_cxx11_abi", "get_device_module", "set_autocast_cpu_enabled",
    "set_autocast_cpu_dtype", "set_autocast_gpu_dtype",
]


def set_default_dtype(d: Any) -> None:
    """The floating type that new tensors get: float32 at first."""
    _C._set_default_dtype(d)


def set_default_tensor_type(t: Any) -> None:
    """The early way to say it: torch.DoubleTensor or its name."""
    from .storage import legacy_type
    kind = legacy_type(t)
    import warnings
    warnings.warn("torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
                  "torch.set_default_device() as alternatives.", stacklevel=2)
    if not kind.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    if kind.is_cuda:
        raise TypeError(f"type torch.cuda.{kind.__name__} not available. Torch not compiled with CUDA enabled.")
    _C._set_default_dtype(kind.dtype)


_default_devices = [_C.device("cpu")]


def get_default_device() -> Any:
    """The device on which tensors are made."""
    return _default_devices[-1]


def _checked_device(device: Any) -> Any:
    device = _C.device("cpu") if device is None else _C.device(device)
    if device.type != "cpu":
        _C._functions["empty"](0, device=device)  # raises where this build lacks the device
    return device


def _use_default_device() -> None:
    _C._set_factory_device(_default_devices[-1])


def set_default_device(device: Any) -> None:
    """Sets the device on which tensors are made where none is named: "cpu" or "meta"; None is the CPU.

    >>> torch.set_default_device("meta")
    >>> torch.ones(2, 3)
    tensor(..., device='meta', size=(2, 3))
    >>> torch.set_default_device(None)
    """
    _default_devices[-1] = _checked_device(device)
    _use_default_device()


def _push_default_device(device: Any) -> None:
    _default_devices.append(_checked_device(device))
    _use_default_device()


def _pop_default_device() -> None:
    _default_devices.pop()
    _use_default_device()


def get_device_module(device: Any = None) -> Any:
    """The module of a device type."""
    import flambeau
    return getattr(flambeau, "cpu" if device is None else _C.device(device).type)


# ---------------------------------------------------------------------------------------------------- process-wide switches

_switches: dict[str, Any] = {"interop": None, "deterministic": False, "warn_only": False, "matmul": "highest", "warn_always": False,
                             "nesting": 0, "cuda_autocast": False, "cuda_dtype": _C.float16, "cache": True}


def get_num_interop_threads() -> int:
    """Threads that run independent operations: as many as one operation may use."""
    return _switches["interop"] or _C.get_num_threads()


def set_num_interop_threads(n: int) -> None:
    """Noted; operations run one after another."""
    _switches["interop"] = n


def _cpu_only(device_type: Any) -> bool:
    return device_type == "cpu"


def is_autocast_enabled(device_type: Any = None) -> bool:
    """Whether autocast is on for a device type (cuda where none is named)."""
    return _C._get_autocast()[0] if device_type == "cpu" else _switches["cuda_autocast"]


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """Switches autocast of a device type."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    if device_type == "cpu":
        _C._set_autocast(enabled, None)
    else:
        _switches["cuda_autocast"] = enabled


def get_autocast_dtype(device_type: str) -> Any:
    """The narrow type that autocast uses."""
    return _C._get_autocast()[1] if device_type == "cpu" else _switches["cuda_dtype"]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Sets the narrow type that autocast uses."""
    if device_type == "cpu":
        _C._set_autocast(_C._get_autocast()[0], dtype)
    else:
        _switches["cuda_dtype"] = dtype


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU."""
    return _C._get_autocast()[0]


def get_autocast_cpu_dtype() -> Any:
    """The narrow type of the CPU's autocast."""
    return _C._get_autocast()[1]


def get_autocast_gpu_dtype() -> Any:
    """The narrow type of a GPU's autocast."""
    return _switches["cuda_dtype"]


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """set_autocast_enabled("cpu", enabled)."""
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """set_autocast_dtype("cpu", dtype)."""
    set_autocast_dtype("cpu", dtype)


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """set_autocast_dtype("cuda", dtype)."""
    set_autocast_dtype("cuda", dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of weights may be kept."""
    return _switches["cache"]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Whether casts of weights may be kept."""
    _switches["cache"] = enabled


def autocast_increment_nesting() -> int:
    """One autocast block deeper."""
    _switches["nesting"] += 1
    return _switches["nesting"]


def autocast_decrement_nesting() -> int:
    """One autocast block less deep."""
    _switches["nesting"] -= 1
    return _switches["nesting"]


def clear_autocast_cache() -> None:
    """Casts are not kept: nothing to forget."""


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Every operation is deterministic; the switch is noted."""
    _switches["deterministic"], _switches["warn_only"] = mode, warn_only


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms was told."""
    return _switches["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms was told."""
    return _switches["warn_only"]


def set_deterministic_debug_mode(debug_mode: Any) -> None:
    """0 or 'default', 1 or 'warn', 2 or 'error'."""
    level = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2."""
    return 0 if not _switches["deterministic"] else 1 if _switches["warn_only"] else 2


def set_float32_matmul_precision(precision: str) -> None:
    """Noted: float32 products are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"Invalid float32 matmul precision: {precision} (expected highest, high or medium)")
    _switches["matmul"] = precision


def get_float32_matmul_precision() -> str:
    """What was set."""
    return _switches["matmul"]


def set_flush_denormal(mode: bool) -> bool:
    """False: denormal numbers are always kept."""
    return False


def set_warn_always(b: bool) -> None:
    """Whether warnings repeat."""
    _switches["warn_always"] = b


def is_warn_always_enabled() -> bool:
    """Whether warnings repeat."""
    return _switches["warn_always"]


def compiled_with_cxx11_abi() -> bool:
    """True."""
    return True


def show_config() -> str:
    """What this build is and uses: instruction set, threads, version."""
    from .version import flambeau_version
    return f"flambeau {flambeau_version}\n  kernels: {_C._isa()}\n  threads: {_C.get_num_threads()}\n  devices: cpu\n"


def memory_stats() -> dict:
    """Bytes and objects in use by tensors and their graphs.

    >>> sorted(torch.memory_stats())[:2]
    ['allocated_bytes', 'cached_bytes']
    """
    return _C._memory_stats()


def empty_cache() -> None:
    """Gives cached memory back to the system."""
    _C._empty_cache()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection looks for NaN."""
    return _C.is_anomaly_check_nan_enabled()
