"""Averaged stochastic gradient descent."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_scalar_dtype, _get_value, _require, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class ASGD(GroupOptimizer):
    """Averaged SGD of Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).

    The average of the weights since step `t0` is in the state, under `ax`.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.ASGD([w], lr=0.1, lambd=0)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5000], requires_grad=True)
    """

    _capturable_names = "params, mus, etas, and state_steps"

    def __init__(self, params: Iterable, lr: Any = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6,
                 weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
                 differentiable: bool = False, capturable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        super().__init__(params, dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize, differentiable=differentiable,
                                      capturable=capturable))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for own in self.state.values():
            for key in ("eta", "mu"):
                if key in own and not isinstance(own[key], torch.Tensor):
                    own[key] = torch.tensor(own[key], dtype=_get_scalar_dtype())

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        def scalar(value: float) -> Any:
            return torch.tensor(value, dtype=_get_scalar_dtype(), device=p.device)

        return {"step": scalar(0.0), "eta": scalar(float(_get_value(group["lr"]))), "mu": scalar(1.0),
                "ax": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        lr, lambd, alpha, t0 = _get_value(group["lr"]), group["lambd"], group["alpha"], group["t0"]
        decay, maximize = group["weight_decay"], group["maximize"]
        for p, g, state in zip(params, grads, states):
            p, g, average = as_real([p, g, state["ax"]])
            if maximize:
                g = -g
            step, eta, mu = state["step"], state["eta"], state["mu"]
            step += 1
            t, rate, weight = step.item(), eta.item(), mu.item()
            if decay != 0:
                g = g.add(p, alpha=decay)
            p.mul_(1 - lambd * rate)
            p.add_(g, alpha=-rate)
            if weight != 1:
                average.add_(p.sub(average).mul_(weight))
            else:
                average.copy_(p)
            eta.copy_(torch.as_tensor(lr / ((1 + lambd * lr * t) ** alpha)))
            mu.copy_(torch.as_tensor(1 / max(1, t - t0)))
