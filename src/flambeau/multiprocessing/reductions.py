"""How tensors and storages travel between processes: by their memory, which both sides then share."""
from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = ["init_reductions", "rebuild_parameter", "rebuild_storage", "rebuild_tensor", "rebuild_typed_storage",
           "reduce_parameter", "reduce_storage", "reduce_tensor", "reduce_typed_storage"]


def rebuild_storage(file: Any, nbytes: int) -> Any:
    """The storage of a file that another process shares."""
    return torch.UntypedStorage._attach(file.detach(), nbytes)


def reduce_storage(storage: Any) -> tuple:
    """Moves the storage to shared memory and names its file."""
    from multiprocessing.reduction import DupFd

    storage.share_memory_()
    return rebuild_storage, (DupFd(storage._shared_file()), storage.nbytes())


def rebuild_typed_storage(storage: Any, dtype: Any) -> Any:
    """A typed storage over the bytes of a shared one."""
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def reduce_typed_storage(storage: Any) -> tuple:
    """The bytes, and their dtype."""
    return rebuild_typed_storage, (storage._untyped_storage, storage.dtype)


def rebuild_tensor(kind: Any, storage: Any, dtype: Any, offset: int, size: tuple, stride: tuple,
                   requires_grad: bool, state: dict[str, Any] | None) -> Any:
    """A tensor, or a parameter, over a storage."""
    tensor = torch.empty(0, dtype=dtype).set_(storage, offset, size, stride)
    if kind is not torch.Tensor:
        tensor = kind(tensor, requires_grad=requires_grad)
    elif requires_grad:
        tensor.requires_grad_()
    if state:
        tensor.__dict__.update(state)
    return tensor


def reduce_tensor(tensor: Any) -> tuple:
    """The storage and the place in it. RuntimeError for a result of operators that needs a gradient."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError("Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
                           "not support crossing process boundaries.  If you just want to transfer the data, call "
                           "detach() on the tensor before serializing (e.g., putting it on the queue).")
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        return tensor.__reduce_ex__(2)
    return rebuild_tensor, (type(tensor), tensor.untyped_storage(), tensor.dtype, tensor.storage_offset(),
                            tuple(tensor.size()), tensor.stride(), tensor.requires_grad, dict(tensor.__dict__) or None)


rebuild_parameter, reduce_parameter = rebuild_tensor, reduce_tensor


def init_reductions() -> None:
    """Teach multiprocessing's pickler these ways."""
    from multiprocessing.reduction import ForkingPickler

    ForkingPickler.register(torch.Tensor, reduce_tensor)
    ForkingPickler.register(torch.nn.Parameter, reduce_parameter)
    ForkingPickler.register(torch.UntypedStorage, reduce_storage)
    ForkingPickler.register(torch.storage.TypedStorage, reduce_typed_storage)
