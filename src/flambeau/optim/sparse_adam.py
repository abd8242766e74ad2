"""Adam for sparse gradients: only the rows that a gradient names change."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _get_value, _require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class SparseAdam(GroupOptimizer):
    """A form of Adam for sparse gradients (those of `Embedding(sparse=True)`): moments of other rows stay as they are.

    Errors: RuntimeError for a dense gradient.
    """

    _sparse_message = None
    _has_differentiable = False

    def __init__(self, params: Iterable, lr: Any = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 maximize: bool = False) -> None:
        _check_lr(lr)
        _require(lr > 0.0, f"Invalid learning rate: {lr}")
        _require(eps > 0.0, f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            _require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, maximize=maximize))
        sparse = [(g, i) for g, group in enumerate(self.param_groups)
                  for i, p in enumerate(group["params"]) if p.is_sparse]
        _require(not sparse, f"Sparse params at indices {sparse}: SparseAdam requires dense parameter tensors")

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        counters = {key: own["step"] for key, own in state.get("state", {}).items() if "step" in own}
        super().__setstate__(state)
        for key, step in counters.items():  # here a counter is a plain number
            self.state[key]["step"] = step

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        beta1, beta2 = group["betas"]
        lr = _get_value(group["lr"])
        for p, g, state in zip(params, grads, states):
            if not g.is_sparse:
                raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
            state["step"] += 1
            g = (-g if group["maximize"] else g).coalesce()
            indices, values, size = g._indices(), g._values(), g.size()
            if values.numel() == 0:
                continue
            mean, square = state["exp_avg"], state["exp_avg_sq"]
            old_mean, old_square = mean.sparse_mask(g)._values(), square.sparse_mask(g)._values()
            mean_change = values.sub(old_mean).mul_(1 - beta1)
            square_change = values.pow(2).sub_(old_square).mul_(1 - beta2)
            mean.add_(torch.sparse_coo_tensor(indices, mean_change, size))
            square.add_(torch.sparse_coo_tensor(indices, square_change, size))
            root = square_change.add_(old_square).sqrt_().add_(group["eps"])
            t = state["step"]
            rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
            change = mean_change.add_(old_mean).div_(root).mul_(-rate)
            p.add_(torch.sparse_coo_tensor(indices, change, size))
