"""Looking at and steering the graph: nodes, edges, hooks on saved tensors and on several gradients at once."""
from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator, NamedTuple, Sequence

import flambeau as torch
from flambeau.utils.hooks import RemovableHandle

__all__ = ["saved_tensors_hooks", "save_on_cpu", "disable_saved_tensors_hooks", "register_multi_grad_hook",
           "allow_mutation_on_saved_tensors", "Node", "GradientEdge", "get_gradient_edge", "increment_version"]


class _NodeType(type):
    """Whatever can be a grad_fn is a Node."""

    def __instancecheck__(cls, instance: object) -> bool:
        return hasattr(type(instance), "next_functions") and hasattr(type(instance), "register_prehook")

    def __subclasscheck__(cls, subclass: type) -> bool:
        return hasattr(subclass, "next_functions") and hasattr(subclass, "register_prehook")


class Node(metaclass=_NodeType):
    """A recorded operation. Nodes have name(), metadata, next_functions, register_hook and register_prehook.

    >>> x = torch.ones(1, requires_grad=True)
    >>> isinstance((x * 2).grad_fn, torch.autograd.graph.Node)
    True
    """


class GradientEdge(NamedTuple):
    """Where a gradient flows in: an input of a node. Can stand for a tensor in backward() and grad()."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge by which a tensor's gradient enters the graph.

    >>> x = torch.ones(1, requires_grad=True)
    >>> torch.autograd.graph.get_gradient_edge(x * 2).output_nr
    0
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    if node is None:
        with torch.enable_grad():
            node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    return GradientEdge(node, tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Tell autograd that a tensor (or each of several) was changed behind its back."""
    for t in (tensor,) if isinstance(tensor, torch.Tensor) else tensor:
        torch._C._increment_version((t,))


class saved_tensors_hooks:
    """Within the block, tensors saved for backward go through pack_hook, and back through unpack_hook when needed.

    >>> log = []
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("pack") or t, lambda t: t):
    ...     y = torch.ones(1, requires_grad=True).exp()
    >>> log
    ['pack']
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        torch._C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *args: object) -> None:
        torch._C._pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Tensors saved for backward are kept in main memory, and copied back to their device when needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Any) -> Any:
            if not pin_memory:
                return tensor.device, tensor.cpu()
            kept = torch.empty(tensor.size(), dtype=tensor.dtype, layout=tensor.layout,
                               pin_memory=torch.cuda.is_available())
            kept.copy_(tensor)
            return tensor.device, kept

        def unpack(packed: Any) -> Any:
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Within the block, using saved_tensors_hooks raises RuntimeError with this message."""
    previous = torch._C._saved_tensors_hooks_get_disabled_error_message()
    torch._C._saved_tensors_hooks_disable(error_message)
    try:
        yield
    finally:
        if previous is None:
            torch._C._saved_tensors_hooks_enable()
        else:
            torch._C._saved_tensors_hooks_disable(previous)


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[Any]:
    """Within the block, values saved for backward are copies, so that changing the originals in place is harmless."""
    with saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        yield None


class _HandleGroup(RemovableHandle):
    """Removes several hooks at once."""

    def __init__(self, handles: tuple) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __getstate__(self) -> tuple:
        return self.handles

    def __setstate__(self, state: tuple) -> None:
        self.handles = state


def register_multi_grad_hook(tensors: Sequence, fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call fn with the gradients of all tensors (a list, None for those without) at the end of each backward pass that
    reaches any of them; with mode "any", fn(grad) at the first of them.

    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook([a, b], lambda grads: print(grads))
    >>> (a * 2 + b * 3).backward()
    [tensor([2.]), tensor([3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = list(tensors)
    grads: list = []        # of the pass under way; empty between passes

    def finish() -> None:
        collected = list(grads)
        grads.clear()
        if mode == "all":
            fn(collected)

    def hook_of(index: int) -> Callable:
        def hook(grad: Any) -> None:
            first = not grads
            if first:
                grads.extend([None] * len(tensors))
                torch._C._engine_queue_callback(finish)
            grads[index] = grad
            if first and mode == "any":
                fn(grad)

        return hook

    handles = []
    for i, tensor in enumerate(tensors):
        if not tensor.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        handles.append(tensor.register_hook(hook_of(i)))
    return _HandleGroup(tuple(handles))
