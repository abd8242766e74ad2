"""Variable, the wrapper of early PyTorch: every tensor is one, and Variable(t) is a tensor over the same memory."""
from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Variable"]


class _VolatileTensor(torch.Tensor):
    """A tensor of which no result is recorded, whatever else goes in: `Variable(t, volatile=True)`.

    The mark travels to every result, through any function that takes one such tensor.
    """

    _prints_as_tensor = True
    volatile = True

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        return _mark(result)


def _mark(result: Any) -> Any:
    """The result with its tensors made volatile, in tuples and lists as well."""
    if type(result) is torch.Tensor:
        return result.as_subclass(_VolatileTensor)
    if type(result) in (tuple, list):
        return type(result)(_mark(r) for r in result)
    return result


class _VariableType(type):
    """Makes every tensor an instance of Variable."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch.Tensor)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(torch.Tensor, name)


class Variable(metaclass=_VariableType):
    """Variable(data, requires_grad=False, volatile=False): a tensor that shares data's memory.

    With volatile=True nothing computed from it is recorded, even together with tensors that require gradients.

    >>> w = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    >>> (w * 3).sum().backward(); w.grad
    tensor([3., 3.])
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if data is None:
            data = torch.empty(0)
        if not isinstance(data, torch.Tensor):
            raise TypeError(f"Variable: data must be a Tensor (got {type(data).__name__})")
        if volatile:
            if requires_grad:
                raise ValueError("Variable: volatile and requires_grad exclude each other")
            with torch._C.DisableTorchFunctionSubclass():
                return data.detach().as_subclass(_VolatileTensor)
        result = data.detach()
        if requires_grad:
            result.requires_grad_(True)
        return result

    class _execution_engine:
        """The handle under which old programs reach the engine."""

        @staticmethod
        def run_backward(tensors: Any, grad_tensors: Any, keep_graph: bool, create_graph: bool, inputs: Any = (),
                         allow_unreachable: bool = True, accumulate_grad: bool = True) -> Any:
            return torch._C._engine_run_backward(tuple(tensors), tuple(grad_tensors), keep_graph, create_graph,
                                                 tuple(inputs), allow_unreachable, accumulate_grad)

        @staticmethod
        def queue_callback(callback: Any) -> None:
            torch._C._engine_queue_callback(callback)
