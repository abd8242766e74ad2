"""Tensor's methods that are written in Python, and the top-level functions that are neither operators nor namespaces.

Importing this module completes the native Tensor type. `__all__` is what `flambeau` takes over.
"""
from __future__ import annotations

import builtins

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Tensor = _C.Tensor
_float32 = _C.float32
_to = _C._tensor_to
_cpu = _C.device("cpu")

__all__ = [
    "is_tensor", "is_floating_point", "is_complex", "is_signed", "numel", "typename", "is_storage", "from_dlpack",
    "asarray", "is_nonzero", "result_type", "is_inference", "is_same_size", "sym_int", "sym_float", "sym_max",
    "sym_min", "sym_not", "is_conj", "is_neg", "is_distributed", "resolve_conj", "resolve_neg", "where", "nonzero",
    "fill", "SymInt", "SymFloat", "SymBool", "Stream", "Event",
]


# ---------------------------------------------------------------------------------------------------- questions

def is_tensor(obj: Any) -> bool:
    """True if obj is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """True if obj is a storage."""
    from .storage import TypedStorage
    return isinstance(obj, (_C.UntypedStorage, TypedStorage))


def _no_tensor(name: str, input: Any, other: Any = None) -> TypeError:
    """What a function raises that was given something else than tensors."""
    position, given = ("'input' (position 1)", input) if not isinstance(input, Tensor) else ("'other' (position 2)", other)
    return TypeError(f"{name}(): argument {position} must be Tensor, not {type(given).__name__}")


@_C._overridable
def is_floating_point(input: Tensor) -> bool:
    """True for float16, bfloat16, float32 and float64."""
    try:
        return input.dtype.is_floating_point
    except AttributeError:
        raise _no_tensor("is_floating_point", input) from None


@_C._overridable
def is_complex(input: Tensor) -> bool:
    """True for complex64 and complex128."""
    try:
        return input.dtype.is_complex
    except AttributeError:
        raise _no_tensor("is_complex", input) from None


@_C._overridable
def is_signed(input: Tensor) -> bool:
    """True if the element type has a sign."""
    try:
        return input.dtype.is_signed
    except AttributeError:
        raise _no_tensor("is_signed", input) from None


@_C._overridable
def is_inference(input: Tensor) -> bool:
    """True for tensors made in inference mode."""
    try:
        return input.is_inference()
    except AttributeError:
        raise _no_tensor("is_inference", input) from None


@_C._overridable
def is_conj(input: Tensor) -> bool:
    """False: conjugates are computed at once."""
    return False


@_C._overridable
def is_neg(input: Tensor) -> bool:
    """False: negatives are computed at once."""
    return False


def is_distributed(input: Tensor) -> bool:
    """False."""
    return False


@_C._overridable
def resolve_conj(input: Tensor) -> Tensor:
    """input itself."""
    return input


@_C._overridable
def resolve_neg(input: Tensor) -> Tensor:
    """input itself."""
    return input


@_C._overridable
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """True if the shapes agree."""
    try:
        return input.shape == other.shape
    except AttributeError:
        raise _no_tensor("is_same_size", input, other) from None


@_C._overridable
def is_nonzero(input: Tensor) -> bool:
    """True if the one element of input is not zero."""
    if not isinstance(input, Tensor):
        raise _no_tensor("is_nonzero", input)
    if input.numel() == 0:
        raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
    return builtins.bool(input)


@_C._overridable
def numel(input: Tensor) -> int:
    """The number of elements."""
    try:
        return input.numel()
    except AttributeError:
        raise _no_tensor("numel", input) from None


def typename(obj: Any) -> str:
    """The type's name: 'torch.FloatTensor' for tensors."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", None) or kind.__module__
    name = getattr(obj, "__qualname__", None) or kind.__qualname__
    return name if module in (None, "builtins") else f"{module}.{name}"


@_C._overridable
def result_type(tensor1: Any, tensor2: Any) -> Any:
    """The dtype of an operation between two tensors or numbers."""
    return _C.result_type(tensor1, tensor2)


