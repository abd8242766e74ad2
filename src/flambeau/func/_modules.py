"""Modules as functions: functional_call, stacked parameters of several models, batch norm without statistics."""
from __future__ import annotations

from typing import Any, Callable, Sequence

import flambeau as torch

__all__ = ["functional_call", "stack_module_state", "replace_all_batch_norm_modules_", "functionalize"]


def functional_call(module: Any, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict | None = None, *,
                    tie_weights: bool = True, strict: bool = False) -> Any:
    """module(*args, **kwargs) with other parameters and buffers: a dict by name, or several dicts.

    >>> m = torch.nn.Linear(1, 1, bias=False)
    >>> torch.func.functional_call(m, {"weight": torch.tensor([[2.0]])}, torch.tensor([3.0]))
    tensor([6.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        values = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
            raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
        values = {}
        for d in parameter_and_buffer_dicts:
            repeated = sorted(set(d) & set(values))
            if repeated:
                raise ValueError(f"{', '.join(map(repr, repeated))} appeared in multiple dictionaries; behavior of "
                                 "functional call is ambiguous")
            values.update(d)
    else:
        raise ValueError("Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
                         f"{type(parameter_and_buffer_dicts)}")
    from flambeau.nn.utils import stateless
    return stateless._functional_call(module, values, () if args is None else args, kwargs, tie_weights=tie_weights,
                                      strict=strict)


def stack_module_state(models: Sequence) -> tuple[dict, dict]:
    """The parameters and the buffers of models of one class, each stacked along a new first dimension."""
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    named = [dict(m.named_parameters()) for m in models]
    parameters = {}
    for key in named[0]:
        values = [n[key] for n in named]
        if len({v.requires_grad for v in values}) > 1:
            raise RuntimeError(f"Expected {key} from each model to have the same .requires_grad")
        stacked = torch.stack([v.detach() for v in values])
        parameters[key] = stacked.requires_grad_(values[0].requires_grad)
    held = [dict(m.named_buffers()) for m in models]
    buffers = {key: torch.stack([h[key] for h in held]) for key in held[0]}
    return parameters, buffers


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Make all batch norms of a module work without running statistics, in place; returns the module."""
    for module in root.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """func itself: its operators run directly, so there is nothing to rewrite."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize(f, remove={remove!r}): Valid options for argument \"remove\" are: "
                           "remove=\"mutations\" or remove=\"mutations_and_views\"")
    return func
