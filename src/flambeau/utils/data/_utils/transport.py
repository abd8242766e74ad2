"""Batches between processes: pickled, with the memory of tensors and arrays beside the pickle.

A message goes through a connection. Where the system can pass open files (Linux), large memory travels in an
anonymous memory file that the receiver maps: nothing is copied through the kernel and nothing is left behind
when a process dies. Elsewhere, and for small batches, the memory is part of the message.
"""
from __future__ import annotations

import io
import mmap
import os
import pickle
from typing import Any

import flambeau as torch

_IN_BAND = 32 * 1024  # bytes up to which a memory file costs more than a copy
_ALIGNMENT = 64


def _rebuild_tensor(buffer: Any, dtype: Any, shape: tuple) -> Any:
    if 0 in shape:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(buffer, dtype=torch.uint8).view(dtype).reshape(shape)


def _reduce_tensor(tensor: Any) -> Any:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError("Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does "
                           "not support crossing process boundaries.  If you just want to transfer the data, call "
                           "detach() on the tensor before serializing (e.g., putting it on the queue).")
    if tensor.device.type != "cpu" or tensor.is_sparse or tensor.requires_grad:
        return NotImplemented
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    raw = flat.view(torch.uint8).numpy() if flat.numel() else memoryview(b"")
    return _rebuild_tensor, (pickle.PickleBuffer(raw), tensor.dtype, tuple(tensor.shape))


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor:
            return _reduce_tensor(value)
        return NotImplemented


def send(connection: Any, message: Any) -> None:
    """Send an object, whose tensors arrive with equal values but as plain contiguous tensors."""
    buffers: list[pickle.PickleBuffer] = []
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(message)
    head = stream.getbuffer()
    views = [buffer.raw() for buffer in buffers]
    offsets, size = [], 0
    for view in views:
        offsets.append((size, view.nbytes))
        size += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
    if size > _IN_BAND and hasattr(os, "memfd_create"):
        from multiprocessing.reduction import send_handle

        fd = os.memfd_create("batch")
        try:
            os.ftruncate(fd, size)
            with mmap.mmap(fd, size) as memory:
                for view, (start, length) in zip(views, offsets):
                    memory[start : start + length] = view
            connection.send_bytes(pickle.dumps(("file", offsets, size)))
            connection.send_bytes(head)
            send_handle(connection, fd, None)
        finally:
            os.close(fd)
        return
    connection.send_bytes(pickle.dumps(("inline", offsets, size)))
    connection.send_bytes(head)
    if size:
        memory = bytearray(size)
        for view, (start, length) in zip(views, offsets):
            memory[start : start + length] = view
        connection.send_bytes(memory)


def receive(connection: Any) -> Any:
    """The next object that `send` put into the other end. EOFError where that end is closed."""
    kind, offsets, size = pickle.loads(connection.recv_bytes())
    head = connection.recv_bytes()
    memory: Any = None
    if kind == "file":
        from multiprocessing.reduction import recv_handle

        fd = recv_handle(connection)
        try:
            memory = mmap.mmap(fd, size)
        finally:
            os.close(fd)
    elif size:
        memory = bytearray(connection.recv_bytes())
    whole = memoryview(memory) if memory is not None else memoryview(b"")
    return pickle.loads(head, buffers=[whole[start : start + length] for start, length in offsets])