# ---------------------------------------------------------------------------------------------------- selection with several forms

_where3, _nonzero = _C._functions["where"], _C._all_functions["nonzero"]


@_C._overridable
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None, self: Any = None, x: Any = None, y: Any = None) -> Any:
    """input where condition holds, other elsewhere; with condition alone, the indices of its true elements.

    >>> torch.where(torch.tensor([True, False]), 1., 0.)
    tensor([1., 0.])
    """
    if input is None and other is None and self is None and x is None:
        return nonzero(condition, as_tuple=True)
    input = self if input is None and self is not None else x if input is None else input
    other = y if other is None else other
    if out is not None:
        return _where3(condition, input, other, out=out)
    return _where3(condition, input, other)


@_C._overridable
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like input, filled with value (through which gradients flow if it is a tensor)."""
    try:
        return input.clone().fill_(value)
    except AttributeError:
        raise _no_tensor("fill", input) from None


@_C._overridable
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The coordinates of elements that are not zero: one a row, or one tensor a dimension with as_tuple.

    >>> torch.nonzero(torch.tensor([0, 3, 0, 4]))
    tensor([[1],
            [3]])
    """
    if not as_tuple:
        return _nonzero(input) if out is None else _nonzero(input, out=out)
    if input.dim() == 0:
        return _nonzero(input.unsqueeze(0)).unbind(1)
    return _nonzero(input).unbind(1)


# ---------------------------------------------------------------------------------------------------- conversions of tensors

_LEGACY = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long", "int32": "Int", "int16": "Short",
    "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex32": "ComplexHalf", "complex64": "ComplexFloat", "complex128": "ComplexDouble", "uint16": "UInt16",
    "uint32": "UInt32", "uint64": "UInt64",
}


def _parse_to(args: tuple, kwargs: dict) -> tuple:
    """(device, dtype, non_blocking, copy, memory_format) of the arguments of Tensor.to."""
    device = dtype = memory_format = None
    non_blocking = copy = False
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
        device, dtype = other.device, other.dtype
    elif rest and isinstance(rest[0], _C.dtype):
        dtype = rest.pop(0)
    elif rest and (rest[0] is None or isinstance(rest[0], (str, _C.device)) or (isinstance(rest[0], int) and not isinstance(rest[0], bool))):
        device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], _C.dtype)):
            dtype = rest.pop(0)
    elif rest and isinstance(rest[0], type) and rest[0] in (float, int, bool, complex):
        dtype = _C._functions["empty"](0, dtype=rest.pop(0)).dtype
    for name in ("other",):
        if name in kwargs:
            device, dtype = kwargs[name].device, kwargs[name].dtype
    device = kwargs.get("device", device)
    dtype = kwargs.get("dtype", dtype)
    non_blocking = kwargs.get("non_blocking", rest.pop(0) if rest else False)
    copy = kwargs.get("copy", rest.pop(0) if rest else False)
    memory_format = kwargs.get("memory_format")
    unknown = kwargs.keys() - {"device", "dtype", "non_blocking", "copy", "memory_format", "other"}
    if rest or unknown:
        got = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()])
        raise TypeError(f"to() received an invalid combination of arguments - got ({got}), but expected one of:\n * (torch.device device, torch.dtype "
                        "dtype, bool non_blocking, bool copy, *, torch.memory_format memory_format)\n * (torch.dtype dtype, bool non_blocking, "
                        "bool copy, *, torch.memory_format memory_format)\n * (Tensor tensor, bool non_blocking, bool copy, *, torch.memory_format "
                        "memory_format)\n")
    if device is not None:
        device = _C.device(device)
    return device, dtype, non_blocking, copy, memory_format


def _on_device(device: Any) -> None:
    """For what only the processor has: raises for other devices."""
    if device is not None and _C._functions["empty"](0, device=device).device != _cpu:
        raise NotImplementedError(f"not implemented on device '{device}' (only on the cpu)")


