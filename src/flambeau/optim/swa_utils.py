"""Averaging of weights over training: AveragedModel, its averaging functions, SWALR, and fresh batch statistics."""
from __future__ import annotations

import math
from copy import deepcopy

import flambeau as torch
from flambeau import nn

from .lr_scheduler import LRScheduler, _check_optimizer, _per_group, _rates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["AveragedModel", "update_bn", "SWALR", "get_ema_multi_avg_fn", "get_swa_multi_avg_fn", "get_ema_avg_fn",
           "get_swa_avg_fn"]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """A function of two lists that moves the first, the average, by `1 - decay` towards the second, in place."""
    _check_decay(decay)

    def ema_update(averages: Any, currents: Any, _: Any) -> None:
        with torch.no_grad():
            for average, current in zip(averages, currents):
                if average.is_floating_point() or average.is_complex():
                    average.lerp_(current.to(average.dtype), 1 - decay)
                else:
                    average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable:
    """A function of two lists and a count that keeps the first, in place, the equal mean of all it has seen."""

    def swa_update(averages: Any, currents: Any, num_averaged: Any) -> None:
        with torch.no_grad():
            count = float(num_averaged) + 1
            for average, current in zip(averages, currents):
                average.copy_(average + (current - average) / count)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """A function that gives `decay * average + (1 - decay) * current`."""
    _check_decay(decay)

    def ema_update(average: Any, current: Any, num_averaged: Any) -> Any:
        with torch.no_grad():
            return decay * average + (1 - decay) * current

    return ema_update


def get_swa_avg_fn() -> Callable:
    """A function that gives the mean of all values so far."""

    def swa_update(average: Any, current: Any, num_averaged: Any) -> Any:
        with torch.no_grad():
            return average + (current - average) / (num_averaged + 1)

    return swa_update


class AveragedModel(nn.Module):
    """A copy of a model whose weights are an average of the model's over training.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (2018). The first
    `update_parameters` copies; later ones average with `multi_avg_fn` (lists), `avg_fn` (one tensor), or equally.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    2.0
    """

    def __init__(self, model: Any, device: Any = None, avg_fn: Callable | None = None,
                 multi_avg_fn: Callable | None = None, use_buffers: bool = False) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.long, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def _averaged(self, model: Any) -> list:
        if not self.use_buffers:
            return list(model.parameters())
        return [*model.parameters(), *model.buffers()]

    def update_parameters(self, model: Any) -> None:
        """Take the present weights of `model` into the average."""
        averages = [t.detach() for t in self._averaged(self.module)]
        currents = [t.detach().to(a.device) for t, a in zip(self._averaged(model), averages)]
        if self.n_averaged == 0:
            for average, current in zip(averages, currents):
                average.copy_(current)
        elif averages:
            if self.avg_fn is not None:
                for average, current in zip(averages, currents):
                    average.copy_(self.avg_fn(average, current, self.n_averaged.to(average.device)))
            else:
                (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, currents, self.n_averaged)
        if not self.use_buffers:
            for buffer, current in zip(self.module.buffers(), model.buffers()):
                buffer.detach().copy_(current.detach().to(buffer.device))
        self.n_averaged += 1


def update_bn(loader: Iterable, model: Any, device: Any = None) -> None:
    """Compute the running statistics of a model's batch normalisations anew, in one pass over `loader`.

    A batch may be a tensor or a list or tuple that begins with one.
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # the equal mean over all batches
    with torch.no_grad():
        for batch in loader:
            if isinstance(batch, (list, tuple)):
                batch = batch[0]
            if device is not None:
                batch = batch.to(device)
            model(batch)
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate from what it is to `swa_lr` in `anneal_epochs` epochs, then keeps it."""

    def __init__(self, optimizer: Any, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos",
                 last_epoch: int = -1) -> None:
        _check_optimizer(optimizer)
        for lr, group in zip(_per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _anneal(self, t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        length = max(1, self.anneal_epochs)
        before = self._anneal(max(0, min(1, (step - 1) / length)))
        now = self._anneal(max(0, min(1, step / length)))
        if step == 0:
            return _rates(self.optimizer)
        rates = []
        for group in self.optimizer.param_groups:
            # the rate at which the annealing began follows from the present one and how far it has come
            start = group["swa_lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates
