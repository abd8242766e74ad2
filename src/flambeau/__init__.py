"""flambeau: PyTorch's API over a small native core.

>>> import flambeau as torch
>>> torch.arange(3) + 1
tensor([1, 2, 3])
"""
from __future__ import annotations

import sys as _sys

from . import _C, ops
from .version import __version__

# What the core offers: element types, functions made from operator records, classes.
_nn = type(_sys)("flambeau._C._nn")
_nn.__dict__.update(_C._nn_functions, __getattr__=ops.finder("_nn", _nn.__name__), __dir__=ops.lister("_nn", _nn.__name__))
_C._nn = _nn
_sys.modules["flambeau._C._nn"] = _nn
globals().update({name: value for name, value in vars(_C).items() if not name.startswith("_")})
globals().update(_C._functions)

half, float, double, short, int, long, chalf, cfloat, cdouble = (  # noqa: A001
    _C.float16, _C.float32, _C.float64, _C.int16, _C.int32, _C.int64, _C.complex32, _C.complex64, _C.complex128)
from math import e, inf, nan, pi  # noqa: E402

newaxis = None
torch = _sys.modules[__name__]  # programs say torch.torch, too
legacy_contiguous_format = contiguous_format  # noqa: F821

from . import _tensor  # noqa: E402
from ._dtype_info import *  # noqa: E402,F403
from ._settings import *  # noqa: E402,F403
from ._tensor import *  # noqa: E402,F403

# Operators in Python: methods are held a place for on Tensor, functions are found by __getattr__ below.
ops.install_methods(Tensor)
ops.install_aliases(_sys.modules[__name__], Tensor)

from . import _pickling  # noqa: E402

_pickling.register()


def _core_name(name: str):
    """torch._C.NAME for the names that libraries use and the core does not have."""
    if name.startswith("__"):
        raise AttributeError(name)
    from . import _core_names
    return _core_names.find(name)


def _parse_to(*args, **kwargs):
    from . import _core_names
    return _core_names._parse_to(*args, **kwargs)


_C.__getattr__, _nn._parse_to = _core_name, _parse_to

# Sub-packages and modules load when they are first named.
_LAZY_MODULES = frozenset((
    "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda", "distributed", "distributions", "examples", "fft", "func",
    "functional", "futures", "fx", "hub", "jit", "library", "linalg", "masked", "mps", "multiprocessing", "nn", "onnx", "optim", "overrides",
    "profiler", "quantization", "random", "return_types", "serialization", "signal", "sparse", "special", "storage", "testing", "types",
    "utils", "version", "vision", "xpu", "_utils", "_jit_internal", "_VF", "__future__", "_dynamo", "export", "mtia", "_tensor_str", "__config__",
    "_subclasses", "_higher_order_ops",
))
# Names whose modules load when they are first named.
_LAZY_NAMES = {
    "save": "serialization", "load": "serialization", "set_printoptions": "_tensor_str", "autocast": "amp.autocast_mode", "compile": "compiler",
    "vmap": "func", "Future": "futures", "PyTorchFileReader": "_archive", "cond": "_higher_order_ops", "while_loop": "_higher_order_ops",
    **dict.fromkeys(("AnyType", "BoolType", "DictType", "FloatType", "IntType", "ListType", "NoneType", "OptionalType", "StringType",
                     "TensorType", "TupleType"), "jit._types"),
    **dict.fromkeys(("ScriptFunction", "ScriptModule"), "jit"),
    **dict.fromkeys(("_assert", "_assert_async", "_check", "_check_index", "_check_is_size", "_check_not_implemented", "_check_tensor_all",
                     "_check_tensor_all_with", "_check_type", "_check_value", "_check_with"), "_checks"),
    **dict.fromkeys(("eig", "lstsq", "matrix_rank", "solve", "symeig"), "_removed"),
    **dict.fromkeys(("enable_grad", "inference_mode", "no_grad", "set_grad_enabled"), "autograd.grad_mode"),
    **dict.fromkeys(("get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"), "random"),
}
_OPERATORS = ops.names("torch")


def __getattr__(name: str):
    if name in _OPERATORS:
        ops.load(_OPERATORS[name])
        if name in globals():
            return globals()[name]
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
    if name.endswith(("Tensor", "Storage")):
        value = _early_type(name)
        if value is not None:
            globals()[name] = value
            return value
    if name == "__all__":
        return sorted(known for known in {*globals(), *_LAZY_NAMES, *_OPERATORS} if not known.startswith("_"))
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


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
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_NAMES, *_OPERATORS})