class _Methods:
    """What is added to Tensor."""

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The tensor with another dtype, device or memory format; itself where nothing changes (unless copy=True)."""
        if not kwargs and len(args) == 1 and type(args[0]) is _C.dtype:
            return _to(self, args[0], False, None, None)
        device, dtype, _, copy, memory_format = _parse_to(args, kwargs)
        return _to(self, dtype, copy, memory_format, device)

    def type(self, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        """The type's name; or the tensor converted to a dtype, a torch.FloatTensor-like class or its name."""
        if dtype is None:
            place = "" if self.is_cpu else self.device.type + "."
            return f"torch.{place}{_LEGACY[str(self.dtype)[6:]]}Tensor"
        if not isinstance(dtype, _C.dtype):
            from .storage import legacy_type
            kind = legacy_type(dtype)
            if kind.is_cuda:
                return self.cuda()
            dtype = kind.dtype
        return _to(self, dtype, False, None, None)

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor with other's dtype."""
        return _to(self, other.dtype, False, None, other.device)

    def cpu(self, memory_format: Any = None) -> Tensor:
        """The tensor on the CPU: itself where it is there."""
        return _to(self, None, False, memory_format, _cpu)

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        """The tensor on a GPU; AssertionError where there is none."""
        raise AssertionError("Torch not compiled with CUDA enabled")

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from ._tensor_str import _str
        return _str(self, tensor_contents=tensor_contents) if tensor_contents is not None else _str(self)

    def __format__(self, spec: str) -> str:
        if self.dim() == 0 and type(self) is Tensor and not self.is_meta:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were "
                               "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
                               "https://github.com/pytorch/pytorch/pull/103001")
        with _no_grad():
            storage = self.untyped_storage()
            key = ("storage", storage._cdata)
            copied = memo.get(key)
            if copied is None:
                copied = memo[key] = storage.clone()
            fresh = _C._functions["empty"](0, dtype=self.dtype, device=self.device)
            fresh.set_(copied, self.storage_offset(), self.size(), self.stride())
            if type(self) is not Tensor:
                fresh = Tensor._make_subclass(type(self), fresh, False)
        fresh.requires_grad_(self.requires_grad)
        if self.grad is not None:
            fresh.grad = self.grad.__deepcopy__(memo)
        memo[id(self)] = fresh
        if self.__dict__:
            import copy
            fresh.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return fresh

    def __copy__(self) -> Tensor:
        fresh = self.detach().requires_grad_(self.requires_grad) if type(self) is Tensor else Tensor._make_subclass(type(self), self, self.requires_grad)
        fresh.__dict__.update(self.__dict__)
        return fresh

    def __reduce_ex__(self, protocol: int) -> tuple:
        from . import _utils
        return _utils._reduce_tensor(self, protocol)

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
        if array.dtype == bool:
            array = array.astype("uint8")  # PyTorch's answer to NumPy's comparisons
        return _C.from_numpy(array if array.ndim else array.reshape(1)).reshape(array.shape)

    def __bytes__(self) -> bytes:
        return bytes(self.tolist())

    __array_priority__ = 1000

    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None) -> Any:
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if stream is not None:
            if type(stream) is not int:
                raise TypeError("stream must be ``int`` or ``none``")
            raise AssertionError("stream should be None on cpu.")
        if dl_device is not None and tuple(map(int, dl_device)) != (1, 0):
            raise BufferError(f"__dlpack__: the tensor is on the CPU (got dl_device={dl_device}, expected (1, 0))")
        return _C._to_dlpack(self.clone() if copy else self, max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self) -> tuple:
        if not self.is_cpu:
            raise ValueError(f"Unknown device type {self.device.type} for Dlpack")
        from .utils.dlpack import DLDeviceType
        return (DLDeviceType.kDLCPU, 0)

    def __reversed__(self) -> Tensor:
        return self if self.dim() == 0 else self.flip(0)

    def __dir__(self) -> list:
        return sorted(set(dir(type(self))) | set(self.__dict__))

    def __rdiv__(self, other: Any) -> Tensor:
        return self.reciprocal() * other

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return _C._functions["matmul"](other, self)

    def register_hook(self, hook: Any) -> Any:
        """hook(grad) runs when the gradient of this tensor is known; what it returns replaces the gradient."""
        from .utils.hooks import RemovableHandle
        handle = RemovableHandle(table := _C._tensor_hook_dict(self))
        table[handle.id] = hook
        return handle

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """hook(tensor) runs after a gradient was accumulated into .grad of this leaf."""
        from .utils.hooks import RemovableHandle
        handle = RemovableHandle(table := _C._post_accumulate_dict(self))
        table[handle.id] = hook
        return handle

    def reinforce(self, reward: Any) -> None:
        """Gone since PyTorch 0.4: use torch.distributions."""
        raise RuntimeError("reinforce() was removed. Use torch.distributions instead.")

    def storage(self) -> Any:
        """The typed storage."""
        from .storage import TypedStorage
        return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype, _internal=True)

    _typed_storage = storage

    def storage_type(self) -> Any:
        """The class of the typed storage: torch.FloatStorage."""
        from .storage import legacy_name, storage_type
        return storage_type("torch." + legacy_name(self.dtype, "Storage"))

    def new(self, *args: Any, **kwargs: Any) -> Tensor:
        """A new tensor of self's dtype, from sizes or data (early API)."""
        return _legacy_new(Tensor, *args, _dtype=self.dtype)

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False) -> Tensor:
        """A copy of data with self's dtype."""
        return _C.tensor(data, dtype=self.dtype if dtype is None else dtype, device=self.device if device is None else device,
                         requires_grad=requires_grad)

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """The coordinates of elements that are not zero."""
        return nonzero(self, as_tuple=as_tuple)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """self where condition holds, other elsewhere."""
        return _where3(condition, self, other)

    def pin_memory(self, device: Any = None) -> Tensor:
        """Without a GPU there is no pinned memory."""
        raise RuntimeError("Cannot access accelerator device when none is available.")

    def share_memory_(self) -> Tensor:
        """Moves its memory to where child processes see writes to it, and returns itself.

        >>> torch.ones(2).share_memory_().is_shared()
        True
        """
        import flambeau.multiprocessing  # noqa: F401  its pickler sends shared memory as such
        self.untyped_storage().share_memory_()
        return self

    def is_same_size(self, other: Tensor) -> bool:
        """True if the shapes agree."""
        return self.shape == other.shape

    def is_set_to(self, tensor: Tensor) -> bool:
        """True if both are the same window on the same storage."""
        return (self.untyped_storage()._cdata == tensor.untyped_storage()._cdata and self.storage_offset() == tensor.storage_offset()
                and self.shape == tensor.shape and self.stride() == tensor.stride())

    def is_nonzero(self) -> bool:
        """True if the one element is not zero."""
        return is_nonzero(self)

    def is_distributed(self) -> bool:
        """False."""
        return False

    def is_coalesced(self) -> bool:
        """Only sparse tensors are coalesced."""
        raise RuntimeError("is_coalesced expected sparse coordinate tensor layout but got Strided")

    def to_dense(self, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
        """A dense tensor is dense already."""
        return self if dtype is None else self.to(dtype)

    def resolve_conj(self) -> Tensor:
        """self."""
        return self

    def resolve_neg(self) -> Tensor:
        """self."""
        return self

    def get_device(self) -> int:
        """-1 on the CPU."""
        return -1

    def apply_(self, function: Any) -> Tensor:
        """Each element replaced by function(element): slow, CPU only."""
        if self.requires_grad and _C.is_grad_enabled():
            raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
        flat = [function(v) for v in self.reshape(-1).tolist()]
        return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))

    def map_(self, tensor: Tensor, function: Any) -> Tensor:
        """Each element replaced by function(element, element of tensor)."""
        flat = [function(a, b) for a, b in zip(self.reshape(-1).tolist(), tensor.expand_as(self).reshape(-1).tolist())]
        return self.copy_(_C.tensor(flat, dtype=self.dtype).view(self.shape))

    def resize(self, *sizes: Any) -> Tensor:
        """Deprecated: reshape, or resize_."""
        import warnings
        warnings.warn("non-inplace resize is deprecated", stacklevel=2)
        return self.reshape(*sizes)

    def resize_as_(self, other: Tensor, *, memory_format: Any = None) -> Tensor:
        """resize_ to other's size, in memory_format (preserve_format: other's)."""
        if memory_format is None:
            return self.resize_(other.size())
        if memory_format is _C.preserve_format:
            last = _C.channels_last if other.ndim == 4 else _C.channels_last_3d
            follows = other.ndim in (4, 5) and not other.is_contiguous() and other.is_contiguous(memory_format=last)
            memory_format = last if follows else _C.contiguous_format
        return self.resize_(other.size(), memory_format=memory_format)

    def dim_order(self, *, ambiguity_check: Any = False) -> tuple:
        """The dimensions from the outermost in memory to the innermost."""
        return tuple(sorted(range(self.dim()), key=lambda d: (-self.stride(d), d)))

    def record_stream(self, stream: Any) -> None:
        """Streams are a GPU's."""
        raise NotImplementedError("record_stream: there is no GPU")

    @property
    def __cuda_array_interface__(self) -> Any:
        raise AttributeError("Can't get __cuda_array_interface__ on non-CUDA tensor type")

    @property
    def volatile(self) -> bool:
        import warnings
        warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
        return False

    @property
    def name(self) -> None:
        return None

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        """Runs func and gives results the subclass's type."""
        if not all(issubclass(cls, t) for t in types):
            return NotImplemented
        before = _C._set_torch_function_enabled(False)
        try:
            result = func(*args, **(kwargs or {}))
        finally:
            _C._set_torch_function_enabled(before)
        from .overrides import get_default_nowrap_functions
        return result if func in get_default_nowrap_functions() else _convert(result, cls)


