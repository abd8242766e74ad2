"""Python's pickle and copy for tensors and the core's small types. (Files are another matter: serialization.py.)"""
from __future__ import annotations

import copyreg

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def named(name: str) -> Any:
    """The object that flambeau has under a name: an element type, a layout, a class of the core."""
    return getattr(torch, name)


def make_device(kind: str, index: int | None = None) -> Any:
    return torch.device(kind) if index is None else torch.device(kind, index)


def make_size(sizes: tuple) -> Any:
    return torch.Size(sizes)


def rebuild_storage(data: Any) -> Any:
    """A storage filled from bytes."""
    storage = torch.UntypedStorage(len(data))
    if len(data):
        memoryview(storage).cast("B")[:] = data
    return storage


def rebuild_generator(state: Any) -> Any:
    """A generator in a given state."""
    generator = torch.Generator()
    generator.set_state(state)
    return generator


def rebuild_tensor(data: Any, dtype: str, size: tuple, stride: tuple, requires_grad: bool, kind: Any = None,
                   state: dict[str, Any] | None = None) -> Any:
    """A tensor with memory of its own, filled from bytes (on meta where `data` is None); of a subclass, and with attributes, where these are given."""
    element = getattr(torch, dtype)
    if data is None:
        tensor = torch.empty_strided(size, stride, dtype=element, device="meta")
    elif all(size):
        tensor = torch.empty(0, dtype=element, device="cpu").set_(rebuild_storage(memoryview(data).cast("B")), 0, size, stride)
    else:
        tensor = torch.empty_strided(size, stride, dtype=element, device="cpu")
    if kind is not None:
        tensor = torch.Tensor._make_subclass(kind, tensor, requires_grad)
    elif requires_grad:
        tensor.requires_grad_()
    if state:
        tensor.__dict__.update(state)
    return tensor


def reduce_tensor(tensor: Any, protocol: int = 2) -> tuple:
    """What pickle stores of a tensor: the part of its memory that it reaches, with the same strides.

    With protocol 5 the memory can travel beside the pickle.
    """
    import pickle

    plain = tensor.detach().resolve_conj().resolve_neg()
    kind = None if type(tensor) is torch.Tensor else type(tensor)
    dtype, state = str(tensor.dtype).rpartition(".")[2], dict(tensor.__dict__) or None
    if plain.is_meta:
        return rebuild_tensor, (None, dtype, tuple(plain.size()), tuple(plain.stride()), tensor.requires_grad, kind, state)
    if plain.device.type != "cpu":
        plain = plain.cpu()
    size, stride = tuple(plain.size()), tuple(plain.stride())
    data: Any = b""
    if all(size):
        item = plain.element_size()
        start = plain.storage_offset() * item
        reach = 1 + sum((n - 1) * s for n, s in zip(size, stride))
        memory = memoryview(plain.untyped_storage()).cast("B")[start : start + reach * item]
        data = pickle.PickleBuffer(memory) if protocol >= 5 else bytes(memory)
    return rebuild_tensor, (data, dtype, size, stride, tensor.requires_grad, kind, state)


def _reduce_name(value: Any) -> tuple:
    return named, (str(value).rpartition(".")[2],)


def _reduce_device(device: Any) -> tuple:
    return make_device, (device.type, device.index)


def _reduce_class(kind: type) -> Any:
    """Classes of the core go by their name in flambeau, their subclasses by their own."""
    return (named, (kind.__name__,)) if getattr(torch, kind.__name__, None) is kind else kind.__qualname__


def register() -> None:
    """Tell pickle and copy how the core's types are stored."""
    for kind in (torch.dtype, torch.layout, torch.memory_format):
        copyreg.pickle(kind, _reduce_name)
    copyreg.pickle(torch.device, _reduce_device)
    copyreg.pickle(torch.Size, lambda size: (make_size, (tuple(size),)))
    copyreg.pickle(torch.UntypedStorage, lambda storage: (rebuild_storage, (bytes(memoryview(storage).cast("B")),)))
    copyreg.pickle(torch.Generator, lambda generator: (rebuild_generator, (generator.get_state(),)))
    if type(torch.Tensor) is not type:
        copyreg.pickle(type(torch.Tensor), _reduce_class)
