"""The default CPU generator: seeding it, its state, and keeping it untouched for a while."""
from __future__ import annotations

import contextlib

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Iterator

__all__ = ["manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state", "fork_rng"]


def __getattr__(name: str) -> Any:
    if name == "default_generator":
        return torch.default_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def manual_seed(seed: int) -> Any:
    """Seed the default generator; returns it. Numbers drawn after the same seed are the same.

    >>> torch.manual_seed(0) is torch.default_generator
    True
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return torch.default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the system's entropy; returns the seed."""
    return torch.default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator started from."""
    return torch.default_generator.initial_seed()


def get_rng_state() -> Any:
    """The default generator's state, a tensor of bytes."""
    return torch.default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator into a state that get_rng_state gave."""
    torch.default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Iterable | None = None, enabled: bool = True, _caller: str = "fork_rng",
             _devices_kw: str = "devices", device_type: str = "cuda") -> Iterator[None]:
    """A with block after which the random state is what it was before.

    >>> torch.manual_seed(0) is None
    False
    >>> with torch.random.fork_rng():
    ...     _ = torch.rand(3)
    >>> torch.rand(1)
    tensor([0.4963])
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    cuda = torch.cuda.is_available() and device_type == "cuda"
    chosen = list(range(torch.cuda.device_count()) if devices is None else devices) if cuda else []
    cuda_states = [torch.cuda.get_rng_state(d) for d in chosen]
    try:
        yield
    finally:
        set_rng_state(state)
        for device, device_state in zip(chosen, cuda_states):
            torch.cuda.set_rng_state(device_state, device)
