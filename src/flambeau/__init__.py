"""flambeau: PyTorch's API over a small native core.

>>> import flambeau as torch
>>> torch.arange(3) + 1
tensor([1, 2, 3])
"""
from __future__ import annotations

import sys as _sys
from types import ModuleType as _ModuleType

from . import _C
from .version import __version__

# What the core offers: element types, functions made from operator records, classes.
_nn = _ModuleType("flambeau._C._nn")
_nn.__dict__.update(_C._nn_functions)
_C._nn = _nn
_sys.modules["flambeau._C._nn"] = _nn
globals().update({name: value for name, value in vars(_C).items() if not name.startswith("_")})
globals().update(_C._functions)

half, float, double, short, int, long, cfloat, cdouble = (  # noqa: A001
    _C.float16, _C.float32, _C.float64, _C.int16, _C.int32, _C.int64, _C.complex64, _C.complex128)
from math import e, inf, nan, pi  # noqa: E402

newaxis = None

from . import _tensor  # noqa: E402
from ._tensor import *  # noqa: E402,F403
from . import _operator, ops  # noqa: E402
from .autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
ops.load("")
_operator.install(_sys.modules[__name__], Tensor, {"_nn": _nn})
_operator.install_aliases(_sys.modules[__name__], Tensor, ops.ALIASES)

from . import _pickling  # noqa: E402

_pickling.register()
from .random import (get_rng_state, initial_seed, manual_seed, seed, set_rng_state)  # noqa: E402


# Sub-packages and modules load when they are first named.
_LAZY_MODULES = frozenset((
    "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda", "distributed", "distributions", "examples", "fft", "func",
    "functional", "futures", "fx", "hub", "jit", "library", "linalg", "masked", "mps", "multiprocessing", "nn", "onnx", "optim", "overrides",
    "profiler", "quantization", "random", "return_types", "serialization", "signal", "sparse", "special", "storage", "testing", "types",
    "utils", "version", "vision", "xpu", "_utils", "_jit_internal", "_VF", "__future__", "_dynamo", "export", "mtia", "_tensor_str", "__config__",
))
# Names whose modules load when they are first named.
_LAZY_NAMES = {
    "save": "serialization", "load": "serialization", "set_printoptions": "_tensor_str", "autocast": "amp.autocast_mode", "compile": "compiler",
    "vmap": "func",
}


def __getattr__(name: str):
    from importlib import import_module
    if name in _LAZY_NAMES:
        value = getattr(import_module("flambeau." + _LAZY_NAMES[name]), name)
        globals()[name] = value
        return value
    if name in _LAZY_MODULES:
        try:
            return import_module("flambeau." + name)
        except ModuleNotFoundError as error:
            if error.name != "flambeau." + name:
                raise
    if name.startswith("_foreach_") and "_foreach_add" not in globals():
        ops.load("_foreach")
        _operator.install(_sys.modules[__name__], Tensor, {"_nn": _nn})
        if name in globals():
            return globals()[name]
    if name.endswith(("Tensor", "Storage")):
        value = _early_type(name)
        if value is not None:
            globals()[name] = value
            return value
    raise AttributeError(f"module 'flambeau' has no attribute '{name}'")


def _early_type(name: str):
    """torch.FloatTensor, torch.LongStorage, torch.TypedStorage...: loaded when first named. None if there is no such type."""
    from . import storage
    if name == "Storage":
        return storage.storage_type(f"torch.{storage.legacy_name(get_default_dtype(), 'Storage')}")
    if name == "TypedStorage":
        return storage.TypedStorage
    try:
        return (storage.tensor_type if name.endswith("Tensor") else storage.storage_type)(f"torch.{name}")
    except KeyError:
        return None


def __dir__():
    return sorted(set(globals()) | _LAZY_MODULES | set(_LAZY_NAMES))
