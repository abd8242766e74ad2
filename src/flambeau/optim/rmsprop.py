"""RMSprop, plain or centred, with momentum."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require, _step_tensor, as_real, native_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class RMSprop(GroupOptimizer):
    """RMSprop of Hinton's lecture (2012); `centered` divides by an estimate of the deviation (Graves, 2013).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: Any = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0, momentum: float = 0, centered: bool = False, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        _require(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        _require(alpha >= 0.0, f"Invalid alpha value: {alpha}")
        super().__init__(params, dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
                                      weight_decay=weight_decay, capturable=capturable, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": _step_tensor(p, group),
                 "square_avg": torch.zeros_like(p, memory_format=torch.preserve_format)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        if group["centered"]:
            state["grad_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        return state

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        squares = [state["square_avg"] for state in states]
        buffers = [state["momentum_buffer"] for state in states] if group["momentum"] > 0 else []
        means = [state["grad_avg"] for state in states] if group["centered"] else []
        steps = [state["step"] for state in states]
        if any(p.is_complex() for p in params):
            params, grads, squares, buffers, means = map(as_real, (params, grads, squares, buffers, means))
        step = _composite_step if group["differentiable"] else _multi_tensor_step
        step(params, grads, squares, buffers, means, steps, _get_value(group["lr"]), group["alpha"], group["eps"],
             group["weight_decay"], group["momentum"], group["maximize"])


def _composite_step(params: list, grads: list, squares: list, buffers: list, means: list, steps: list, lr: float,
                    alpha: float, eps: float, weight_decay: float, momentum: float, maximize: bool) -> None:
    """Update in place; `buffers` is empty without momentum, `means` unless centred."""
    for i, p in enumerate(params):
        g = -grads[i] if maximize else grads[i]
        square, step = squares[i], steps[i]
        step += 1
        if weight_decay != 0:
            g = g.add(p, alpha=weight_decay)
        square.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if means:
            means[i].lerp_(g, 1 - alpha)
            root = square.addcmul(means[i], means[i], value=-1).sqrt()
        else:
            root = square.sqrt()
        root = root.add(eps)
        if buffers:
            buffers[i].mul_(momentum).addcdiv_(g, root)
            p.add_(buffers[i], alpha=-lr)
        else:
            p.addcdiv_(g, root, value=-lr)


_multi_tensor_step = native_step("_fused_rmsprop_step", _composite_step)
