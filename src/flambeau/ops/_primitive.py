"""Computations with a gradient of their own: where composition would be slow or its gradient wrong at special points.
The gradient is written in operators, so it can be differentiated again."""

from __future__ import annotations

import flambeau as torch

from .._operator import on_devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Primitive:
    """`forward(*args)` computes from tensors without gradient; `backward(inputs, outputs, grads, needs)` gives one
    gradient (or None) per argument. `grads` has None for outputs that no gradient reaches; `fixed` are the positions
    of outputs that have no gradient (indices, infos); `name` is what the step is called in the gradient graph."""

    def __init__(self, forward: Callable, backward: Callable, fixed: tuple[int, ...] = (), name: str = "") -> None:
        self.forward, self.backward, self.fixed, self.name = forward, backward, fixed, name
        self.node: Any = None

    def __call__(self, *args: Any) -> Any:
        if torch.is_grad_enabled():
            for value in args:
                if isinstance(value, torch.Tensor) and value.requires_grad:
                    return (self.node or self._make_node()).apply(*args)
        return self.forward(*args)  # nothing here requires grad, so nothing is recorded

    def _make_node(self) -> Any:
        compute, fixed = self.forward, self.fixed
        placed = on_devices(self.backward)

        class Node(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *args: Any) -> Any:
                result = compute(*args)
                outputs = result if isinstance(result, tuple) else (result,)
                if fixed:
                    ctx.mark_non_differentiable(*[outputs[position] for position in fixed])
                ctx.set_materialize_grads(False)
                ctx.values = [None if isinstance(value, torch.Tensor) else value for value in args]
                ctx.places = [position for position, value in enumerate(args) if isinstance(value, torch.Tensor)]
                ctx.save_for_backward(*[args[position] for position in ctx.places], *outputs)
                return result

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                if all(grad is None for grad in grads):
                    return (None,) * len(ctx.values)
                saved, inputs = ctx.saved_tensors, list(ctx.values)
                for position, tensor in zip(ctx.places, saved):
                    inputs[position] = tensor
                return placed(inputs, saved[len(ctx.places):], grads, ctx.needs_input_grad)

        Node.__name__ = Node.__qualname__ = self.forward.__name__.strip("_").title().replace("_", "")
        if self.name:
            Node._backward_cls.__name__ = self.name
        self.node = Node
        return Node


def primitive(backward: Callable, fixed: tuple[int, ...] = (), node: str = "") -> Callable[[Callable], Primitive]:
    """Decorator: the function is the forward computation of a Primitive with this gradient."""
    return lambda forward: Primitive(forward, backward, fixed, node)
