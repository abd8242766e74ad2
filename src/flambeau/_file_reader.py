"""Reads the object graphs of PyTorch's files without a pickle machine: no name in a file can make code run.

A file may build containers, numbers, text, tensors, and layers of `torch.nn`, whose state is set without calling
their constructors; other classes only where the program has named them safe (`torch.serialization.add_safe_globals`).
`TensorBuilder` is also what the trusting reader (`weights_only=False`) makes tensors with.
"""
from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from types import FunctionType, MethodType

import flambeau as torch

from ._file_writer import STORAGE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UnpicklingError = pickle.UnpicklingError


class StorageType:
    """The name of a storage class in a file: it says the element type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype


def storage_type(name: str) -> StorageType | None:
    """The element type that a storage class's name stands for; None for other names."""
    if name in ("UntypedStorage", "TypedStorage"):
        return StorageType(torch.uint8)
    for dtype, known in STORAGE_NAMES.items():
        if known == name:
            return StorageType(getattr(torch, dtype))
    return None


class TensorBuilder:
    """Makes tensors from what a file says about them. `fetch(key, dtype, elements, location)` gives a storage."""

    def __init__(self, fetch: Callable) -> None:
        self._fetch = fetch
        self._storages: dict[str, Any] = {}
        self._dtypes: dict[int, Any] = {}

    def persistent_load(self, pid: Any) -> Any:
        """The storage of a persistent id `("storage", type, key, location, elements[, view])`."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] not in ("storage", b"storage"):
            raise UnpicklingError("load: a persistent id other than a storage's")
        kind, key, location, elements = pid[1:5]
        key, location = (v.decode("ascii") if isinstance(v, bytes) else v for v in (key, location))
        if not isinstance(kind, StorageType) or not isinstance(key, str) or not isinstance(location, str) \
                or not isinstance(elements, int) or elements < 0:
            raise UnpicklingError("load: a storage's persistent id is malformed")
        if len(pid) == 6 and pid[5] is not None:
            raise UnpicklingError("load: views of storages, as very old files have them, are not supported")
        if key not in self._storages:
            self._storages[key] = self._fetch(key, kind.dtype, elements, location)
            self._dtypes[id(self._storages[key])] = kind.dtype
        return self._storages[key]

    def tensor(self, storage: Any, offset: int, size: Any, stride: Any, requires_grad: bool, hooks: Any = None,
               metadata: Any = None) -> Any:
        dtype = self._dtypes.get(id(storage))
        if dtype is None:
            raise UnpicklingError("load: a tensor is made of something that is no storage")
        return self.tensor_of(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)

    def tensor_of(self, storage: Any, offset: int, size: Any, stride: Any, requires_grad: bool, hooks: Any,
                  dtype: Any, metadata: Any = None) -> Any:
        if id(storage) not in self._dtypes or not isinstance(dtype, torch.dtype):
            raise UnpicklingError("load: a tensor is made of something that is no storage, or has no dtype")
        size, stride = _shape(size), _shape(stride)
        if len(size) != len(stride) or not isinstance(offset, int) or offset < 0:
            raise RuntimeError(f"load: a tensor's geometry is malformed (size {size}, stride {stride}, "
                               f"offset {offset})")
        if storage.device.type == "meta":
            return _with_grad(torch.empty_strided(size, stride, dtype=dtype, device="meta"), requires_grad)
        result = torch.empty(0, dtype=dtype, device=storage.device)
        if all(size):
            last = offset + sum((n - 1) * s for n, s in zip(size, stride))
            if (last + 1) * result.element_size() > storage.nbytes():
                raise RuntimeError(f"load: a tensor of size {size}, stride {stride} and storage offset {offset} is "
                                   f"out of bounds for its storage of {storage.nbytes()} bytes")
        result.set_(storage, offset, size, stride)
        if isinstance(metadata, dict):
            if metadata.get("conj"):
                result = result.conj()
            if metadata.get("neg"):
                result = torch._neg_view(result)
        return _with_grad(result, requires_grad)

    def meta_tensor(self, dtype: Any, size: Any, stride: Any, requires_grad: bool) -> Any:
        return _with_grad(torch.empty_strided(_shape(size), _shape(stride), dtype=dtype, device="meta"),
                          requires_grad)

    def old_tensor(self, storage: Any, offset: int, size: Any, stride: Any) -> Any:
        return self.tensor(storage, offset, size, stride, False)

    def parameter(self, data: Any, requires_grad: bool, hooks: Any = None) -> Any:
        _check_tensor(data)
        return torch.nn.Parameter(data, bool(requires_grad))

    def parameter_with_state(self, data: Any, requires_grad: bool, hooks: Any, state: Any) -> Any:
        return _set_attributes(self.parameter(data, requires_grad), state)

    def from_type(self, function: Any, kind: Any, arguments: tuple, state: Any) -> Any:
        if not (isinstance(function, MethodType)
                and function in (self.tensor, self.tensor_of, self.meta_tensor, self.old_tensor)):
            raise UnpicklingError("load: a tensor subclass is rebuilt by something else than a tensor's function")
        result = function(*arguments)
        if kind is not torch.Tensor:
            if not (isinstance(kind, type) and issubclass(kind, torch.Tensor)):
                raise UnpicklingError("load: a tensor's type is no subclass of Tensor")
            result = result.as_subclass(kind)
        return _set_attributes(result, state)

    def find(self, module: str, name: str) -> Any:
        """The function or type that a name of a file stands for, if it is about tensors; else None."""
        if module in ("torch", "torch.cuda", "torch.storage") and name.endswith("Storage"):
            return storage_type(name)
        if module == "torch._utils":
            return {"_rebuild_tensor": self.old_tensor, "_rebuild_tensor_v2": self.tensor,
                    "_rebuild_tensor_v3": self.tensor_of, "_rebuild_parameter": self.parameter,
                    "_rebuild_parameter_with_state": self.parameter_with_state,
                    "_rebuild_meta_tensor_no_storage": self.meta_tensor, "_rebuild_sparse_tensor": _sparse}.get(name)
        if (module, name) == ("torch._tensor", "_rebuild_from_type_v2"):
            return self.from_type
        if (module, name) == ("torch.serialization", "_get_layout"):
            return _layout
        return None


def _check_tensor(value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        raise UnpicklingError(f"load: expected a tensor, got {type(value).__name__}")


def _with_grad(tensor: Any, requires_grad: Any) -> Any:
    return tensor.requires_grad_() if requires_grad is True else tensor


def _shape(value: Any) -> tuple:
    if not isinstance(value, tuple) or not all(type(n) is int and 0 <= n < 1 << 62 for n in value):
        raise RuntimeError(f"load: a tensor's size or stride is malformed (got {value!r})")
    return tuple(value)


def _set_attributes(value: Any, state: Any) -> Any:
    if isinstance(state, tuple) and len(state) == 2:  # attributes and slots
        state = {**(state[0] or {}), **(state[1] or {})}
    if state:
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise UnpicklingError("load: an object's attributes are malformed")
        value.__dict__.update(state)
    return value


def _sparse(layout: Any, data: Any) -> Any:
    from .sparse._files import rebuild
    if not isinstance(data, tuple) or not 3 <= len(data) <= 4:
        raise UnpicklingError("load: the parts of a sparse tensor are malformed")
    for part in data[:2 if layout == torch.sparse_coo else 3]:
        _check_tensor(part)
    return rebuild(layout, data)


def _layout(name: Any) -> Any:
    value = getattr(torch, str(name).rpartition(".")[2], None)
    if not isinstance(value, torch.layout):
        raise UnpicklingError(f"load: unknown layout {name!r}")
    return value


# -- what a file may name: functions that build, from checked arguments only


def _collection(kind: Callable) -> Callable:
    """A container's constructor that takes nothing, or items that the file has spelt out."""
    def build(items: Any = ()) -> Any:
        if not isinstance(items, (list, tuple, dict, set, frozenset, str, bytes, bytearray)):
            raise UnpicklingError(f"load: cannot build a container from {type(items).__name__}")
        return kind(items)
    return build


