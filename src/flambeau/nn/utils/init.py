"""Making a module without computing its initial values."""

from __future__ import annotations

import inspect

import flambeau as torch


def skip_init(module_cls, *args, **kwargs):
    """`module_cls(*args, **kwargs)` with uninitialised parameters; the class must take `device`.

    >>> torch.nn.utils.skip_init(torch.nn.Linear, 2, 3).weight.shape
    torch.Size([3, 2])
    """
    if not issubclass(module_cls, torch.nn.Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = torch.get_rng_state()  # the values that are computed and dropped cost no random numbers
    try:
        module = module_cls(*args, **kwargs)
    finally:
        torch.set_rng_state(state)
    return module.to_empty(device=kwargs.get("device", "cpu"))
