"""Helpers behind saving and copying: building tensors and parameters again, errors carried between processes."""
from __future__ import annotations

import sys
from collections import OrderedDict

import flambeau as torch

from ._pickling import reduce_tensor as _reduce_tensor  # noqa: F401  # what Tensor.__reduce_ex__ asks for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

__all__ = ["ExceptionWrapper"]


def _rebuild_tensor(storage: Any, storage_offset: int, size: Any, stride: Any) -> Any:
    """A tensor over a storage (a typed one, or an untyped one taken as bytes of the default type)."""
    dtype = getattr(storage, "dtype", None) or torch.get_default_dtype()
    tensor = torch.empty((0,), dtype=dtype, device=storage.device)
    return tensor.set_(getattr(storage, "_untyped_storage", storage), storage_offset, tuple(size), tuple(stride))


def _rebuild_tensor_v2(storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool,
                       backward_hooks: Any, metadata: Any = None) -> Any:
    """_rebuild_tensor with requires_grad and hooks."""
    tensor = _rebuild_tensor(storage, storage_offset, size, stride)
    tensor.requires_grad = requires_grad
    _put_hooks(tensor, backward_hooks)
    return tensor


def _rebuild_tensor_v3(storage: Any, storage_offset: int, size: Any, stride: Any, requires_grad: bool,
                       backward_hooks: Any, dtype: Any, metadata: Any = None) -> Any:
    """A tensor of a given type over an untyped storage."""
    tensor = torch.empty((0,), dtype=dtype, device=storage.device)
    tensor.set_(getattr(storage, "_untyped_storage", storage), storage_offset, tuple(size), tuple(stride))
    tensor.requires_grad = requires_grad
    _put_hooks(tensor, backward_hooks)
    return tensor


def _rebuild_meta_tensor_no_storage(dtype: Any, size: Any, stride: Any, requires_grad: bool) -> Any:
    """A tensor on the meta device."""
    return torch.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def _put_hooks(tensor: Any, hooks: Any) -> None:
    for hook in (hooks or {}).values():
        tensor.register_hook(hook)


def _rebuild_sparse_tensor(layout: Any, data: tuple) -> Any:
    """A sparse tensor of its layout and parts."""
    from .sparse._files import rebuild
    return rebuild(layout, data)


def _rebuild_parameter(data: Any, requires_grad: bool, backward_hooks: Any) -> Any:
    """A Parameter over data."""
    parameter = torch.nn.Parameter(data, requires_grad)
    _put_hooks(parameter, backward_hooks)
    return parameter


def _rebuild_parameter_with_state(data: Any, requires_grad: bool, backward_hooks: Any, state: Any) -> Any:
    """A Parameter over data, with attributes."""
    return _set_obj_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _get_obj_state(obj: Any) -> Any:
    """The attributes of an object: its __dict__, with the slots' values where there are slots."""
    getter = getattr(obj, "__getstate__", None)
    if getter is not None and not isinstance(obj, torch.Tensor):
        return getter()
    slots = {name: getattr(obj, name) for cls in type(obj).__mro__
             for name in _names_of(cls.__dict__.get("__slots__", ())) if hasattr(obj, name)}
    return (obj.__dict__, slots) if slots else obj.__dict__


def _names_of(slots: Any) -> Iterable[str]:
    names = (slots,) if isinstance(slots, str) else slots
    return [n for n in names if n not in ("__dict__", "__weakref__")]


def _set_obj_state(obj: Any, state: Any) -> Any:
    """Put back what _get_obj_state gave."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    obj.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
    return obj


def _flatten_dense_tensors(tensors: Iterable) -> Any:
    """All tensors' elements in one vector.

    >>> torch._utils._flatten_dense_tensors([torch.ones(2), torch.zeros(1, 1)])
    tensor([1., 1., 0.])
    """
    return torch.cat([t.contiguous().view(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Any, tensors: Iterable) -> tuple:
    """Views of a vector with the shapes of the given tensors."""
    out, start = [], 0
    for t in tensors:
        out.append(flat.narrow(0, start, t.numel()).view_as(t))
        start += t.numel()
    return tuple(out)


def _take_tensors(tensors: Iterable, size_limit: int) -> Iterable[list]:
    """Groups of tensors of one type, each of about size_limit bytes."""
    groups: OrderedDict[Any, tuple[list, int]] = OrderedDict()
    for t in tensors:
        group, size = groups.get(t.dtype, ([], 0))
        nbytes = t.numel() * t.element_size()
        if group and size + nbytes > size_limit:
            yield group
            group, size = [], 0
        groups[t.dtype] = (group + [t], size + nbytes)
    for group, _ in groups.values():
        if group:
            yield group


def _element_size(dtype: Any) -> int:
    """The bytes of one element."""
    return dtype.itemsize


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The number of a device; -1 for the CPU where that is allowed."""
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type == "cpu" and not allow_cpu:
            raise ValueError(f"Expected a non cpu device, but got: {device}")
        if device.index is not None or device.type == "cpu":
            return -1 if device.type == "cpu" else device.index
        device = None
    if isinstance(device, int):
        return device
    if optional:
        return torch.cuda.current_device()
    raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")


def is_compiling() -> bool:
    """torch.compiler.is_compiling()."""
    return torch.compiler.is_compiling()


def classproperty(func: Any) -> Any:
    """A read-only property of a class."""
    class _ClassProperty:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            return func(owner if owner is not None else type(instance))

    return _ClassProperty()


class KeyErrorMessage(str):
    """A text that is shown as it is, where KeyError would quote it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self


class ExceptionWrapper:
    """An exception with its traceback as text, to be raised again in another process or thread."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        import traceback
        exc_info = exc_info or sys.exc_info()
        self.exc_type = exc_info[0]
        self.exc_msg = "".join(traceback.format_exception(*exc_info))
        self.where = where

    def reraise(self) -> None:
        """Raise the exception, of its own class where that takes a message, else RuntimeError."""
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)
        try:
            exception = self.exc_type(message)
        except Exception:
            raise RuntimeError(message) from None
        raise exception