def _complex(real: Any, imag: Any = 0.0) -> complex:
    if not isinstance(real, (int, float)) or not isinstance(imag, (int, float)):
        raise UnpicklingError("load: a complex number's parts must be numbers")
    return complex(real, imag)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise UnpicklingError("load: malformed bytes")
    return text.encode(encoding)


def _range(*arguments: Any) -> range:
    if not all(isinstance(a, int) for a in arguments):
        raise UnpicklingError("load: malformed range")
    return range(*arguments)


def _bytearray(data: Any = b"", encoding: Any = "latin1") -> bytearray:
    return bytearray(_encode(data, encoding) if isinstance(data, str) else _collection(bytes)(data))


_FACTORIES = (list, dict, set, tuple, int, float, str, bool, bytes, complex, OrderedDict, None)


def _defaultdict(factory: Any = None) -> Any:
    if factory not in _FACTORIES:
        raise UnpicklingError("load: a defaultdict's factory must be a built-in type")
    return defaultdict(factory)


def _deque(items: Any = (), maxlen: Any = None) -> Any:
    return deque(_collection(list)(items), maxlen)


def _size(items: Any = ()) -> Any:
    return torch.Size(_collection(list)(items))


def _device(*arguments: Any) -> Any:
    if not all(isinstance(a, (str, int)) for a in arguments):
        raise UnpicklingError("load: malformed device")
    return torch.device(*arguments)


