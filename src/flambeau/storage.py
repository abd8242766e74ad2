"""Typed storages, and the early names of tensor and storage types: torch.FloatTensor, torch.LongStorage, torch.cuda.FloatTensor.

>>> torch.FloatTensor([1, 2])
tensor([1., 2.])
>>> isinstance(torch.ones(2), torch.FloatTensor), torch.ones(2).storage_type().__name__
(True, 'FloatStorage')
"""
from __future__ import annotations

from typing import Any, Iterable, Iterator

import flambeau as torch

from . import _C
from ._tensor import _LEGACY, _legacy_new

__all__ = ["UntypedStorage", "TypedStorage", "legacy_type", "legacy_name"]

UntypedStorage = _C.UntypedStorage

_KINDS = {kind: getattr(_C, name) for name, kind in _LEGACY.items()}          # "Float" -> torch.float32
_KIND_OF = {dtype: kind for kind, dtype in _KINDS.items()}
_LOADABLE = set(_KINDS) - {"UInt16", "UInt32", "UInt64"}                       # kinds that have type names of their own


# ---------------------------------------------------------------------------------------------------- tensor types

class tensortype(type):
    """The type of torch.FloatTensor and the like: calling one makes a tensor of its dtype, tensors of that dtype are its instances."""

    dtype: Any
    is_cuda: bool
    is_sparse: bool
    layout: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _C.Tensor) and instance.dtype is cls.dtype and instance.is_cuda is cls.is_cuda \
            and instance.is_sparse is cls.is_sparse

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        full = f"{cls.__module__}.{cls.__name__}"
        if cls.is_cuda:
            raise TypeError(f"type {full} not available. Torch not compiled with CUDA enabled.")
        if cls.is_sparse:
            from .sparse._construct import legacy
            return legacy(cls.dtype, args)
        device = kwargs.get("device")
        if device is not None and _C.device(device).type != "cpu":
            raise RuntimeError(f"legacy constructor expects device type: cpu but device type: {_C.device(device).type} was passed")
        return _legacy_new(_C.Tensor, *args, _dtype=cls.dtype, **kwargs)

    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__name__}'>"


tensortype.__module__ = "torch"
_tensor_types: dict[str, tensortype] = {}


def tensor_type(name: str) -> tensortype:
    """The class of a full name: torch.FloatTensor, torch.cuda.LongTensor, torch.sparse.FloatTensor; KeyError for others."""
    if name not in _tensor_types:
        module, _, short = name.rpartition(".")
        kind = short[:-len("Tensor")]
        if module not in ("torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse") or not short.endswith("Tensor") or kind not in _LOADABLE:
            raise KeyError(name)
        sparse = module.endswith("sparse")
        _tensor_types[name] = tensortype(short, (), {"__module__": module, "dtype": _KINDS[kind], "is_cuda": ".cuda" in module,
                                                     "is_sparse": sparse, "layout": torch.sparse_coo if sparse else torch.strided})
    return _tensor_types[name]


def legacy_type(kind: Any) -> tensortype:
    """The tensor type that is meant by one of these classes or by its full name; ValueError if it is none.

    >>> torch.storage.legacy_type("torch.LongTensor").dtype
    torch.int64
    """
    if isinstance(kind, tensortype):
        return kind
    if isinstance(kind, str) or kind is _C.Tensor:
        name = "torch.Tensor" if kind is _C.Tensor else kind
        if name == "torch.Tensor":
            name = f"torch.{_KIND_OF[_C.get_default_dtype()]}Tensor"
        try:
            return tensor_type(name)
        except KeyError:
            pass
    shown = kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
    raise ValueError(f"invalid type: '{shown}'")


def legacy_name(dtype: Any, what: str = "Tensor") -> str:
    """'FloatTensor' (or 'FloatStorage') for torch.float32."""
    return _KIND_OF[dtype] + what


# ---------------------------------------------------------------------------------------------------- storages

