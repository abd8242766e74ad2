"""torch.xpu on a machine without it: it can be asked for, and is not there."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_available() -> bool:
    """False: there is no support for Intel GPUs."""
    return False


def device_count() -> int:
    """0."""
    return 0


def empty_cache() -> None:
    """Nothing is cached."""


def manual_seed(seed: int) -> None:
    """No generator to seed."""


manual_seed_all = manual_seed


def _is_in_bad_fork() -> bool:
    return False


def __getattr__(name: str) -> Any:
    if name in ("synchronize", "current_device", "set_device", "current_stream", "Stream", "Event", "get_rng_state",
                "set_rng_state", "get_device_name", "get_device_properties", "get_device_capability"):
        def unavailable(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError("Torch not compiled with XPU enabled")

        return unavailable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
