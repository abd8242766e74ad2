"""torch.accelerator: the device besides the CPU, of which there is none here."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["current_accelerator", "current_device_idx", "current_device_index", "current_stream", "device_count",
           "device_index", "empty_cache", "is_available", "max_memory_allocated", "max_memory_reserved",
           "memory_allocated", "memory_reserved", "memory_stats", "reset_accumulated_memory_stats",
           "reset_peak_memory_stats", "set_device_idx", "set_device_index", "set_stream", "synchronize"]


def is_available() -> bool:
    """False.

    >>> torch.accelerator.is_available()
    False
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> Any:
    """None."""
    return None


def _unavailable(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = current_device_idx = set_device_index = set_device_idx = _unavailable
current_stream = set_stream = synchronize = get_device_capability = get_memory_info = _unavailable


class device_index:
    """with torch.accelerator.device_index(i): nothing for None, else needs an accelerator."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            _unavailable()

    def __exit__(self, *args: object) -> None:
        pass


def empty_cache() -> None:
    """Nothing is cached."""


def _zero(device_index: Any = None, /) -> int:
    """0."""
    return 0


memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _zero


def memory_stats(device_index: Any = None, /) -> dict:
    """{}."""
    return {}


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Nothing to reset."""


reset_accumulated_memory_stats = reset_peak_memory_stats