class _Named:
    """A type that a file names: a value in itself, and a function from a file's arguments to an instance."""

    def __init__(self, value: Any, build: Callable) -> None:
        self.value, self.build = value, build


_BUILTINS = {"set": _Named(set, _collection(set)), "frozenset": _Named(frozenset, _collection(frozenset)),
             "list": _Named(list, _collection(list)), "dict": _Named(dict, _collection(dict)),
             "tuple": _Named(tuple, _collection(tuple)), "bytes": _Named(bytes, _collection(bytes)),
             "complex": _Named(complex, _complex), "range": _Named(range, _range), "xrange": _Named(range, _range),
             "bytearray": _Named(bytearray, _bytearray), "slice": _Named(slice, slice),
             "int": int, "float": float, "bool": bool, "str": str, "unicode": str, "long": int}
_COLLECTIONS = {"OrderedDict": _Named(OrderedDict, _collection(OrderedDict)),
                "Counter": _Named(Counter, _collection(Counter)), "defaultdict": _Named(defaultdict, _defaultdict),
                "deque": _Named(deque, _deque)}

# Functions that layers keep as attributes. They are values only: a file cannot have them called while it is read.
_ACTIVATIONS = frozenset(["relu", "relu_", "tanh", "sigmoid", "selu", "celu", "rrelu", "softmax", "log_softmax",
                          "threshold"])


def _library_class(module: str, name: str) -> Any:
    """A layer class of torch.nn, if that is what the names mean; else None."""
    if not module.startswith("torch.nn") or not name.isidentifier():
        return None
    found = getattr(torch.nn, name, None)
    if found is None:
        place: Any = torch
        for part in module.split(".")[1:]:
            place = getattr(place, part, None)
        found = getattr(place, name, None)
    if found is None and name == "NonDynamicallyQuantizableLinear":
        found = torch.nn.Linear  # PyTorch's own name for the last layer of its attention
    return found if isinstance(found, type) and issubclass(found, torch.nn.Module) else None


class _Array:
    """NumPy arrays and scalars on their way: built here from bytes, for numbers only."""

    def __init__(self, *arguments: Any) -> None:
        pass


class _DType:
    """A NumPy dtype's text; its state adds nothing for numbers, whose byte order the text or the state gives."""

    def __init__(self, text: Any, align: Any = False, copy: Any = True) -> None:
        if not isinstance(text, str) or text.lstrip("<>=|")[:1] not in tuple("biufc?") or len(text) > 8:
            raise UnpicklingError(f"load: NumPy data of type {text!r} is not read by default")
        self.text, self.order = text.lstrip("<>=|"), ""

    def resolved(self) -> Any:
        import numpy

        return numpy.dtype(self.order + self.text)


def _is_number_type(dtype: Any) -> bool:
    import numpy

    return isinstance(dtype, numpy.dtype) and dtype.kind in "biufc"


def _numpy_scalar(dtype: Any, data: Any) -> Any:
    import numpy

    if not _is_number_type(dtype) or not isinstance(data, bytes):
        raise UnpicklingError("load: malformed NumPy scalar")
    return numpy.frombuffer(data, dtype, 1)[0]


_NUMPY = {"scalar": _Named(None, _numpy_scalar), "_reconstruct": _Named(None, _Array), "dtype": _Named(None, _DType),
          "ndarray": _Array}


