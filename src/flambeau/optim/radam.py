"""RAdam: Adam that waits with its adaptive rate until the variance estimate can be trusted."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require, _step_tensor, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class RAdam(GroupOptimizer):
    """RAdam of Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond" (2020).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    def __init__(self, params: Iterable, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            _require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize,
                                      foreach=foreach, capturable=capturable,
                                      decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": _step_tensor(p, group),
                "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        beta1, beta2 = group["betas"]
        lr, eps, decay = _get_value(group["lr"]), group["eps"], group["weight_decay"]
        maximize = group["maximize"]
        longest = 2 / (1 - beta2) - 1  # rho_inf: the length of the longest simple average
        for p, g, state in zip(params, grads, states):
            p, g, mean, square = as_real([p, g, state["exp_avg"], state["exp_avg_sq"]])
            if maximize:
                g = -g
            step = state["step"]
            step += 1
            t = step.item()
            if decay != 0:
                if group["decoupled_weight_decay"]:
                    p.mul_(1 - lr * decay)
                else:
                    g = g.add(p, alpha=decay)
            mean.lerp_(g, 1 - beta1)
            square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            unbiased = mean / (1 - beta1**t)
            correction2 = 1 - beta2**t
            length = longest - 2 * t * (beta2**t) / correction2  # rho_t
            if length > 5.0:
                rectifier = ((length - 4) * (length - 2) * longest
                             / ((longest - 4) * (longest - 2) * length)) ** 0.5
                adaptive = (correction2**0.5) / square.sqrt().add(eps)
                p.add_(unbiased * lr * adaptive * rectifier, alpha=-1.0)
            else:
                p.add_(unbiased * lr, alpha=-1.0)
