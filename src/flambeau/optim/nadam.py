"""NAdam: Adam with Nesterov's momentum."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_scalar_dtype, _get_value, _require, _step_tensor, as_real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class NAdam(GroupOptimizer):
    """NAdam of Dozat, "Incorporating Nesterov Momentum into Adam" (2016).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.NAdam([w], lr=0.1, momentum_decay=0)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.8944
    """

    _capturable_names = "params, mu_products and state_steps"

    def __init__(self, params: Iterable, lr: Any = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
                 foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
                 differentiable: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            _require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        _require(momentum_decay >= 0.0, f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      momentum_decay=momentum_decay, decoupled_weight_decay=decoupled_weight_decay,
                                      maximize=maximize, foreach=foreach, capturable=capturable,
                                      differentiable=differentiable))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for own in self.state.values():
            if "mu_product" in own and not isinstance(own["mu_product"], torch.Tensor):
                own["mu_product"] = torch.tensor(own["mu_product"], dtype=_get_scalar_dtype())

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        step = _step_tensor(p, group)
        return {"step": step, "mu_product": torch.ones_like(step),
                "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        beta1, beta2 = group["betas"]
        lr, eps, decay = _get_value(group["lr"]), group["eps"], group["weight_decay"]
        momentum_decay, decoupled = group["momentum_decay"], group["decoupled_weight_decay"]
        maximize, differentiable = group["maximize"], group["differentiable"]
        for p, g, state in zip(params, grads, states):
            p, g, mean, square = as_real([p, g, state["exp_avg"], state["exp_avg_sq"]])
            if maximize:
                g = -g
            step, product = state["step"], state["mu_product"]
            step += 1
            t = step.item()
            if decay != 0:
                if decoupled:
                    p.mul_(1 - lr * decay)
                else:
                    g = g.add(p, alpha=decay)
            mu = beta1 * (1.0 - 0.5 * (0.96 ** (t * momentum_decay)))
            mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((t + 1) * momentum_decay)))
            product *= mu
            mean.lerp_(g, 1 - beta1)
            square.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            root = square.div(1 - beta2**t).sqrt().add(eps)
            done = product.item()
            p.addcdiv_(g, root, value=-lr * (1.0 - mu) / (1.0 - done))
            p.addcdiv_(mean.clone() if differentiable else mean, root,
                       value=-lr * mu_next / (1.0 - done * mu_next))