def _convert(value: Any, cls: type) -> Any:
    """Tensors in value as instances of cls."""
    if cls is Tensor:
        return value
    if isinstance(value, Tensor) and not isinstance(value, cls):
        return value.as_subclass(cls)
    if isinstance(value, (tuple, list)):
        kind = type(value)
        items = [_convert(v, cls) for v in value]
        if isinstance(value, _C.Size):
            return value
        return kind(items) if kind in (tuple, list) else kind(items) if not hasattr(value, "_fields") else kind(items)
    return value


class _no_grad:
    def __enter__(self) -> None:
        self.before = _C.is_grad_enabled()
        _C._set_grad_enabled(False)

    def __exit__(self, *_: object) -> None:
        _C._set_grad_enabled(self.before)


for _name, _dtype in {"float": _C.float32, "double": _C.float64, "half": _C.float16, "bfloat16": _C.bfloat16, "long": _C.int64, "int": _C.int32,
                      "short": _C.int16, "char": _C.int8, "byte": _C.uint8, "bool": _C.bool, "chalf": _C.complex32, "cfloat": _C.complex64,
                      "cdouble": _C.complex128}.items():
    def _method(self: Tensor, memory_format: Any = None, _d: Any = _dtype) -> Tensor:
        return _to(self, _d, False, memory_format, None)
    _method.__name__, _method.__doc__ = _name, f"The tensor as {_dtype}."
    setattr(_Methods, _name, _method)

