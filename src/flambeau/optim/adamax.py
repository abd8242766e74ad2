"""Adamax: Adam with the infinity norm in the place of the root of the mean square."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require, _step_tensor, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adamax(GroupOptimizer):
    """Adamax of Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), section 7.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            _require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, capturable=capturable))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": _step_tensor(p, group),
                "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_inf": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        beta1, beta2 = group["betas"]
        lr, eps, decay = _get_value(group["lr"]), group["eps"], group["weight_decay"]
        maximize, differentiable = group["maximize"], group["differentiable"]
        for p, g, state in zip(params, grads, states):
            if maximize:
                g = -g
            step = state["step"]
            step += 1
            if decay != 0:
                g = g.add(p, alpha=decay)
            p, g, mean, largest = as_real([p, g, state["exp_avg"], state["exp_inf"]])
            mean.lerp_(g, 1 - beta1)
            if differentiable:
                largest.copy_(torch.maximum(largest * beta2, g.abs() + eps))
            else:
                torch.maximum(largest.mul_(beta2), g.abs().add_(eps), out=largest)
            rate = lr / (1 - beta1 ** step.item())
            p.addcdiv_(mean.clone() if differentiable else mean, largest.clone() if differentiable else largest,
                       value=-rate)
