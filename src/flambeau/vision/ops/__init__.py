"""Operators of vision: boxes, the focal loss, blocks of models."""
from . import boxes, focal_loss, misc
from .boxes import *  # noqa: F403
from .focal_loss import *  # noqa: F403
from .misc import *  # noqa: F403
from .stochastic_depth import StochasticDepth, stochastic_depth

__all__ = [*boxes.__all__, *focal_loss.__all__, *misc.__all__, "StochasticDepth", "stochastic_depth"]