def _view_inplace(name: str) -> None:
    """NAME_: the tensor itself becomes the view."""
    view = getattr(Tensor, name)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _C._adopt_view(self, view(self, *args, **kwargs))
    method.__name__ = name + "_"
    method.__doc__ = f"In-place {name}: self becomes the view."
    setattr(_Methods, name + "_", method)


for _name in ("transpose", "t", "squeeze", "unsqueeze", "as_strided"):
    _view_inplace(_name)
_Methods.swapaxes_ = _Methods.swapdims_ = _Methods.transpose_

def _attach(name: str, value: Any) -> None:
    if hasattr(value, "__code__"):
        value.__qualname__ = "Tensor." + name
        if not name.startswith("__"):
            value = _C._overridable(value)  # subclasses and modes see the call
    setattr(Tensor, name, value)


for _name, _value in vars(_Methods).items():
    if _name not in ("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__"):
        _attach(_name, _value)
Tensor.__module__ = "torch"


# ---------------------------------------------------------------------------------------------------- construction

def _legacy_new(cls: type, *args: Any, _dtype: Any = None, **kwargs: Any) -> Tensor:
    """torch.Tensor(...), torch.FloatTensor(...), t.new(...): no arguments, sizes, a sequence, a tensor, an array or a storage."""
    dtype = _dtype or _C.get_default_dtype()
    if kwargs.keys() - {"device", "data", "size"}:
        raise TypeError(f"new() received an invalid combination of arguments - got ({', '.join(kwargs)})")
    if "data" in kwargs:
        args = (kwargs["data"],)
    if "size" in kwargs:
        args = tuple(kwargs["size"])
    # These constructors are older than devices: they make tensors on the processor, a storage apart.
    where = kwargs.get("device") or _cpu

    def empty(*size: Any, device: Any = where) -> Tensor:
        return _C._functions["empty"](*size, dtype=dtype, device=device)

    if not args:
        made = empty(0)
    elif isinstance(args[0], Tensor) and len(args) == 1:
        if _dtype is not None and args[0].dtype != dtype:
            raise TypeError(f"new(): expected a tensor of dtype {dtype} (got {args[0].dtype})")
        made = args[0].detach()
    elif isinstance(args[0], _C.Size) and len(args) == 1:
        made = empty(args[0])
    elif isinstance(args[0], _C.UntypedStorage):
        made = empty(0, device=args[0].device).set_(args[0])
    elif hasattr(args[0], "_untyped_storage"):
        made = empty(0, device=args[0].device).set_(args[0]._untyped_storage)
    elif all(hasattr(a, "__index__") and not isinstance(a, bool) and not hasattr(a, "__len__") or isinstance(a, Tensor) for a in args):
        made = empty(tuple(map(int, args)))
    elif len(args) == 1:
        if not hasattr(args[0], "__len__") and not hasattr(args[0], "__array__") or isinstance(args[0], (dict, set, frozenset)):
            raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
        made = _C.tensor(args[0], dtype=dtype, device=where)
    else:
        got = ", ".join(type(a).__name__ for a in args)
        raise TypeError(f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n * (*, torch.device device)\n * "
                        "(torch.Storage storage)\n * (Tensor other)\n * (tuple of ints size, *, torch.device device)\n * (object data, *, torch.device device)\n")
    return made if cls is Tensor else Tensor._make_subclass(cls, made, False)


