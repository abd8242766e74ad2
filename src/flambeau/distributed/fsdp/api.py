"""Settings of fully sharded training, which programs build before they choose it."""
from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

__all__ = ["BackwardPrefetch", "CPUOffload", "CPUOffloadPolicy", "FullOptimStateDictConfig", "FullStateDictConfig",
           "LocalStateDictConfig", "MixedPrecision", "MixedPrecisionPolicy", "OffloadPolicy", "OptimStateKeyType",
           "ShardedOptimStateDictConfig", "ShardedStateDictConfig", "ShardingStrategy", "StateDictType"]


class ShardingStrategy(enum.Enum):
    """What is divided."""

    FULL_SHARD, SHARD_GRAD_OP, NO_SHARD, HYBRID_SHARD, _HYBRID_SHARD_ZERO2 = range(1, 6)


class BackwardPrefetch(enum.Enum):
    """When the next parameters are fetched."""

    BACKWARD_PRE, BACKWARD_POST = range(1, 3)


class StateDictType(enum.Enum):
    """Which state dictionary is made."""

    FULL_STATE_DICT, LOCAL_STATE_DICT, SHARDED_STATE_DICT = range(1, 4)


class OptimStateKeyType(enum.Enum):
    """How an optimiser's state names parameters."""

    PARAM_NAME, PARAM_ID = range(1, 3)


@dataclass(frozen=True)
class MixedPrecision:
    """Types of parameters, gradients' sums and buffers."""

    param_dtype: Any = None
    reduce_dtype: Any = None
    buffer_dtype: Any = None
    keep_low_precision_grads: bool = False
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """Types of parameters, gradients' sums and results."""

    param_dtype: Any = None
    reduce_dtype: Any = None
    output_dtype: Any = None
    cast_forward_inputs: bool = True


@dataclass
class CPUOffload:
    """Whether parameters wait in the processor's memory."""

    offload_params: bool = False


@dataclass
class OffloadPolicy:
    """Base of CPUOffloadPolicy."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Parameters wait in the processor's memory."""

    pin_memory: bool = True


@dataclass
class FullStateDictConfig:
    """A whole state dictionary."""

    offload_to_cpu: bool = False
    rank0_only: bool = False


@dataclass
class LocalStateDictConfig:
    """This process' part."""

    offload_to_cpu: bool = False


@dataclass
class ShardedStateDictConfig:
    """A state dictionary in pieces."""

    offload_to_cpu: bool = False


@dataclass
class FullOptimStateDictConfig:
    """A whole optimiser's state."""

    offload_to_cpu: bool = True
    rank0_only: bool = False


@dataclass
class ShardedOptimStateDictConfig:
    """An optimiser's state in pieces."""

    offload_to_cpu: bool = True
