"""Adadelta: steps in units of the weights' own recent changes."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require, _step_tensor, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adadelta(GroupOptimizer):
    """Adadelta of Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adadelta([w], rho=0.0, eps=1.0)
    >>> (w * 3).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.0513
    """

    def __init__(self, params: Iterable, lr: Any = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
                 foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
                 differentiable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      capturable=capturable, foreach=foreach, differentiable=differentiable))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": _step_tensor(p, group),
                "square_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "acc_delta": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        lr, rho, eps, decay = _get_value(group["lr"]), group["rho"], group["eps"], group["weight_decay"]
        maximize, differentiable = group["maximize"], group["differentiable"]
        for p, g, state in zip(params, grads, states):
            state["step"] += 1
            if maximize:
                g = -g
            if decay != 0:
                g = g.add(p, alpha=decay)
            p, g, square, moved = as_real([p, g, state["square_avg"], state["acc_delta"]])
            square.mul_(rho).addcmul_(g, g, value=1 - rho)
            root = square.add(eps).sqrt_()
            delta = moved.add(eps).sqrt_()
            delta = (delta.clone() if differentiable else delta).div_(root).mul_(g)
            moved.mul_(rho).addcmul_(delta, delta, value=1 - rho)
            p.add_(delta, alpha=-lr)
