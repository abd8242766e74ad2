"""State dictionaries by one interface, whatever wraps the model."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flambeau as torch

__all__ = ["StateDictOptions", "get_model_state_dict", "set_model_state_dict"]


@dataclass
class StateDictOptions:
    """What goes into the dictionary, and how it is read."""

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False


def _inner(model: Any) -> Any:
    return model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model


def get_model_state_dict(model: Any, *, submodules: Any = None, options: StateDictOptions | None = None) -> dict:
    """model.state_dict(), without the prefix that DistributedDataParallel adds."""
    model = _inner(model)
    result = model.state_dict()
    if options is not None and options.ignore_frozen_params:
        frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
        result = {name: value for name, value in result.items() if name not in frozen}
    return {name: value.cpu() for name, value in result.items()} if options is not None and options.cpu_offload else dict(result)


def set_model_state_dict(model: Any, model_state_dict: dict, *, options: StateDictOptions | None = None) -> Any:
    """model.load_state_dict, for what get_model_state_dict gave."""
    return _inner(model).load_state_dict(model_state_dict, strict=options.strict if options is not None else True)
