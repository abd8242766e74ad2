"""DataParallel: the batch split over the CUDA devices of one process."""

from __future__ import annotations

import flambeau as torch

from ..modules.module import Module
from .scatter_gather import gather, parallel_apply, replicate, scatter


class DataParallel(Module):
    """Calls copies of `module` on several devices with parts of the batch; without devices, the module itself.

    >>> torch.nn.DataParallel(torch.nn.Identity())(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        if not torch.cuda.is_available():
            self.module = module
            self.device_ids = []
            return
        if device_ids is None:
            device_ids = list(range(torch.cuda.device_count()))
        if len(device_ids) == 0:
            raise RuntimeError("no available devices were found")
        self.dim = dim
        self.module = module
        self.device_ids = [d if isinstance(d, int) else torch.device(d).index for d in device_ids]
        self.output_device = self.device_ids[0] if output_device is None else output_device
        if len(self.device_ids) == 1:
            self.module.to(torch.device("cuda", self.device_ids[0]))

    def forward(self, *inputs, **kwargs):
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        return _run(self.module, inputs, kwargs, self.device_ids, self.output_device, self.dim)


def _run(module, inputs: tuple, kwargs: dict, device_ids: list, output_device, dim: int):
    parts = scatter(inputs, device_ids, dim) if inputs else []
    options = scatter(kwargs, device_ids, dim) if kwargs else []
    parts += [()] * (len(options) - len(parts))
    options += [{}] * (len(parts) - len(options))
    if not parts:
        parts, options = [()], [{}]
    if len(device_ids) == 1:
        return module(*parts[0], **options[0])
    replicas = replicate(module, device_ids[:len(parts)], not torch.is_grad_enabled())
    return gather(parallel_apply(replicas, parts, options), output_device, dim)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim: int = 0, module_kwargs: dict | None = None):
    """DataParallel as a function."""
    inputs = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    if device_ids is None:
        device_ids = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    if not device_ids:
        return module(*inputs, **(module_kwargs or {}))
    return _run(module, inputs, module_kwargs or {}, list(device_ids),
                device_ids[0] if output_device is None else output_device, dim)
