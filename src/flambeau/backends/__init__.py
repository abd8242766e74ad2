"""Flags of libraries that PyTorch builds on: they can be read and set as programs do; only the CPU exists here."""
from __future__ import annotations

import importlib
from typing import Any

_MODULES = frozenset(["cuda", "cudnn", "cpu", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "cusparselt", "nnpack",
                      "quantized", "mha"])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