def _rebuild_generator(state: Tensor) -> Any:
    generator = _C.Generator()
    generator.set_state(state)
    return generator


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: Any = None) -> Tensor:
    """A tensor on the memory of an object with __dlpack__, or of a DLPack capsule.

    >>> import numpy
    >>> torch.from_dlpack(numpy.arange(3.))
    tensor([0., 1., 2.], dtype=torch.float64)
    """
    capsule = ext_tensor
    if hasattr(ext_tensor, "__dlpack__"):
        kind = int(ext_tensor.__dlpack_device__()[0])
        if kind == 2:
            raise AssertionError("Torch not compiled with CUDA enabled")
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0))
        except TypeError:  # a producer from before versions
            capsule = ext_tensor.__dlpack__()
    made = _C._from_dlpack(capsule)
    return made.clone() if copy else made


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor."""
    return tensor.__dlpack__()


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: Any = None, requires_grad: bool = False) -> Tensor:
    """obj as a tensor, sharing memory unless copy is True; ValueError if copy is False and it can't."""
    if isinstance(obj, Tensor):
        made = obj if dtype is None else obj.to(dtype)
        shared = made is obj
        if shared and not requires_grad and obj.requires_grad:
            made = obj.detach()
    elif hasattr(obj, "__array__") or type(obj).__name__ == "ndarray":
        made = _C.as_tensor(obj)
        shared = dtype is None or made.dtype == dtype
        made = made if shared else made.to(dtype)
    elif hasattr(obj, "__dlpack__"):
        made = from_dlpack(obj)
        shared = dtype is None or made.dtype == dtype
        made = made if shared else made.to(dtype)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        made = _C.frombuffer(obj, dtype=dtype or _C.get_default_dtype())
        shared = True
    else:
        made, shared = _C.tensor(obj, dtype=dtype), False
    if device is not None and made.device != (place := _C._functions["empty"](0, device=device).device):
        made, shared = made.to(place), False
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor." if not isinstance(obj, Tensor) else
                         f"can't alias tensor with dtype '{obj.dtype}' into dtype '{dtype}'.")
    if copy and shared:
        made = made.clone()
    return made.requires_grad_() if requires_grad else made


