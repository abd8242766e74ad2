"""Adam, and AdamW's decoupled weight decay as an option of it."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _require, _step_tensor, as_real, native_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adam(GroupOptimizer):
    """Adam: steps along the mean gradient over the root of the mean squared gradient, both corrected for their start.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015); `amsgrad` after Reddi et al., "On the
    Convergence of Adam and Beyond" (2018). Errors: ValueError for hyper-parameters out of range.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w * 5).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.9000], requires_grad=True)
    """

    _sparse_message = "Adam does not support sparse gradients, please consider SparseAdam instead"

    def __init__(self, params: Iterable, lr: Any = 1e-3, betas: tuple[Any, Any] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None,
                 maximize: bool = False, capturable: bool = False, differentiable: bool = False,
                 fused: bool | None = None, decoupled_weight_decay: bool = False) -> None:
        if isinstance(lr, torch.Tensor):
            _require(not foreach or capturable, "lr as a Tensor is not supported for capturable=False and foreach=True")
            _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(eps >= 0.0, f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            _require(0.0 <= betas[i] < 1.0, f"Invalid beta parameter at index {i}: {betas[i]}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        tensors = [isinstance(beta, torch.Tensor) for beta in betas]
        _require(tensors[0] == tensors[1], "betas must be either both floats or both Tensors")
        for i in (0, 1):
            if tensors[i]:
                _require(not foreach or capturable,
                         f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
                _require(betas[i].numel() == 1, f"Tensor betas[{i}] must be 1-element")
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
                        foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused,
                        decoupled_weight_decay=decoupled_weight_decay)
        super().__init__(params, defaults)
        self._init_fused(fused, foreach, differentiable)

    def _new_state(self, p: Any, group: dict[str, Any]) -> dict[str, Any]:
        zeros = torch.zeros_like
        state = {"step": _step_tensor(p, group), "exp_avg": zeros(p, memory_format=torch.preserve_format),
                 "exp_avg_sq": zeros(p, memory_format=torch.preserve_format)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros(p, memory_format=torch.preserve_format)
        return state

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        beta1, beta2 = group["betas"]
        lr, differentiable = group["lr"], group["differentiable"]
        if differentiable and isinstance(lr, torch.Tensor) and lr.requires_grad \
                and any(state["step"].requires_grad for state in states):
            raise RuntimeError("`requires_grad` is not supported for `step` in differentiable mode")
        means = [state["exp_avg"] for state in states]
        squares = [state["exp_avg_sq"] for state in states]
        maxima = [state["max_exp_avg_sq"] for state in states] if group["amsgrad"] else []
        steps = [state["step"] for state in states]
        if any(p.is_complex() for p in params):
            params, grads, means, squares, maxima = map(as_real, (params, grads, means, squares, maxima))
        if differentiable:
            _differentiable_step(params, grads, means, squares, maxima, steps, lr, beta1, beta2,
                                 group["weight_decay"], group["eps"], group["decoupled_weight_decay"],
                                 group["maximize"])
            return
        if isinstance(lr, torch.Tensor):
            lr = lr.item()
        if isinstance(beta1, torch.Tensor):
            beta1, beta2 = beta1.item(), beta2.item()
        _multi_tensor_step(params, grads, means, squares, maxima, steps, lr, beta1, beta2, group["weight_decay"],
                           group["eps"], group["decoupled_weight_decay"], group["maximize"])


def _composite_step(params: list, grads: list, means: list, squares: list, maxima: list, steps: list, lr: float,
                    beta1: float, beta2: float, weight_decay: float, eps: float, decoupled: bool,
                    maximize: bool) -> None:
    """Update parameters, moments and step counters in place; `maxima` is empty without amsgrad."""
    for i, p in enumerate(params):
        g = -grads[i] if maximize else grads[i]
        m, v, step = means[i], squares[i], steps[i]
        step += 1
        if weight_decay != 0:
            if decoupled:
                p.mul_(1 - lr * weight_decay)
            else:
                g = g.add(p, alpha=weight_decay)
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        t = step.item()
        root = (1 - beta2**t) ** 0.5
        if maxima:
            torch.maximum(maxima[i], v, out=maxima[i])
            v = maxima[i]
        p.addcdiv_(m, (v.sqrt() / root).add_(eps), value=-lr / (1 - beta1**t))


def _differentiable_step(params: list, grads: list, means: list, squares: list, maxima: list, steps: list, lr: Any,
                         beta1: Any, beta2: Any, weight_decay: float, eps: float, decoupled: bool,
                         maximize: bool) -> None:
    """As `_composite_step`, recorded by autograd: nothing that a gradient needs is overwritten."""
    for i, p in enumerate(params):
        g = -grads[i] if maximize else grads[i]
        m, v, step = means[i], squares[i], steps[i]
        step += 1
        if weight_decay != 0:
            if decoupled:
                p.mul_(1 - lr * weight_decay)
            else:
                g = g.add(p, alpha=weight_decay)
        m.lerp_(g, 1 - beta1)
        if isinstance(beta2, torch.Tensor):
            v.lerp_(g * g, 1 - beta2)
        else:
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        rate = -lr / (1 - beta1**step)
        if maxima:
            previous = maxima[i].clone()
            maxima[i].copy_(torch.maximum(previous, v))
            v = maxima[i]
        denominator = (v.sqrt() / ((1 - beta2**step).sqrt() * rate)).add_(eps / rate)
        p.addcdiv_(m.clone(), denominator)


_multi_tensor_step = native_step("_fused_adam_step", _composite_step)
