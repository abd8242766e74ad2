"""Full backward hooks of a module: identity nodes put around its inputs and outputs, with hooks on those nodes."""

from __future__ import annotations

import warnings

import flambeau as torch
from flambeau import Tensor


class BackwardHookFunction(torch.autograd.Function):
    """The identity on several tensors; its node is where the gradients of all of them can be seen at once."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return grads


class BackwardHook:
    """The state of one call of a module with full backward hooks (user_hooks) and pre-hooks."""

    def __init__(self, module, user_hooks: list, user_pre_hooks: list) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: tuple | None = None
        self.n_inputs = self.n_outputs = -1
        self.input_index: list[int] | None = None
        self.output_index: list[int] | None = None

    @staticmethod
    def _spread(values, index: list[int], size: int) -> tuple:
        full: list = [None] * size
        for at, value in zip(index, values):
            full[at] = value
        return tuple(full)

    def _apply(self, attach, args: tuple) -> tuple[tuple, list[int] | None]:
        index = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        tensors = [args[i] for i in index]
        if not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors)):
            return args, None
        fresh = BackwardHookFunction.apply(*tensors)
        nodes = [t.grad_fn for t in fresh if t.grad_fn is not None]
        if not nodes:
            raise RuntimeError("Error while setting up backward hooks: no tensor of the module requires a gradient.")
        attach(nodes[0])
        out = list(args)
        for at, tensor in zip(index, fresh):
            out[at] = tensor
        return (type(args)(*out) if hasattr(args, "_fields") else tuple(out)), index

    def setup_input_hook(self, args: tuple) -> tuple:
        def on_inputs(grad_input, _):
            if self.grad_outputs is None:
                return None  # the gradient did not come through the module's output
            given = self._spread(grad_input, self.input_index, self.n_inputs)
            changed = False
            for hook in self.user_hooks:
                result = hook(self.module, given, self.grad_outputs)
                if result is None:
                    continue
                result = result if isinstance(result, tuple) else (result,)
                if len(result) != len(given):
                    raise RuntimeError("Backward hook returned an invalid number of grad_input, "
                                       f"got {len(result)}, but expected {len(given)}")
                given, changed = result, True
            self.grad_outputs = None
            return tuple(given[i] for i in self.input_index) if changed else None

        self.n_inputs = len(args)
        args, self.input_index = self._apply(lambda node: node.register_hook(on_inputs), args)
        return args

    def setup_output_hook(self, result):
        def attach(node) -> None:
            def on_outputs(_, grad_output):
                grads = self._spread(grad_output, self.output_index, self.n_outputs)
                for hook in self.user_pre_hooks:
                    changed = hook(self.module, grads)
                    if changed is None:
                        continue
                    changed = changed if isinstance(changed, tuple) else (changed,)
                    if len(changed) != len(grads):
                        raise RuntimeError("Backward pre hook returned an invalid number of grad_output, "
                                           f"got {len(changed)}, but expected {len(grads)}")
                    grads = changed
                self.grad_outputs = grads
                local = tuple(grads[i] for i in self.output_index)
                if self.input_index is None and self.user_hooks:
                    warnings.warn("Full backward hook is firing when gradients are computed with respect to module "
                                  "outputs since no inputs require gradients.", stacklevel=5)
                    given = self._spread([], [], self.n_inputs)
                    for hook in self.user_hooks:
                        if hook(self.module, given, grads) is not None:
                            raise RuntimeError("Backward hook for Modules where no input requires gradient should "
                                               "always return None or None for all gradients.")
                    self.grad_outputs = None
                return local if self.user_pre_hooks else None

            node.register_prehook(lambda grad_output: on_outputs(None, grad_output))

        single = not isinstance(result, tuple)
        args = (result,) if single else result
        self.n_outputs = len(args)
        # The index is needed inside the hook only, which runs after it is set.
        args, self.output_index = self._apply(attach, args)
        return args[0] if single else args