# ---------------------------------------------------------------------------------------------------- names that programs mention

class SymInt:
    """PyTorch's symbolic integer: a name for isinstance; sizes are plain integers here."""


class SymFloat:
    """PyTorch's symbolic number: a name for isinstance."""


class SymBool:
    """PyTorch's symbolic truth value: a name for isinstance."""


def sym_int(a: Any) -> int:
    """int(a)."""
    return int(a)


def sym_float(a: Any) -> float:
    """float(a)."""
    return float(a)


def sym_max(a: Any, b: Any) -> Any:
    """max(a, b)."""
    return max(a, b)


def sym_min(a: Any, b: Any) -> Any:
    """min(a, b)."""
    return min(a, b)


def sym_not(a: Any) -> bool:
    """not a."""
    return not a


class Stream:
    """A queue of a device's work; the CPU has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("Stream: there is no accelerator on this machine")


class Event:
    """A mark in a stream; the CPU has none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("Event: there is no accelerator on this machine")


# ---------------------------------------------------------------------------------------------------- what the core's namespace lacks in C++

class DisableTorchFunctionSubclass:
    """A with block in which subclasses do not override."""

    def __enter__(self) -> None:
        self.before = _C._set_torch_function_enabled(False)

    def __exit__(self, *_: object) -> None:
        _C._set_torch_function_enabled(self.before)


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """The same, modes included."""

    def __enter__(self) -> None:
        super().__enter__()
        self.modes = len(_modes)
        _C._set_torch_function_modes(0)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        _C._set_torch_function_modes(self.modes)


class _InferenceMode:
    """The guard behind torch.inference_mode."""

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.before = _C._set_inference(self.mode)

    def __exit__(self, *_: object) -> None:
        _C._restore_inference(*self.before)


_modes: list = []


def _push_on_torch_function_stack(mode: Any) -> None:
    _modes.append(mode)
    _C._set_torch_function_modes(len(_modes))


def _pop_torch_function_stack() -> Any:
    mode = _modes.pop()
    _C._set_torch_function_modes(len(_modes))
    return mode


def _is_torch_function_enabled() -> bool:
    enabled = _C._set_torch_function_enabled(True)
    _C._set_torch_function_enabled(enabled)
    return enabled


for _value in (DisableTorchFunctionSubclass, DisableTorchFunction, _InferenceMode, _push_on_torch_function_stack, _pop_torch_function_stack,
               _is_torch_function_enabled):
    setattr(_C, _value.__name__, _value)
_C._len_torch_function_stack = lambda: len(_modes)
_C._get_function_stack_at = lambda i: _modes[i]
_C._get_cpu_capability = lambda: {"v4": "AVX512", "v3": "AVX2"}.get(_C._isa(), "DEFAULT")
_C._will_engine_execute_node = lambda node: _C._backward_depth() > 0
