"""Splitting inputs over devices, copying a model to them, running the copies, collecting outputs."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor


def scatter(inputs, target_gpus, dim: int = 0):
    """`inputs` with every tensor in it split along `dim`: one such structure a device. Other objects are repeated."""
    devices = [torch.device(d) if not isinstance(d, int) else torch.device("cuda", d) for d in target_gpus]

    def spread(obj) -> list:
        if isinstance(obj, Tensor):
            return [chunk.to(device) for chunk, device in zip(obj.chunk(len(devices), dim), devices)]
        if isinstance(obj, tuple) and hasattr(obj, "_fields"):
            return [type(obj)(*parts) for parts in zip(*map(spread, obj))]
        if isinstance(obj, tuple) and obj:
            return list(zip(*map(spread, obj)))
        if isinstance(obj, list) and obj:
            return [list(parts) for parts in zip(*map(spread, obj))]
        if isinstance(obj, dict) and obj:
            return [type(obj)(parts) for parts in zip(*map(spread, obj.items()))]
        return [obj for _ in devices]

    return spread(inputs)


def gather(outputs, target_device, dim: int = 0):
    """The inverse of scatter: tensors joined along `dim` on `target_device`."""
    device = torch.device("cuda", target_device) if isinstance(target_device, int) else torch.device(target_device)

    def join(parts):
        first = parts[0]
        if isinstance(first, Tensor):
            if first.dim() == 0:
                return torch.stack([part.to(device) for part in parts])
            return torch.cat([part.to(device) for part in parts], dim)
        if first is None:
            return None
        if isinstance(first, dict):
            if not all(len(part) == len(first) for part in parts):
                raise ValueError("All dicts must have the same number of keys")
            return type(first)((key, join([part[key] for part in parts])) for key in first)
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)._make(map(join, zip(*parts)))
        return type(first)(map(join, zip(*parts)))

    return join(list(outputs))


def replicate(network, devices, detach: bool = False) -> list:
    """Copies of `network` on the devices, whose parameters are differentiable functions of the originals."""
    copies = []
    for d in devices:
        device = torch.device("cuda", d) if isinstance(d, int) else torch.device(d)

        def clone(module, device=device):
            made = module._replicate_for_data_parallel()
            for name, param in module._parameters.items():
                moved = None if param is None else (param.detach() if detach else param).to(device)
                made._parameters[name] = moved
            for name, buffer in module._buffers.items():
                made._buffers[name] = None if buffer is None else buffer.to(device)
            made._modules = {name: None if child is None else clone(child) for name, child in module._modules.items()}
            return made

        copies.append(clone(network))
    return copies


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None) -> list:
    """Call each module with its inputs, each in a thread of its own; the first error is raised again."""
    import threading

    if len(modules) != len(inputs):
        raise AssertionError(f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}")
    kwargs_tup = kwargs_tup if kwargs_tup is not None else [{}] * len(modules)

    def call(module, given, kwargs):
        return module(*(given if isinstance(given, (list, tuple)) else (given,)), **kwargs)

    if len(modules) == 1:
        return [call(modules[0], inputs[0], kwargs_tup[0])]
    results: list = [None] * len(modules)
    grad = torch.is_grad_enabled()

    def work(i: int) -> None:
        try:
            with torch.set_grad_enabled(grad):
                results[i] = (True, call(modules[i], inputs[i], kwargs_tup[i]))
        except Exception as error:
            results[i] = (False, error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(modules))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for done, value in results:
        if not done:
            raise value
    return [value for _, value in results]
