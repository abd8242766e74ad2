"""Optimisers and learning-rate schedules: `torch.optim`.

The most used optimisers are loaded with the package, the others when they are first named.
"""
from __future__ import annotations

from .optimizer import Optimizer
from .sgd import SGD
from .adam import Adam
from .adamw import AdamW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam",
           "Optimizer", "RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam", "lr_scheduler", "swa_utils"]

_LAZY = {"ASGD": "asgd", "Adadelta": "adadelta", "Adafactor": "_adafactor", "Adagrad": "adagrad", "Adamax": "adamax",
         "LBFGS": "lbfgs", "Muon": "_muon", "NAdam": "nadam", "RAdam": "radam", "RMSprop": "rmsprop",
         "Rprop": "rprop", "SparseAdam": "sparse_adam"}
_MODULES = {*_LAZY.values(), "lr_scheduler", "swa_utils"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        value = getattr(import_module("." + _LAZY[name], __name__), name)
    elif name in _MODULES:
        value = import_module("." + name, __name__)
    else:
        raise AttributeError(f"module 'torch.optim' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
