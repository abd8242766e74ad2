"""Join: training where processes have different numbers of batches."""
from __future__ import annotations

from typing import Any

from flambeau.distributed import distributed_c10d as c10d

__all__ = ["Join", "JoinHook", "Joinable"]


class JoinHook:
    """What a process that has finished does for those that have not."""

    def main_hook(self) -> None:
        """Called while others go on."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Called when all have finished."""


class Joinable:
    """Base class of what Join takes."""


class Join:
    """`with Join([model]):` around a loop. One process alone needs nothing; more are not offered (NotImplementedError)."""

    def __init__(self, joinables: list, enable: bool = True, throw_on_early_termination: bool = False, **kwargs: Any) -> None:
        if enable and c10d.is_initialized() and c10d.get_world_size() > 1:
            raise NotImplementedError("Join: uneven inputs over several processes are not offered; give each process as many batches "
                                      "(DistributedSampler does)")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        pass

    @staticmethod
    def notify_join_context(joinable: Any) -> None:
        """Nothing: nobody has to be told."""
