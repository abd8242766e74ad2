"""Automatic differentiation: backward, grad, custom functions, switches and checks."""
from __future__ import annotations

import flambeau as torch
from flambeau.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from flambeau.autograd.variable import Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

__all__ = ["Variable", "Function", "backward", "grad", "no_grad", "enable_grad", "set_grad_enabled", "inference_mode",
           "detect_anomaly", "set_detect_anomaly", "gradcheck", "gradgradcheck", "set_multithreading_enabled",
           "NestedIOFunction", "variable"]

# Loaded when first named: importing the package must stay cheap.
_LAZY_NAMES = {"detect_anomaly": "anomaly_mode", "set_detect_anomaly": "anomaly_mode", "gradcheck": "gradcheck",
               "gradgradcheck": "gradcheck", "GradcheckError": "gradcheck", "Function": "function",
               "NestedIOFunction": "function"}
_LAZY_MODULES = ("anomaly_mode", "function", "functional", "graph", "profiler", "forward_ad")


def __getattr__(name: str) -> Any:
    import importlib
    if name in _LAZY_NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_NAMES, *_LAZY_MODULES})


def variable(*args: Any, **kwargs: Any) -> Any:
    """Not part of the interface any more; kept for the error."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")


def _tuple_of(tensors: Any, length: int) -> tuple:
    if tensors is None:
        return (None,) * length
    if isinstance(tensors, torch.Tensor):
        return (tensors,)
    return tuple(tensors)


def _output_facts(output: Any) -> tuple[Any, Any, bool]:
    """shape, dtype and whether a gradient flows, of a tensor or of a GradientEdge."""
    if isinstance(output, torch.Tensor):
        return output.shape, output.dtype, output.requires_grad
    meta = output.node._input_metadata[output.output_nr]
    return meta.shape, meta.dtype, True


def _make_grads(outputs: Sequence, grads: Sequence, is_grads_batched: bool = False) -> tuple:
    """The gradients to start from: given ones are checked, missing ones become 1 for scalar outputs."""
    made: list = []
    for i, (out, given) in enumerate(zip(outputs, grads)):
        if given is None:
            shape, dtype, flows = _output_facts(out)
            if not flows:
                made.append(None)
                continue
            if shape.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if not dtype.is_floating_point:
                raise RuntimeError("grad can be implicitly created only for real scalar outputs but got " + str(dtype))
            if isinstance(out, torch.Tensor):
                made.append(torch.ones_like(out, memory_format=torch.preserve_format))
            else:
                made.append(torch.ones(shape, dtype=dtype))
        elif isinstance(given, torch.Tensor):
            shape, dtype, _ = _output_facts(out)
            got = given.shape[1:] if is_grads_batched else given.shape
            if got != shape:
                extra = " without the batch dimension" if is_grads_batched else ""
                raise RuntimeError(f"Mismatch in shape: grad_output[{i}] has a shape of {given.shape}{extra} and "
                                   f"output[{i}] has a shape of {shape}.")
            if isinstance(out, torch.Tensor) and out.device != given.device:
                raise RuntimeError(f"invalid gradient at index {i} - expected device {out.device} but got {given.device}")
            if dtype.is_complex != given.dtype.is_complex:
                raise RuntimeError("For complex Tensors, both grad_output and output are required to have the same "
                                   f"dtype. Mismatch in dtype: grad_output[{i}] has a dtype of {given.dtype} and "
                                   f"output[{i}] has a dtype of {dtype}.")
            made.append(given)
        else:
            raise TypeError("gradients can be either Tensors or None, but got " + type(given).__name__)
    return tuple(made)


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             grad_variables: Any = None, inputs: Any = None) -> None:
    """Add the gradients of tensors with respect to the leaves of their graph to the leaves' .grad.

    grad_tensors: one gradient for each of tensors, needed unless that is a scalar. inputs: only these get a gradient.

    >>> x = torch.ones(2, requires_grad=True)
    >>> torch.autograd.backward([(x * 3).sum()]); x.grad
    tensor([3., 3.])
    """
    if grad_variables is not None:
        import warnings
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError("`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                               "`backward()`. Please only use `grad_tensors`.")
        grad_tensors = grad_variables
    if inputs is None:
        inputs = ()
    elif not isinstance(inputs, dict) and not isinstance(inputs, torch.Tensor) and len(inputs) == 0 \
            and not _is_edge(inputs):
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    else:
        inputs = (inputs,) if isinstance(inputs, torch.Tensor) or _is_edge(inputs) else tuple(inputs)
    tensors = (tensors,) if isinstance(tensors, torch.Tensor) or _is_edge(tensors) else tuple(tensors)
    grads = _make_grads(tensors, _tuple_of(grad_tensors, len(tensors)))
    if retain_graph is None:
        retain_graph = create_graph
    torch._C._engine_run_backward(tensors, grads, retain_graph, create_graph, inputs, True, True)


def _tensor_backward(self: Any, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
                     inputs: Any = None) -> Any:
    """Tensor.backward, where it is called with arguments or on anything but a plain scalar."""
    if type(self) is not torch.Tensor:
        from flambeau import overrides
        if overrides.has_torch_function_unary(self):
            return overrides.handle_torch_function(torch.Tensor.backward, (self,), self, gradient=gradient,
                                                   retain_graph=retain_graph, create_graph=create_graph, inputs=inputs)
    return backward(self, gradient, retain_graph, create_graph, inputs=inputs)


def _is_edge(value: Any) -> bool:
    return type(value).__name__ == "GradientEdge"


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
         create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
         is_grads_batched: bool = False, materialize_grads: bool = False) -> Any:
    """The gradients of outputs with respect to inputs, as a tuple (a dict where inputs is one); no .grad is touched.

    grad_outputs: one gradient for each output, needed unless that is a scalar. create_graph: record the gradients'
    own computation. allow_unused: None instead of an error for an input that has no part in outputs;
    materialize_grads: zeros for it. is_grads_batched: grad_outputs have a leading batch dimension.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, "
                         "but got: allow_unused=False.")
    if allow_unused is None:
        allow_unused = materialize_grads
    outputs = (outputs,) if isinstance(outputs, torch.Tensor) or _is_edge(outputs) else tuple(outputs)
    names = None
    if isinstance(inputs, dict):
        names, inputs = tuple(inputs), tuple(inputs.values())
    else:
        inputs = (inputs,) if isinstance(inputs, torch.Tensor) or _is_edge(inputs) else tuple(inputs)
    if not only_inputs:
        import warnings
        warnings.warn("only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate "
                      "gradient for other parts of the graph, please use torch.autograd.backward.", FutureWarning,
                      stacklevel=2)
    if any(type(t) is not torch.Tensor and isinstance(t, torch.Tensor) for t in outputs + inputs):
        from flambeau import overrides
        if overrides.has_torch_function(outputs + inputs):
            return overrides.handle_torch_function(
                grad, outputs + inputs, outputs, inputs, grad_outputs=grad_outputs, retain_graph=retain_graph,
                create_graph=create_graph, only_inputs=only_inputs, allow_unused=allow_unused,
                is_grads_batched=is_grads_batched, materialize_grads=materialize_grads)
    grads = _make_grads(outputs, _tuple_of(grad_outputs, len(outputs)), is_grads_batched)
    if retain_graph is None:
        retain_graph = create_graph
    if is_grads_batched:
        result = _batched(outputs, grads, retain_graph, create_graph, inputs, allow_unused)
    else:
        result = torch._C._engine_run_backward(outputs, grads, retain_graph, create_graph, inputs, allow_unused, False)
    if materialize_grads:
        if any(r is None and not isinstance(t, torch.Tensor) for r, t in zip(result, inputs)):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        result = tuple([torch.zeros_like(t, requires_grad=create_graph) if r is None else r
                        for r, t in zip(result, inputs)])
    return result if names is None else dict(zip(names, result))


def _batched(outputs: tuple, grads: tuple, retain_graph: bool, create_graph: bool, inputs: tuple,
             allow_unused: bool) -> tuple:
    """One pass a slice of the gradients' leading dimension; the results are stacked."""
    size = next(g.shape[0] for g in grads if g is not None)
    rows = []
    for i in range(size):
        last = i == size - 1
        rows.append(torch._C._engine_run_backward(
            outputs, tuple([None if g is None else g[i] for g in grads]), retain_graph or not last, create_graph,
            inputs, allow_unused, False))
    return tuple([None if column[0] is None else torch.stack(column) for column in zip(*rows)])


def _is_checkpoint_valid() -> bool:
    """Whether a reentrant checkpoint may recompute: not while .grad() runs with a list of inputs."""
    return torch._C._is_checkpoint_valid()