def _numpy_array(state: Any) -> Any:
    import numpy

    if not isinstance(state, tuple) or len(state) != 5 or not _is_number_type(state[2]) \
            or not isinstance(state[4], bytes):
        raise UnpicklingError("load: malformed NumPy array")
    shape, order = _shape(state[1]), "F" if state[3] else "C"
    return numpy.frombuffer(bytearray(state[4]), state[2]).reshape(shape, order=order)


class _Layer:
    """Marks a layer class: an instance is made without its constructor."""

    def __init__(self, kind: type) -> None:
        self.kind = kind


class Reader:
    """Interprets one pickle after the other in `data`, from `position` on.

    `safe` maps (module, name) to classes and functions that the program trusts.
    """

    def __init__(self, data: Any, builder: TensorBuilder, safe: dict[tuple[str, str], Any], position: int = 0,
                 encoding: str = "utf-8") -> None:
        self._data = memoryview(data)
        self.position = position
        self._builder = builder
        self._safe = safe
        self._trusted = {id(value) for value in safe.values()}
        self._encoding = encoding
        self._layers: dict[int, Any] = {}  # the layers that this file has made

    def find(self, module: str, name: str) -> Any:
        """What a name stands for. UnpicklingError where it is not allowed."""
        if module.startswith("flambeau"):
            module = "torch" + module[len("flambeau"):]
        if (module, name) in self._safe:
            return self._safe[module, name]
        found: Any = self._builder.find(module, name)
        if found is None and module in ("builtins", "__builtin__"):
            found = _BUILTINS.get(name)
        elif found is None and module == "collections":
            found = _COLLECTIONS.get(name)
        elif found is None and (module, name) == ("_codecs", "encode"):
            found = _Named(None, _encode)
        elif found is None and module.split(".")[0] == "numpy":
            found = _NUMPY.get(name)
        elif found is None and module == "torch":
            if name == "Size":
                found = _Named(torch.Size, _size)
            elif name == "device":
                found = _Named(torch.device, _device)
            elif name == "Tensor":
                found = torch.Tensor
            elif name in _ACTIVATIONS:
                found = getattr(torch, name, None)
            else:
                value = getattr(torch, name, None)
                found = value if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)) else None
        elif found is None and module in ("torch.nn.functional", "torch._C._nn"):
            found = getattr(torch.nn.functional, name, None) if not name.startswith("_") else None
        elif found is None and module == "torch.nn.parameter" and name in ("Parameter", "Buffer"):
            found = getattr(torch.nn, name)
        if found is None and (kind := _library_class(module, name)) is not None:
            found = _Layer(kind)
        if found is None:
            raise UnpicklingError(
                f"Unsupported global: GLOBAL {module}.{name} was not an allowed global by default. Please use "
                f"`torch.serialization.add_safe_globals([{module}.{name}])` or the "
                f"`torch.serialization.safe_globals([{module}.{name}])` context manager to allowlist this global if "
                "you trust this class/function.")
        return found

    def load(self) -> Any:
        """The next object. EOFError at the end of the data, UnpicklingError for what is not allowed or malformed."""
        try:
            return self._run()
        except (IndexError, KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError,
                struct.error) as error:
            raise UnpicklingError(f"load: the file is corrupt at byte {self.position} of its description "
                                  f"({type(error).__name__}: {error})") from error

    def _take(self, count: int) -> memoryview:
        start = self.position
        if count < 0:
            raise UnpicklingError("load: the file is corrupt (a negative length)")
        self.position = start + count
        if self.position > len(self._data):
            raise EOFError("Ran out of input")
        return self._data[start : self.position]

    def _line(self) -> str:
        start = self.position
        for end in range(start, min(len(self._data), start + 1000)):
            if self._data[end] == 10:
                self.position = end + 1
                return str(self._data[start:end], "utf-8")
        raise EOFError("Ran out of input")

    def _run(self) -> Any:
        stack: list[Any] = []
        marks: list[list[Any]] = []
        memo: dict[int, Any] = {}
        take, plain = self._take, _plain
        while True:
            op = take(1)[0]
            if op == 0x71:  # q BINPUT
                memo[take(1)[0]] = stack[-1]
            elif op == 0x72:  # r LONG_BINPUT
                memo[_u4(take(4))] = stack[-1]
            elif op == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
            elif op == 0x68:  # h BINGET
                stack.append(memo[take(1)[0]])
            elif op == 0x6A:  # j LONG_BINGET
                stack.append(memo[_u4(take(4))])
            elif op == 0x58:  # X BINUNICODE
                stack.append(str(take(_u4(take(4))), "utf-8", "surrogatepass"))
            elif op == 0x8C:  # SHORT_BINUNICODE
                stack.append(str(take(take(1)[0]), "utf-8", "surrogatepass"))
            elif op == 0x8D:  # BINUNICODE8
                stack.append(str(take(_u8(take(8))), "utf-8", "surrogatepass"))
            elif op == 0x4B:  # K BININT1
                stack.append(take(1)[0])
            elif op == 0x4D:  # M BININT2
                stack.append(int.from_bytes(take(2), "little"))
            elif op == 0x4A:  # J BININT
                stack.append(int.from_bytes(take(4), "little", signed=True))
            elif op == 0x8A:  # LONG1
                stack.append(int.from_bytes(take(take(1)[0]), "little", signed=True))
            elif op == 0x8B:  # LONG4
                stack.append(int.from_bytes(take(struct.unpack("<i", take(4))[0]), "little", signed=True))
            elif op == 0x47:  # G BINFLOAT
                stack.append(struct.unpack(">d", take(8))[0])
            elif op == 0x4E:  # N NONE
                stack.append(None)
            elif op == 0x88:  # NEWTRUE
                stack.append(True)
            elif op == 0x89:  # NEWFALSE
                stack.append(False)
            elif op == 0x28:  # ( MARK
                marks.append(stack)
                stack = []
            elif op == 0x74:  # t TUPLE
                items, stack = stack, marks.pop()
                stack.append(tuple(map(plain, items)))
            elif op == 0x29:  # ) EMPTY_TUPLE
                stack.append(())
            elif 0x85 <= op <= 0x87:  # TUPLE1 .. TUPLE3
                count = op - 0x84
                items = stack[-count:]
                if len(items) != count:
                    raise IndexError("stack")
                stack[-count:] = [tuple(map(plain, items))]
            elif op == 0x5D:  # ] EMPTY_LIST
                stack.append([])
            elif op == 0x7D:  # } EMPTY_DICT
                stack.append({})
            elif op == 0x8F:  # EMPTY_SET
                stack.append(set())
            elif op == 0x61:  # a APPEND
                item = stack.pop()
                _extend(stack[-1], [plain(item)])
            elif op == 0x65:  # e APPENDS
                items, stack = stack, marks.pop()
                _extend(stack[-1], map(plain, items))
            elif op == 0x73:  # s SETITEM
                value, key = stack.pop(), stack.pop()
                _put(stack[-1], [key, value])
            elif op == 0x75:  # u SETITEMS
                items, stack = stack, marks.pop()
                _put(stack[-1], items)
            elif op == 0x90:  # ADDITEMS
                items, stack = stack, marks.pop()
                if type(stack[-1]) is not set:
                    raise UnpicklingError("load: the file is corrupt (items for something that is no set)")
                stack[-1].update(_hashable(plain(item)) for item in items)
            elif op == 0x91:  # FROZENSET
                items, stack = stack, marks.pop()
                stack.append(frozenset(_hashable(plain(item)) for item in items))
            elif op == 0x63:  # c GLOBAL
                module = self._line()
                stack.append(self.find(module, self._line()))
            elif op == 0x93:  # STACK_GLOBAL
                name, module = stack.pop(), stack.pop()
                if not isinstance(name, str) or not isinstance(module, str):
                    raise UnpicklingError("load: the file is corrupt (a name that is no text)")
                stack.append(self.find(module, name))
            elif op == 0x52:  # R REDUCE
                arguments = stack.pop()
                stack[-1] = self._call(stack[-1], arguments)
            elif op == 0x81:  # NEWOBJ
                arguments = stack.pop()
                stack[-1] = self._new(stack[-1], arguments)
            elif op == 0x62:  # b BUILD
                state = plain(stack.pop())
                built = self._build(stack[-1], state)
                if built is not stack[-1]:  # an array, which could not be made before its state was known
                    for number, value in memo.items():
                        if value is stack[-1]:
                            memo[number] = built
                    stack[-1] = built
            elif op == 0x51:  # Q BINPERSID
                stack[-1] = self._builder.persistent_load(stack[-1])
            elif op in (0x43, 0x42, 0x8E):  # SHORT_BINBYTES, BINBYTES, BINBYTES8
                count = take(1)[0] if op == 0x43 else _u4(take(4)) if op == 0x42 else _u8(take(8))
                stack.append(bytes(take(count)))
            elif op == 0x96:  # BYTEARRAY8
                stack.append(bytearray(take(_u8(take(8)))))
            elif op in (0x55, 0x54):  # SHORT_BINSTRING, BINSTRING: text of Python 2
                raw = bytes(take(take(1)[0] if op == 0x55 else struct.unpack("<i", take(4))[0]))
                stack.append(raw if self._encoding == "bytes" else raw.decode(self._encoding))
            elif op == 0x30:  # 0 POP
                stack.pop()
            elif op == 0x31:  # 1 POP_MARK
                stack = marks.pop()
            elif op == 0x80:  # PROTO
                if take(1)[0] > 5:
                    raise UnpicklingError("load: unknown pickle protocol")
            elif op == 0x95:  # FRAME
                take(8)
            elif op == 0x2E:  # . STOP
                if marks or len(stack) != 1:
                    raise UnpicklingError("load: the file is corrupt (its description ends in the middle)")
                return plain(stack[0])
            else:
                raise UnpicklingError(f"Unsupported operand {op}: the file is corrupt, or no file of torch.save")

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise UnpicklingError("load: the file is corrupt (arguments that are no tuple)")
        if isinstance(function, _Named):
            function = function.build
        elif not (id(function) in self._trusted
                  or isinstance(function, (MethodType, FunctionType)) and function in self._builders()):
            raise UnpicklingError(f"load: {function!r} must not be called by a file")
        return function(*arguments)

    def _builders(self) -> tuple:
        b = self._builder
        return (b.tensor, b.tensor_of, b.old_tensor, b.meta_tensor, b.parameter, b.parameter_with_state, b.from_type,
                _layout, _sparse)

    def _new(self, kind: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise UnpicklingError("load: the file is corrupt (arguments that are no tuple)")
        if isinstance(kind, _Layer):
            if arguments:
                raise UnpicklingError("load: a layer is made without arguments")
            layer = kind.kind.__new__(kind.kind)
            self._layers[id(layer)] = layer
            return layer
        if isinstance(kind, _Named):
            return self._call(kind, arguments)
        if isinstance(kind, type) and id(kind) in self._trusted:
            return kind.__new__(kind, *arguments)
        raise UnpicklingError(f"load: an instance of {kind!r} must not be made by a file")

    def _build(self, value: Any, state: Any) -> Any:
        if isinstance(value, _Array):
            return _numpy_array(state)
        if isinstance(value, _DType):
            if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
                value.order = state[1] if state[1] != "|" else ""
            return value
        if id(value) in self._layers:
            if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
                raise UnpicklingError("load: a layer's attributes are malformed")
            value.__setstate__(state)
            return value
        if id(type(value)) in self._trusted:
            if hasattr(value, "__setstate__"):
                value.__setstate__(state)
                return value
            return _set_attributes(value, state)
        if type(value) in (OrderedDict, torch.Tensor, torch.nn.Parameter):
            return _set_attributes(value, state)
        raise UnpicklingError(f"load: a file must not set the state of a {type(value).__name__}")


def _plain(value: Any) -> Any:
    """A value as it is kept in containers: types by themselves, not with what builds them."""
    kind = type(value)
    if kind is _Named:
        return value.value
    if kind is _Layer:
        return value.kind
    if kind is _DType:
        return value.resolved()
    return value


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError as error:
        raise UnpicklingError(f"load: the file is corrupt ({error})") from error
    return key


def _extend(target: Any, items: Any) -> None:
    if type(target) not in (list, deque) and not isinstance(target, list):
        raise UnpicklingError("load: the file is corrupt (items for something that is no list)")
    target.extend(items)


def _put(target: Any, items: list) -> None:
    if not isinstance(target, dict) or len(items) % 2:
        raise UnpicklingError("load: the file is corrupt (items for something that is no dict)")
    for i in range(0, len(items), 2):
        target[_hashable(_plain(items[i]))] = _plain(items[i + 1])


def _u4(data: Any) -> int:
    return int.from_bytes(data, "little")


_u8 = _u4
