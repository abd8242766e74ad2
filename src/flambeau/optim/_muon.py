"""Muon: momentum whose matrix is brought to orthonormal rows by a few Newton-Schulz steps."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Muon(GroupOptimizer):
    """Muon of Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), for matrices only.

    Args:
        adjust_lr_fn: None or "original", a rate times sqrt(max(1, rows / columns)); "match_rms_adamw", a rate times
            0.2 * sqrt(max(rows, columns)) (Liu et al., "Muon is Scalable for LLM Training", 2025).

    Errors: ValueError for a parameter that is no matrix.

    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> optimizer = torch.optim.Muon([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    """

    _has_differentiable = False

    def __init__(self, params: Iterable, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
                 nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
                 eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        _require(momentum >= 0.0, f"momentum should be >= 0 but is: {momentum}")
        _require(weight_decay >= 0.0, f"weight decay should be >= 0 but is: {weight_decay}")
        _require(adjust_lr_fn in (None, "original", "match_rms_adamw"),
                 f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
                                      ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps,
                                      adjust_lr_fn=adjust_lr_fn))
        for group in self.param_groups:
            for p in group["params"]:
                _require(p.dim() == 2, "Muon only supports 2D parameters whereas we found a parameter with size: "
                                       f"{p.size()}")

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": torch.zeros_like(p.grad, memory_format=torch.preserve_format)}

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        lr, momentum = _get_value(group["lr"]), group["momentum"]
        for p, g, state in zip(params, grads, states):
            if p.is_complex():
                raise RuntimeError("Muon does not support complex parameters")
            mean = state["momentum_buffer"]
            mean.lerp_(g, 1 - momentum)
            change = g.lerp(mean, momentum) if group["nesterov"] else mean
            change = orthogonalized(change, group["ns_coefficients"], group["ns_steps"], group["eps"])
            rows, columns = p.shape[:2]
            if group["adjust_lr_fn"] == "match_rms_adamw":
                ratio = 0.2 * max(rows, columns) ** 0.5
            else:
                ratio = max(1, rows / columns) ** 0.5
            p.mul_(1 - lr * group["weight_decay"])
            p.add_(change, alpha=-lr * ratio)


def orthogonalized(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """Nearly the matrix of `matrix`'s singular vectors, in bfloat16, by a quintic Newton-Schulz iteration."""
    _require(steps < 100, "Number of steps must be less than 100 for computational efficiency")
    _require(len(coefficients) == 3, "Coefficients must be a tuple of exactly 3 values.")
    a, b, c = coefficients
    x = matrix.bfloat16()
    tall = matrix.size(0) > matrix.size(1)
    if tall:
        x = x.T
    x.div_(x.norm().clamp(min=eps))
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