def _typed(name: str) -> Any:
    def method(self: TypedStorage) -> TypedStorage:
        return self._to(getattr(_C, name))
    method.__doc__ = f"A copy as {name}; itself if it is that already."
    return method


class TypedStorage:
    """Elements of one dtype behind tensors, without shape: TypedStorage(3), TypedStorage([1, 2], dtype=torch.int64).

    Tensors and typed storages made from one another share memory.
    """

    is_sparse = False
    _untyped_storage: Any
    dtype: Any

    def __init__(self, *args: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None, _internal: bool = False) -> None:
        dtype = dtype or getattr(type(self), "dtype", None)
        if wrap_storage is not None:
            if args:
                raise RuntimeError("TypedStorage: no positional argument may be given with wrap_storage (got "
                                   f"{len(args)})")
            if dtype is None:
                raise RuntimeError("TypedStorage: argument 'dtype' must be specified with wrap_storage")
            if not isinstance(wrap_storage, UntypedStorage):
                raise TypeError(f"Argument 'wrap_storage' must be UntypedStorage, but got {type(wrap_storage)}")
            self.dtype, self._untyped_storage = dtype, wrap_storage
            return
        self.dtype = dtype = dtype or _C.get_default_dtype()
        if len(args) > 1:
            raise RuntimeError(f"TypedStorage: expected at most one positional argument (got {len(args)})")
        if not args:
            self._untyped_storage = UntypedStorage(0)
        elif isinstance(args[0], int):
            self._untyped_storage = UntypedStorage(args[0] * dtype.itemsize)
        elif isinstance(args[0], Iterable):
            self._untyped_storage = torch.tensor(list(args[0]), dtype=dtype).untyped_storage()
        else:
            raise TypeError(f"TypedStorage: argument type not recognized: {type(args[0])}")

    def _flat(self) -> Any:
        return torch.empty(0, dtype=self.dtype, device=self.device).set_(self._untyped_storage)

    def untyped(self) -> Any:
        """The bytes."""
        return self._untyped_storage

    @property
    def device(self) -> Any:
        return self._untyped_storage.device

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def size(self) -> int:
        """The number of elements."""
        return self._untyped_storage.nbytes() // self.dtype.itemsize

    __len__ = _size = size

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """The bytes of an element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def is_shared(self) -> bool:
        """Whether other processes may see these elements."""
        return self._untyped_storage.is_shared()

    def is_pinned(self, device: Any = None) -> bool:
        """False without a GPU."""
        return False

    def share_memory_(self) -> TypedStorage:
        """Moves the elements to memory that processes share, and returns itself."""
        self._untyped_storage.share_memory_()
        return self

    @classmethod
    def _new_shared(cls, size: int, device: Any = None) -> TypedStorage:
        return cls(size).share_memory_()

    def pickle_storage_type(self) -> str:
        """The name that files know this kind of storage by."""
        return legacy_name(self.dtype, "Storage")

    _pickle_storage_type = pickle_storage_type

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the kind; or the storage converted to a dtype."""
        if dtype is None:
            return "torch." + legacy_name(self.dtype, "Storage")
        if isinstance(dtype, str):
            dtype = storage_type(dtype).dtype
        return self._to(getattr(dtype, "dtype", dtype))

    def _to(self, dtype: Any) -> TypedStorage:
        if dtype == self.dtype:
            return self
        return TypedStorage(wrap_storage=self._flat().to(dtype).untyped_storage(), dtype=dtype)

    float, double, half, bfloat16 = _typed("float32"), _typed("float64"), _typed("float16"), _typed("bfloat16")
    long, int, short, char, byte, bool = (_typed("int64"), _typed("int32"), _typed("int16"), _typed("int8"), _typed("uint8"), _typed("bool"))
    complex_float, complex_double = _typed("complex64"), _typed("complex128")

    def cpu(self) -> TypedStorage:
        """The storage itself."""
        return self

    def cuda(self, device: Any = None, non_blocking: Any = False) -> TypedStorage:
        """AssertionError without a GPU."""
        raise AssertionError("Torch not compiled with CUDA enabled")

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def __copy__(self) -> TypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: dict) -> TypedStorage:
        import copy
        return TypedStorage(wrap_storage=copy.deepcopy(self._untyped_storage, memo), dtype=self.dtype)

    def __reduce__(self) -> tuple:
        return _rebuild_typed, (self._untyped_storage, self.dtype)

    def copy_(self, source: Any, non_blocking: Any = None) -> TypedStorage:
        """Takes over the elements of another storage of the same size, converting them."""
        if len(source) != len(self):
            raise RuntimeError(f"copy_: size does not match, self was {len(self)} elements but src was {len(source)} elements")
        self._flat().copy_(source._flat())
        return self

    def fill_(self, value: Any) -> TypedStorage:
        """Sets all elements."""
        self._flat().fill_(value)
        return self

    def resize_(self, size: Any) -> None:
        """Changes the number of elements, keeping the first ones."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)

    def tolist(self) -> list:
        """The elements as Python numbers."""
        return self._flat().tolist()

    def __iter__(self) -> Iterator:
        return iter(self.tolist())

    def _index(self, k: Any) -> Any:
        if isinstance(k, slice):
            return k
        size = len(self)
        if not -size <= k < size:
            raise IndexError(f"index {k} out of range for storage of size {size}")
        return k % size

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._flat()[self._index(k)].item()

    def __setitem__(self, k: Any, value: Any) -> None:
        self._flat()[self._index(k)] = value

    def __repr__(self) -> str:
        return "".join(f" {v}\n" for v in self.tolist()) + (f"[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size "
                                                            f"{len(self)}]")

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str = "native", *, dtype: Any = None) -> TypedStorage:
        """A storage with a copy of the bytes of a buffer, of native order ('little' and 'big' are converted)."""
        import sys
        dtype = dtype or getattr(cls, "dtype", None) or _C.get_default_dtype()
        data = bytearray(buffer)
        if byte_order not in ("native", sys.byteorder):
            item = dtype.itemsize
            data = bytearray(b"".join(data[k:k + item][::-1] for k in range(0, len(data), item)))
        return TypedStorage(wrap_storage=UntypedStorage(data), dtype=dtype)


TypedStorage.__module__ = "torch.storage"


def _rebuild_typed(untyped: Any, dtype: Any) -> TypedStorage:
    return TypedStorage(wrap_storage=untyped, dtype=dtype)


class _StorageType(type):
    """The type of torch.FloatStorage and the like."""

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is _LegacyStorage:
            return isinstance(instance, TypedStorage)
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> TypedStorage:
        kwargs.pop("_internal", None)
        if kwargs.get("wrap_storage") is not None:
            return TypedStorage(dtype=cls.dtype, wrap_storage=kwargs["wrap_storage"])
        return TypedStorage(*args, dtype=cls.dtype)


class _LegacyStorage(metaclass=_StorageType):
    """What torch.FloatStorage and the like have in common."""

    dtype: Any

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str = "native") -> TypedStorage:
        """See TypedStorage.from_buffer."""
        return TypedStorage.from_buffer(buffer, byte_order, dtype=cls.dtype)

    @classmethod
    def _new_shared(cls, size: int, device: Any = None) -> TypedStorage:
        return TypedStorage(size, dtype=cls.dtype).share_memory_()


_storage_types: dict[str, Any] = {}


def storage_type(name: str) -> Any:
    """The class of a full name: torch.FloatStorage; KeyError for others."""
    module, _, short = name.rpartition(".")
    kind = short[:-len("Storage")]
    if module != "torch" or not short.endswith("Storage") or kind not in _LOADABLE:
        raise KeyError(name)
    if short not in _storage_types:
        _storage_types[short] = _StorageType(short, (_LegacyStorage,), {"__module__": "torch", "dtype": _KINDS[kind]})
    return _storage_types[short]
