"""torch.distributed.fsdp: the names of fully sharded training. It is not offered: making such a model says so."""
from __future__ import annotations

from typing import Any, NoReturn

import flambeau as torch
from flambeau.distributed.fsdp.api import (
    BackwardPrefetch,
    CPUOffload,
    CPUOffloadPolicy,
    FullOptimStateDictConfig,
    FullStateDictConfig,
    LocalStateDictConfig,
    MixedPrecision,
    MixedPrecisionPolicy,
    OffloadPolicy,
    OptimStateKeyType,
    ShardedOptimStateDictConfig,
    ShardedStateDictConfig,
    ShardingStrategy,
    StateDictType,
)

__all__ = ["BackwardPrefetch", "CPUOffload", "CPUOffloadPolicy", "FSDPModule", "FullOptimStateDictConfig", "FullStateDictConfig",
           "FullyShardedDataParallel", "LocalStateDictConfig", "MixedPrecision", "MixedPrecisionPolicy", "OffloadPolicy",
           "OptimStateKeyType", "ShardedOptimStateDictConfig", "ShardedStateDictConfig", "ShardingStrategy", "StateDictType", "fully_shard"]


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(f"{what}: fully sharded training is not offered; use nn.parallel.DistributedDataParallel, with "
                              "torch.distributed.optim.ZeroRedundancyOptimizer where the optimiser's state is large")


class FullyShardedDataParallel(torch.nn.Module):
    """The class of fully sharded models, for isinstance: there are none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse("FullyShardedDataParallel")


class FSDPModule:
    """The class of modules given to fully_shard, for isinstance: there are none."""

    def __new__(cls, *args: Any, **kwargs: Any) -> FSDPModule:
        _refuse("FSDPModule")


def fully_shard(module: Any, **kwargs: Any) -> Any:
    """Not offered. NotImplementedError."""
    _refuse("fully_shard")
