"""Writes object graphs in the pickle format of PyTorch's files (protocol 2), tensors' memory apart.

Names of this package are written as PyTorch's, so that PyTorch reads the files. Reading is in `_file_reader.py`.
"""
from __future__ import annotations

import io
import struct
import sys

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The storage classes under which PyTorch's files name element types; other types are written with their dtype.
STORAGE_NAMES = {
    "float64": "DoubleStorage", "float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage",
    "int32": "IntStorage", "int16": "ShortStorage", "int8": "CharStorage", "uint8": "ByteStorage",
    "bool": "BoolStorage", "bfloat16": "BFloat16Storage", "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
}


def dtype_name(dtype: Any) -> str:
    """`float32` for torch.float32."""
    return str(dtype).rpartition(".")[2]


def public_module(name: str) -> str:
    """A module's name as PyTorch's programs know it."""
    for ours, theirs in (("flambeau.vision", "torchvision"), ("flambeau", "torch")):
        if name == ours or name.startswith(ours + "."):
            return theirs + name[len(ours):]
    return name


class _Global:
    """A name to be written in the place of an object."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


_REBUILD_TENSOR = _Global("torch._utils", "_rebuild_tensor_v2")
_REBUILD_TENSOR_3 = _Global("torch._utils", "_rebuild_tensor_v3")
_REBUILD_META = _Global("torch._utils", "_rebuild_meta_tensor_no_storage")
_REBUILD_PARAMETER = _Global("torch._utils", "_rebuild_parameter")
_REBUILD_PARAMETER_STATE = _Global("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_SPARSE = _Global("torch._utils", "_rebuild_sparse_tensor")
_REBUILD_TYPE = _Global("torch._tensor", "_rebuild_from_type_v2")
_ORDERED_DICT = _Global("collections", "OrderedDict")
_UNTYPED = _Global("torch.storage", "UntypedStorage")
_PYTHON_2_NAMES = {"range": "xrange"}


class Writer:
    """Pickles one object. `storages` then holds, by key, what the tensors are made of."""

    def __init__(self, legacy: bool = False) -> None:
        self._out = io.BytesIO()
        self._write = self._out.write
        self._memo: dict[Any, tuple[int, Any]] = {}
        self._legacy = legacy
        self.storages: dict[str, Any] = {}
        self._storage_keys: dict[Any, tuple[str, str | None]] = {}
        self._item_sizes: dict[str, int] = {}

    def dump(self, value: Any) -> bytes:
        """The pickle of a value."""
        self._write(b"\x80\x02")
        self._save(value)
        self._write(b".")
        return self._out.getvalue()

    def item_size(self, key: str) -> int:
        """Bytes of an element of a storage."""
        return self._item_sizes[key]

    # -- the memo

    def _remember(self, key: Any, value: Any) -> None:
        number = len(self._memo)
        self._memo[key] = (number, value)  # the value is kept, or its id could be another's
        self._write(b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number))

    def _recall(self, key: Any) -> bool:
        known = self._memo.get(key)
        if known is None:
            return False
        number = known[0]
        self._write(b"h" + bytes([number]) if number < 256 else b"j" + struct.pack("<I", number))
        return True

    # -- objects

    def _save(self, value: Any) -> None:
        saver = _SAVERS.get(type(value))
        if saver is not None:
            saver(self, value)
        elif not self._recall(id(value)):
            self._save_other(value)

    def _save_other(self, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            self._save_tensor(value)
        elif isinstance(value, torch.UntypedStorage):
            self._save_storage(value, None, value.nbytes())
        elif isinstance(value, torch.dtype):
            self._save_global(_Global("torch", dtype_name(value)), value)
        elif isinstance(value, torch.device):
            arguments = (value.type,) if value.index is None else (value.type, value.index)
            self._save_reduce(_Global("torch", "device"), arguments, identity=value)
        elif isinstance(value, torch.Size):
            self._save_reduce(_Global("torch", "Size"), (tuple(value),), identity=value)
        elif isinstance(value, torch.layout):
            self._save_reduce(_Global("torch.serialization", "_get_layout"), (str(value),), identity=value)
        elif isinstance(value, type) or type(value).__name__ in ("function", "builtin_function_or_method"):
            self._save_named(value)
        else:
            self._save_by_reduction(value)

    def _save_by_reduction(self, value: Any) -> None:
        import copyreg

        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(2)
        if isinstance(reduced, str):
            self._save_named(value, reduced)
            return
        if not isinstance(reduced, tuple) or not 2 <= len(reduced) <= 6:
            raise TypeError(f"save: cannot save an object of type {type(value)}: its __reduce__ must return a string "
                            "or a tuple of 2 to 6 items")
        function, arguments, state, items, pairs = (*reduced, None, None, None, None)[:5]
        self._save_reduce(function, arguments, identity=value)
        if items is not None:
            self._append(list(items))
        if pairs is not None:
            self._set_items(list(pairs))
        if state is not None:
            self._save(state)
            self._write(b"b")

    def _save_reduce(self, function: Any, arguments: tuple, identity: Any = None) -> None:
        if getattr(function, "__name__", "") == "__newobj__":
            self._save(arguments[0])
            self._save(arguments[1:])
            self._write(b"\x81")
        else:
            self._save(function)
            self._save(arguments)
            self._write(b"R")
        if identity is not None and id(identity) not in self._memo:
            self._remember(id(identity), identity)

    def _save_global(self, name: _Global, identity: Any = None) -> None:
        key = (name.module, name.name)
        if self._recall(key):
            return
        self._write(f"c{name.module}\n{name.name}\n".encode())
        self._remember(key, name)

    def _save_named(self, value: Any, name: str | None = None) -> None:
        """A class or function, by its module and name."""
        name = name or getattr(value, "__qualname__", None) or value.__name__
        module = getattr(value, "__module__", None)
        if module is None or _find(module, name) is not value:
            module = next((candidate for candidate in ("flambeau.nn.functional", "flambeau", "flambeau._C._nn")
                           if _find(candidate, name) is value), None)
            if module is None:
                raise AttributeError(f"Can't pickle {value!r}: it is not found as "
                                     f"{getattr(value, '__module__', None)}.{name}; only classes and functions that "
                                     "a program can import can be saved")
        if module == "builtins":
            module, name = "__builtin__", _PYTHON_2_NAMES.get(name, name)
        self._save_global(_Global(public_module(module), name), value)

    # -- tensors

    def _save_storage(self, storage: Any, dtype: Any, elements: int) -> None:
        """A persistent id, which stands for a part of the file of its own."""
        name = STORAGE_NAMES.get(dtype_name(dtype)) if dtype is not None else None
        where = (storage.data_ptr(), str(storage.device)) if storage.nbytes() else id(storage)
        key, known = self._storage_keys.setdefault(where, (str(len(self._storage_keys)), name))
        if known != name:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        self.storages[key] = storage
        self._item_sizes[key] = 1 if name is None else dtype.itemsize
        device = storage.device
        location = "cpu" if device.type == "cpu" else f"{device.type}:{device.index or 0}"
        kind = _UNTYPED if name is None else _Global("torch", name)
        self._save(("storage", kind, key, location, elements, None) if self._legacy
                   else ("storage", kind, key, location, elements))
        self._write(b"Q")

    def _save_tensor(self, tensor: Any) -> None:
        state = {key: value for key, value in getattr(tensor, "__dict__", {}).items()
                 if key not in _PRIVATE_STATE}
        if type(tensor) is torch.nn.Parameter:
            function: Any = _REBUILD_PARAMETER_STATE if state else _REBUILD_PARAMETER
            self._save(function)
            self._write(b"(")
            self._save_plain(tensor.detach(), False)
            self._save(tensor.requires_grad)
            self._save_hooks()
            if state:
                self._save(state)
            self._write(b"tR")
        elif tensor.layout != torch.strided:
            from .sparse._files import parts
            self._save(_REBUILD_SPARSE)
            self._save(parts(tensor))
            self._write(b"R")
        elif type(tensor) is torch.Tensor and not state:
            self._save_plain(tensor, tensor.requires_grad)
        else:
            self._save(_REBUILD_TYPE)
            self._write(b"(")
            plain = tensor.detach().as_subclass(torch.Tensor) if type(tensor) is not torch.Tensor else tensor
            rebuild = self._plain_parts(plain)[0]
            self._save(rebuild)
            self._save(type(tensor) if type(tensor) is not torch.Tensor else _Global("torch", "Tensor"))
            self._save_arguments(plain, tensor.requires_grad)
            self._save(state)
            self._write(b"tR")
        self._remember(id(tensor), tensor)

    def _save_hooks(self) -> None:
        self._save(_ORDERED_DICT)
        self._write(b")R")

    def _plain_parts(self, tensor: Any) -> tuple:
        """The function that rebuilds a tensor, and whether it is told the dtype."""
        if tensor.device.type == "meta":
            return _REBUILD_META, True
        named = dtype_name(tensor.dtype) in STORAGE_NAMES
        return (_REBUILD_TENSOR, False) if named else (_REBUILD_TENSOR_3, True)

    def _save_plain(self, tensor: Any, requires_grad: bool) -> None:
        self._save(self._plain_parts(tensor)[0])
        self._save_arguments(tensor, requires_grad)
        self._write(b"R")

    def _save_arguments(self, tensor: Any, requires_grad: bool) -> None:
        rebuild, with_dtype = self._plain_parts(tensor)
        if rebuild is _REBUILD_META:
            self._save((tensor.dtype, tuple(tensor.size()), tuple(tensor.stride()), requires_grad))
            return
        self._write(b"(")
        storage, dtype = tensor.untyped_storage(), tensor.dtype
        if with_dtype:
            self._save_storage(storage, None, storage.nbytes())
        else:
            self._save_storage(storage, dtype, storage.nbytes() // tensor.element_size())
        self._save(tensor.storage_offset())
        self._save(tuple(tensor.size()))
        self._save(tuple(tensor.stride()))
        self._save(requires_grad)
        self._save_hooks()
        if with_dtype:
            self._save(dtype)
        flags = {name: True for name, on in (("conj", tensor.is_conj()), ("neg", tensor.is_neg())) if on}
        if flags:
            self._save(flags)
        self._write(b"t")

    # -- containers and scalars

    def _save_str(self, value: str) -> None:
        if not self._recall(value):
            data = value.encode("utf-8", "surrogatepass")
            self._write(b"X" + struct.pack("<I", len(data)) + data)
            self._remember(value, value)

    def _save_int(self, value: int) -> None:
        if 0 <= value < 256:
            self._write(b"K" + bytes([value]))
        elif 0 <= value < 65536:
            self._write(b"M" + struct.pack("<H", value))
        elif -(1 << 31) <= value < 1 << 31:
            self._write(b"J" + struct.pack("<i", value))
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self._write((b"\x8a" + bytes([len(data)]) if len(data) < 256 else b"\x8b" + struct.pack("<i", len(data)))
                        + data)

    def _save_tuple(self, value: tuple) -> None:
        if not value:
            self._write(b")")
            return
        if self._recall(id(value)):
            return
        if len(value) > 3:
            self._write(b"(")
        for item in value:
            self._save(item)
        if id(value) in self._memo:  # the tuple contains itself, and was written on the way
            self._write(b"0" * len(value) if len(value) <= 3 else b"1")
            self._recall(id(value))
            return
        self._write(b"t" if len(value) > 3 else (b"\x85", b"\x86", b"\x87")[len(value) - 1])
        self._remember(id(value), value)

    def _save_list(self, value: list) -> None:
        if not self._recall(id(value)):
            self._write(b"]")
            self._remember(id(value), value)
            self._append(value)

    def _append(self, items: list) -> None:
        for start in range(0, len(items), 1000):
            self._write(b"(")
            for item in items[start : start + 1000]:
                self._save(item)
            self._write(b"e")

    def _save_dict(self, value: dict) -> None:
        if not self._recall(id(value)):
            self._write(b"}")
            self._remember(id(value), value)
            self._set_items(list(value.items()))

    def _set_items(self, pairs: list) -> None:
        for start in range(0, len(pairs), 1000):
            self._write(b"(")
            for key, item in pairs[start : start + 1000]:
                self._save(key)
                self._save(item)
            self._write(b"u")

    def _save_bytes(self, value: bytes) -> None:
        if not self._recall(id(value)):
            arguments = (str(value, "latin1"), "latin1")
            self._save_reduce(_Global("_codecs", "encode"), arguments, identity=value)

    def _save_set(self, value: Any) -> None:
        if not self._recall(id(value)):
            self._save_reduce(_Global("__builtin__", type(value).__name__), (list(value),), identity=value)

    def _save_complex(self, value: complex) -> None:
        self._save_reduce(_Global("__builtin__", "complex"), (value.real, value.imag))


# What a tensor's __dict__ may hold that is not the user's.
_PRIVATE_STATE = frozenset(["_is_param", "_is_buffer"])

_SAVERS: dict[type, Any] = {
    type(None): lambda self, value: self._write(b"N"),
    bool: lambda self, value: self._write(b"\x88" if value else b"\x89"),
    int: Writer._save_int,
    float: lambda self, value: self._write(b"G" + struct.pack(">d", value)),
    str: Writer._save_str,
    tuple: Writer._save_tuple,
    list: Writer._save_list,
    dict: Writer._save_dict,
    bytes: Writer._save_bytes,
    set: Writer._save_set,
    frozenset: Writer._save_set,
    complex: Writer._save_complex,
    _Global: Writer._save_global,
}


def _find(module: str, name: str) -> Any:
    """The object of a dotted name in a loaded module, or None."""
    value: Any = sys.modules.get(module)
    for part in name.split("."):
        if value is None:
            return None
        value = getattr(value, part, None)
    return value
