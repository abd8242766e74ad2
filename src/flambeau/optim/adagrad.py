"""Adagrad: each weight's rate falls with the sum of its squared gradients."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_scalar_dtype, _get_value, _require, as_real, native_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adagrad(GroupOptimizer):
    """Adagrad of Duchi, Hazan and Singer, "Adaptive Subgradient Methods" (2011).

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    _sparse_message = None

    def __init__(self, params: Iterable, lr: Any = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
                 maximize: bool = False, differentiable: bool = False, fused: bool | None = None) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(lr_decay >= 0.0, f"Invalid lr_decay value: {lr_decay}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        _require(initial_accumulator_value >= 0.0,
                 f"Invalid initial_accumulator_value value: {initial_accumulator_value}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, foreach=foreach,
                                      maximize=maximize, differentiable=differentiable, fused=fused))
        self._init_fused(fused, foreach, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self._new_state(p, group))

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        first = group["initial_accumulator_value"]
        device = p.device if group["fused"] else None
        return {"step": torch.tensor(0.0, dtype=_get_scalar_dtype(group["fused"]), device=device),
                "sum": torch.full_like(p, complex(first, first) if p.is_complex() else first,
                                       memory_format=torch.preserve_format)}

    def share_memory(self) -> None:
        """Move the sums into shared memory."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        arguments = (_get_value(group["lr"]), group["lr_decay"], group["weight_decay"], group["eps"])
        if group["maximize"]:
            grads = [-g for g in grads]
        sums, steps = [state["sum"] for state in states], [state["step"] for state in states]
        if any(g.is_sparse for g in grads):
            _sparse_step(params, grads, sums, steps, *arguments)
        elif any(p.is_complex() for p in params):
            decay = group["weight_decay"]
            if decay != 0:
                grads = [g.add(p, alpha=decay) for p, g in zip(params, grads)]
            _composite_step(as_real(params), as_real(grads), as_real(sums), steps, arguments[0], arguments[1], 0,
                            arguments[3], group["differentiable"])
        elif group["differentiable"]:
            _composite_step(params, grads, sums, steps, *arguments, True)
        else:
            _multi_tensor_step(params, grads, sums, steps, *arguments)


def _composite_step(params: list, grads: list, sums: list, steps: list, lr: float, lr_decay: float,
                    weight_decay: float, eps: float, differentiable: bool = False) -> None:
    for i, p in enumerate(params):
        g, total, step = grads[i], sums[i], steps[i]
        step += 1
        if weight_decay != 0:
            g = g.add(p, alpha=weight_decay)
        rate = lr / (1 + (step.item() - 1) * lr_decay)
        total.addcmul_(g, g, value=1)
        root = (total.clone() if differentiable else total).sqrt()
        p.addcdiv_(g, root + eps if differentiable else root.add_(eps), value=-rate)


def _sparse_step(params: list, grads: list, sums: list, steps: list, lr: float, lr_decay: float,
                 weight_decay: float, eps: float) -> None:
    """Only the rows that a sparse gradient names are touched."""
    if weight_decay != 0:
        raise RuntimeError("weight_decay option is not compatible with sparse gradients")
    for p, g, total, step in zip(params, grads, sums, steps):
        step += 1
        rate = lr / (1 + (step.item() - 1) * lr_decay)
        g = g.coalesce()
        indices, values = g._indices(), g._values()
        total.add_(torch.sparse_coo_tensor(indices, values.pow(2), g.size()))
        root = total.sparse_mask(g)._values().sqrt_().add_(eps)
        p.add_(torch.sparse_coo_tensor(indices, values / root, g.size()), alpha=-rate)


_multi_tensor_step = native_step("_fused_adagrad_step", _composite_step)
