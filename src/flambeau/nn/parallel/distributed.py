"""DistributedDataParallel: one process a model copy, gradients averaged after each backward."""

from __future__ import annotations

from contextlib import contextmanager

import flambeau as torch

from ..modules.module import Module


class DistributedDataParallel(Module):
    """Wraps `module` so that, after backward, every process of the group has the mean of all gradients.

    Parameters and buffers start as those of the group's first process. torch.distributed must be initialised.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim: int = 0, broadcast_buffers: bool | None = None,
                 init_sync: bool = True, process_group=None, bucket_cap_mb=None, find_unused_parameters: bool = False,
                 check_reduction: bool = False, gradient_as_bucket_view: bool = False, static_graph: bool = False,
                 **options) -> None:
        super().__init__()
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError("DistributedDataParallel is not needed when a module doesn't have any parameter that "
                               "requires a gradient.")
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError("device_ids can only be None or contain a single element.")
        distributed = torch.distributed
        if not distributed.is_initialized():
            raise RuntimeError("Default process group has not been initialized, please make sure to call "
                               "init_process_group.")
        self.module = module
        self.process_group = process_group
        self.device_ids = device_ids
        self.output_device = output_device
        self.dim = dim
        self.broadcast_buffers = True if broadcast_buffers is None else broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = True
        self._world = distributed.get_world_size(process_group)
        self._queued = False
        if init_sync:
            for tensor in [*module.parameters(), *module.buffers()]:
                distributed.broadcast(tensor.detach(), 0, group=process_group)
        for param in module.parameters():
            if param.requires_grad:
                param.register_post_accumulate_grad_hook(self._on_gradient)

    def _on_gradient(self, param) -> None:
        # The first gradient of a backward pass asks for one reduction of all when the pass is over.
        if self.require_backward_grad_sync and not self._queued:
            self._queued = True
            torch.autograd.Variable._execution_engine.queue_callback(self._reduce)

    def _reduce(self) -> None:
        self._queued = False
        params = [p for p in self.module.parameters() if p.requires_grad]
        by_type: dict = {}
        for p in params:
            grad = p.grad if p.grad is not None else torch.zeros_like(p)
            by_type.setdefault((p.dtype, p.device), []).append((p, grad))
        with torch.no_grad():
            for pairs in by_type.values():
                flat = torch.cat([grad.reshape(-1) for _, grad in pairs])
                torch.distributed.all_reduce(flat, group=self.process_group)
                flat.div_(self._world)
                at = 0
                for p, grad in pairs:
                    part = flat[at:at + grad.numel()].view_as(grad)
                    at += grad.numel()
                    if p.grad is None:
                        p.grad = part.clone()
                    else:
                        p.grad.copy_(part)

    @contextmanager
    def no_sync(self):
        """Inside it gradients are added up locally; the next backward outside reduces them."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def forward(self, *inputs, **kwargs):
        if self.broadcast_buffers and self.training and self.require_backward_grad_sync:
            for buffer in self.module.buffers():
                torch.distributed.broadcast(buffer.detach(), 0, group=self.process_group)
        return self.module(*inputs, **kwargs)
