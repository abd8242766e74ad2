"""Batch normalisation with statistics of all processes, in differentiable collective operations."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor


class _SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over a process group; its gradient is the same sum."""

    @staticmethod
    def forward(ctx, tensor, group):
        ctx.group = group
        total = tensor.clone()
        torch.distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx, grad):
        total = grad.clone()
        torch.distributed.all_reduce(total, group=ctx.group)
        return total, None


def sync_batch_norm(module, input: Tensor, world: int) -> Tensor:
    """The training-mode forward of SyncBatchNorm `module`; updates its running statistics."""
    group = module.process_group
    dims = [d for d in range(input.dim()) if d != 1]
    shape = [1, -1] + [1] * (input.dim() - 2)
    count = torch.tensor([input.numel() / input.size(1)], dtype=input.dtype, device=input.device)
    sums = torch.cat([input.sum(dims), (input * input).sum(dims), count])
    sums = _SumOverProcesses.apply(sums, group)
    n = sums[-1]
    if float(n) <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.size()}")
    channels = input.size(1)
    mean = sums[:channels] / n
    var = sums[channels:2 * channels] / n - mean * mean
    if module.track_running_stats:
        with torch.no_grad():
            module.num_batches_tracked.add_(1)
            momentum = module.momentum if module.momentum is not None else 1.0 / float(module.num_batches_tracked)
            module.running_mean.lerp_(mean.detach(), momentum)
            module.running_var.lerp_(var.detach() * (n / (n - 1)), momentum)
    out = (input - mean.view(shape)) * torch.rsqrt(var.view(shape) + module.eps)
    if module.weight is not None:
        out = out * module.weight.view(shape)
    if module.bias is not None:
        out = out + module.bias.view(shape)
    return out
