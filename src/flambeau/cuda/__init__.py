"""torch.cuda on a machine without CUDA: everything can be named and asked; what would need a device raises.

Questions (is_available, device_count, memory figures) have honest answers, seeding is harmless, and the rest raises
AssertionError "Torch not compiled with CUDA enabled", as programs expect.
"""
from __future__ import annotations

import contextlib
from typing import Any, Iterable, Iterator

import flambeau as torch

__all__ = ["is_available", "available", "device_count", "manual_seed", "manual_seed_all", "seed", "seed_all",
           "initial_seed", "synchronize", "current_device", "set_device", "empty_cache", "Stream", "Event", "stream",
           "device", "device_of", "memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"]

_MESSAGE = "Torch not compiled with CUDA enabled"
has_half = True
has_magma = False
default_generators: tuple = ()


class CudaError(RuntimeError):
    """An error reported by the CUDA run-time."""


class DeferredCudaCallError(Exception):
    """An error in a call that was put off until CUDA started."""


def __getattr__(name: str) -> Any:
    if name == "amp":
        import importlib
        return importlib.import_module(f"{__name__}.amp")
    if name == "OutOfMemoryError":
        return torch.OutOfMemoryError
    if name == "AcceleratorError":
        return torch.AcceleratorError
    if name.endswith("Tensor"):
        from ..storage import tensor_type
        try:
            return tensor_type(f"torch.cuda.{name}")
        except KeyError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _unavailable(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError(_MESSAGE)


_lazy_init = init = _unavailable


def is_available() -> bool:
    """Whether a CUDA device can be used: False.

    >>> torch.cuda.is_available()
    False
    """
    return False


# An early spelling that programs still contain.
available = is_available


def is_initialized() -> bool:
    """False: there is nothing to initialise."""
    return False


def _is_in_bad_fork() -> bool:
    return False


def device_count() -> int:
    """The number of CUDA devices: 0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def is_tf32_supported() -> bool:
    """False."""
    return False


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def get_gencode_flags() -> str:
    """No flags."""
    return ""


# -- random numbers ---------------------------------------------------------------------------------------------------

def manual_seed(seed: int) -> None:
    """Seed the current device's generator; without a device, nothing."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """Seed all devices' generators; without devices, nothing."""
    int(seed)


def seed() -> None:
    """Seed the current device's generator at random; without a device, nothing."""


def seed_all() -> None:
    """Seed all devices' generators at random; without devices, nothing."""


def get_rng_state_all() -> list:
    """The states of all devices' generators: []."""
    return []


def set_rng_state_all(new_states: Iterable) -> None:
    """Set the states of all devices' generators; raises where there are more states than devices."""
    for _ in new_states:
        _unavailable()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Put off until CUDA starts, hence without effect."""


initial_seed = get_rng_state = _unavailable


# -- devices ----------------------------------------------------------------------------------------------------------

current_device = set_device = synchronize = get_device_name = get_device_properties = _unavailable
get_device_capability = can_device_access_peer = current_blas_handle = cudart = _unavailable
current_stream = default_stream = set_stream = utilization = temperature = power_draw = clock_rate = _unavailable


class device:
    """with torch.cuda.device(i): needs a device, unless i is None or negative."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else getattr(torch.device(device), "index", 0) \
            if not isinstance(device, int) else device

    def __enter__(self) -> None:
        if self.idx is None or self.idx >= 0:
            _unavailable()

    def __exit__(self, *args: object) -> bool:
        return False


class device_of(device):
    """The device of a tensor; nothing for tensors that are elsewhere."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


class Stream:
    """Needs CUDA: constructing one raises RuntimeError."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"Tried to instantiate dummy base class {cls.__name__}: {_MESSAGE}")


class ExternalStream(Stream):
    """Needs CUDA: constructing one raises RuntimeError."""


class Event(Stream):
    """Needs CUDA: constructing one raises RuntimeError."""


class CUDAGraph(Stream):
    """Needs CUDA: constructing one raises RuntimeError."""


@contextlib.contextmanager
def stream(stream: Any) -> Iterator[None]:
    """with torch.cuda.stream(None) does nothing; no other stream exists."""
    if stream is not None:
        _unavailable()
    yield


StreamContext = stream
graph = make_graphed_callables = _unavailable


# -- memory -----------------------------------------------------------------------------------------------------------

def empty_cache() -> None:
    """Nothing is cached."""


def ipc_collect() -> None:
    """Nothing is shared."""


def _zero(device: Any = None) -> int:
    """0: nothing lies on a CUDA device."""
    return 0


memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _zero
memory_cached = max_memory_cached = _zero


def memory_stats(device: Any = None) -> dict:
    """Statistics of the allocator: {}."""
    return {}


memory_stats_as_nested_dict = memory_stats


def memory_snapshot() -> list:
    """The allocator's segments: []."""
    return []


def reset_peak_memory_stats(device: Any = None) -> None:
    """Needs no device: there are no figures to reset."""


reset_max_memory_allocated = reset_max_memory_cached = reset_accumulated_memory_stats = reset_peak_memory_stats
mem_get_info = memory_summary = set_per_process_memory_fraction = _unavailable
