"""oneDNN is not used."""
from __future__ import annotations

import contextlib
from typing import Iterator


def is_available() -> bool:
    """False: flambeau does not use oneDNN."""
    return False


VERBOSE_OFF = 0
VERBOSE_ON = 1


class verbose:
    """A with block for a library's log, which does not exist here."""

    def __init__(self, enable: int = VERBOSE_OFF) -> None:
        self.enable = enable

    def __enter__(self) -> object:
        return self

    def __exit__(self, *args: object) -> bool:
        return False


enabled = True
deterministic = False
allow_tf32 = True


@contextlib.contextmanager
def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True,
          fp32_precision: str = "none") -> Iterator[None]:
    """Accepted; there is nothing to switch."""
    yield
