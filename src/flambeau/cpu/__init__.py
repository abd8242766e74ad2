"""torch.cpu: the interface of device modules for the CPU, where nothing is asynchronous."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator

import flambeau as torch

__all__ = ["is_available", "is_initialized", "synchronize", "current_device", "current_stream", "stream", "set_device",
           "device_count", "Stream", "StreamContext", "Event", "get_capabilities"]


def __getattr__(name: str) -> Any:
    if name == "amp":
        import importlib
        return importlib.import_module(f"{__name__}.amp")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Stream:
    """The CPU's one stream: work is done when a call returns."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""

    def record_event(self) -> None:
        """Nothing to record."""

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""

    def synchronize(self) -> None:
        """Nothing to wait for."""


class Event:
    """A point in the CPU's stream, always reached."""

    def query(self) -> bool:
        """True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to record."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


_STREAM = Stream()


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """True."""
    return True


def synchronize(device: Any = None) -> None:
    """Nothing to wait for."""


def current_device() -> str:
    """"cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """There is one CPU device."""


def device_count() -> int:
    """1."""
    return 1


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return _STREAM


@contextlib.contextmanager
def StreamContext(stream: Any) -> Iterator[None]:
    """A with block on a stream."""
    yield


stream = StreamContext


def get_capabilities() -> dict[str, Any]:
    """The instruction sets of this processor, as flambeau sees them."""
    return torch._C._cpu_capabilities()
