"""Python's multiprocessing, with spawn(): the same function in several processes.

A tensor that is sent to a process, through a queue or as an argument, moves to memory that both share: what one
writes the other sees. The sender has to live until the receiver has opened it.
"""
from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403
from typing import Any

from flambeau.multiprocessing import reductions
from flambeau.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [*multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException",
           "SpawnContext", "spawn", "start_processes", "set_sharing_strategy", "get_sharing_strategy",
           "get_all_sharing_strategies"]

_sharing_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The strategies whose names are accepted."""
    return {"file_descriptor", "file_system"}


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted; tensors are sent by the descriptor of an unnamed file whatever it is."""
    global _sharing_strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")
    _sharing_strategy = new_strategy


def get_sharing_strategy() -> str:
    """What set_sharing_strategy set."""
    return _sharing_strategy


def __getattr__(name: str) -> Any:
    return getattr(multiprocessing, name)


reductions.init_reductions()
