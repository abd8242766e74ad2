"""Adafactor: second moments of matrices kept as one row and one column."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adafactor(GroupOptimizer):
    """Adafactor of Shazeer and Stern, "Adaptive Learning Rates with Sublinear Memory Cost" (2018).

    For parameters of two and more dimensions the state holds `row_var` and `col_var` in the place of all squares.

    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([[0.9000, 0.9000],
            [0.9000, 0.9000]], requires_grad=True)
    """

    _has_differentiable = False

    def __init__(self, params: Iterable, lr: Any = 1e-2, beta2_decay: float = -0.8,
                 eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
                 foreach: bool | None = None, maximize: bool = False) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}")
        _require(beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        _require(eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}")
        _require(eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}")
        _require(d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}")
        _require(weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(params, dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay,
                                      foreach=foreach, maximize=maximize))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        grad = p.grad
        state: dict[str, Any] = {"step": torch.tensor(0.0, dtype=torch.float32)}
        if grad.dim() > 1:
            rows, columns = list(grad.shape), list(grad.shape)
            rows[-1] = columns[-2] = 1
            state["row_var"], state["col_var"] = grad.new_zeros(rows), grad.new_zeros(columns)
        else:
            state["variance"] = torch.zeros_like(grad, memory_format=torch.preserve_format)
        return state

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        lr, decay, clip = _get_value(group["lr"]), group["weight_decay"], group["d"]
        eps1, eps2 = group["eps"]
        for p, g, state in zip(params, grads, states):
            if p.is_complex():
                raise RuntimeError("Adafactor does not support complex parameters")
            if group["maximize"]:
                g = -g
            smallest = torch.finfo(p.dtype).eps if eps1 is None else eps1
            step = state["step"]
            step += 1
            t = step.item()
            share = t ** group["beta2_decay"]
            rate = max(eps2, p.norm(2).item() / p.numel() ** 0.5) * min(lr, 1 / t**0.5)
            if decay != 0:
                p.mul_(1 - lr * decay)
            if g.dim() > 1:
                row, column = state["row_var"], state["col_var"]
                row.lerp_(torch.norm(g, dim=-1, keepdim=True).square_().div_(g.size(-1)), share)
                column.lerp_(torch.norm(g, dim=-2, keepdim=True).square_().div_(g.size(-2)), share)
                estimate = row @ column
                estimate.div_(row.mean(dim=-2, keepdim=True).clamp_(min=smallest))
            else:
                state["variance"].lerp_(g.square(), share)
                estimate = state["variance"].clone()
            change = estimate.clamp_(min=smallest * smallest).rsqrt_().mul_(g)
            excess = max(1.0, change.norm(2).item() / (change.numel() ** 0.5 * clip))
            p.add_(change, alpha=-rate / excess)
