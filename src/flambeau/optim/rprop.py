"""Rprop: step sizes of each weight's own, which grow while the gradient keeps its sign."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require, _step_tensor, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Rprop(GroupOptimizer):
    """Resilient propagation, Riedmiller and Braun (1993).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: Any = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
                 step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
                 foreach: bool | None = None, maximize: bool = False, differentiable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize,
                                      differentiable=differentiable, capturable=capturable))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        lr = _get_value(group["lr"])
        return {"step": _step_tensor(p, group),
                "prev": torch.zeros_like(p, memory_format=torch.preserve_format),
                "step_size": torch.full_like(p.grad, complex(lr, lr) if p.is_complex() else lr)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        maximize, differentiable = group["maximize"], group["differentiable"]
        for p, g, state in zip(params, grads, states):
            state["step"] += 1
            if maximize:
                g = -g
            p, g, previous, size = as_real([p, g, state["prev"], state["step_size"]])
            sign = g.mul(previous.clone() if differentiable else previous).sign()
            turned = sign.lt(0)
            factor = torch.ones_like(sign).masked_fill_(sign.gt(0), grow).masked_fill_(turned, shrink)
            size.mul_(factor).clamp_(smallest, largest)
            g = g.masked_fill(turned, 0)  # a weight whose gradient turned waits for one step
            p.addcmul_(g.sign(), size.clone() if differentiable else size, value=-1)
            previous.copy_(g)
