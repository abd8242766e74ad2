"""Stochastic gradient descent with momentum, dampening, weight decay and Nesterov's variant."""
from __future__ import annotations

import flambeau as torch

from .optimizer import GroupOptimizer, _check_lr, _require, native_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class SGD(GroupOptimizer):
    """Stochastic gradient descent: `p -= lr * g`, with momentum `b = momentum * b + (1 - dampening) * g; p -= lr * b`.

    Nesterov's momentum follows Sutskever et al., "On the importance of initialization and momentum in deep
    learning" (2013). Errors: ValueError for negative hyper-parameters.

    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w * 2).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    _sparse_message = None

    def __init__(self, params: Iterable, lr: Any = 1e-3, momentum: float = 0, dampening: float = 0,
                 weight_decay: Any = 0, nesterov: bool = False, *, maximize: bool = False,
                 foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None) -> None:
        _check_lr(lr)
        _require(lr >= 0.0, f"Invalid learning rate: {lr}")
        _require(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        _require(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        defaults = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
                        maximize=maximize, foreach=foreach, differentiable=differentiable, fused=fused)
        _require(not nesterov or (momentum > 0 and dampening == 0),
                 "Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        self._init_fused(fused, foreach, differentiable)

    def _keeps_state(self, group: dict[str, Any]) -> bool:
        return group["momentum"] != 0

    def _update(self, group: dict[str, Any], params: list, grads: list, states: list) -> None:
        buffers = [state.get("momentum_buffer") for state in states]
        lr, decay, differentiable = group["lr"], group["weight_decay"], group["differentiable"]
        if not differentiable:
            lr = lr.item() if isinstance(lr, torch.Tensor) else lr
            decay = decay.item() if isinstance(decay, torch.Tensor) else decay
        elif isinstance(lr, torch.Tensor) or isinstance(decay, torch.Tensor):
            _differentiable_step(params, grads, buffers, lr, group["momentum"], group["dampening"], decay,
                                 group["nesterov"], group["maximize"])
            for state, buffer in zip(states, buffers):
                state["momentum_buffer"] = buffer
            return
        _multi_tensor_step(params, grads, buffers, lr, group["momentum"], group["dampening"], decay,
                           group["nesterov"], group["maximize"])
        for state, buffer in zip(states, buffers):
            state["momentum_buffer"] = buffer


def _composite_step(params: list, grads: list, buffers: list, lr: float, momentum: float, dampening: float,
                    weight_decay: float, nesterov: bool, maximize: bool) -> None:
    """Update `params` in place; entries of `buffers` that are None are made."""
    for i, p in enumerate(params):
        g = -grads[i] if maximize else grads[i]
        if weight_decay != 0:
            g = g.add(p, alpha=weight_decay)
        if momentum != 0:
            b = buffers[i]
            if b is None:
                b = buffers[i] = g.detach().clone()
            else:
                b.mul_(momentum).add_(g, alpha=1 - dampening)
            g = g.add(b, alpha=momentum) if nesterov else b
        p.add_(g, alpha=-lr)


def _differentiable_step(params: list, grads: list, buffers: list, lr: Any, momentum: float, dampening: float,
                         weight_decay: Any, nesterov: bool, maximize: bool) -> None:
    """As `_composite_step`, with gradients flowing to a learning rate or weight decay that is a tensor."""
    for i, p in enumerate(params):
        g = -grads[i] if maximize else grads[i]
        if isinstance(weight_decay, torch.Tensor) or weight_decay != 0:
            g = g + p.clone() * weight_decay
        if momentum != 0:
            b = buffers[i]
            if b is None:
                b = buffers[i] = g.detach().clone()
            else:
                b.mul_(momentum).add_(g, alpha=1 - dampening)
            g = g.add(b, alpha=momentum) if nesterov else b
        if isinstance(lr, torch.Tensor):
            p.addcmul_(g, lr, value=-1)
        else:
            p.add_(g, alpha=-lr)


_multi_tensor_step = native_step("_fused_sgd_step", _composite_step)
