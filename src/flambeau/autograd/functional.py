"""Derivatives of functions: vjp, jvp, jacobian, hessian, vhp and hvp.

All take func(*inputs) -> outputs over tensors or tuples of tensors and work by reverse mode; a forward product (jvp) is
the reverse product of the reverse product.
"""
from __future__ import annotations

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["vjp", "jvp", "vhp", "hvp", "jacobian", "hessian"]


def _as_tuple(value: Any, arg_name: str, fn_name: str) -> tuple[bool, tuple]:
    """Whether value was a tuple, and value as a tuple of tensors."""
    was_tuple = isinstance(value, tuple)
    values = value if was_tuple else (value,)
    for i, v in enumerate(values):
        if not isinstance(v, torch.Tensor):
            if was_tuple:
                raise TypeError(f"The {arg_name} given to {fn_name} must be either a Tensor or a tuple of Tensors but "
                                f"the value at index {i} has type {type(v)}.")
            raise TypeError(f"The {arg_name} given to {fn_name} must be either a Tensor or a tuple of Tensors but the "
                            f"given {arg_name} has type {type(v)}.")
    return was_tuple, values


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs that require gradients: views of those that do, so that an outer graph stays connected."""
    return tuple([t.view_as(t) if create_graph and t.requires_grad else t.detach().requires_grad_() for t in inputs])


def _finish(values: Any, create_graph: bool, unpack: bool) -> Any:
    """Detach (nested) results unless their graph was asked for; a one-element tuple becomes its element."""
    def strip(v: Any) -> Any:
        if isinstance(v, tuple):
            return tuple([strip(x) for x in v])
        return v if create_graph else v.detach()

    values = strip(values)
    return values[0] if unpack else values


def _check_v(v: tuple, like: tuple, is_tuple: bool) -> None:
    if len(v) != len(like):
        if is_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, like)):
        if a.size() != b.size():
            prefix = f"Entry {i} in " if is_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.size()} but got {a.size()}.")


def _default_v(v: Any, like: tuple, is_tuple: bool, fn_name: str, what: str) -> tuple:
    """The given vector(s), checked; or ones where `like` is a single number."""
    if v is not None:
        _, v = _as_tuple(v, "v", fn_name)
        v = tuple([t.detach() if not t.requires_grad else t.view_as(t) for t in v])
        _check_v(v, like, is_tuple)
        return v
    if len(like) != 1 or like[0].nelement() != 1:
        raise RuntimeError(f"The vector v can only be None if {what}")
    return tuple([torch.ones_like(t) for t in like])


def _require_graph(outputs: tuple, strict: bool, kind: str) -> None:
    """In strict mode every output must depend on the inputs."""
    if not strict:
        return
    for i, out in enumerate(outputs):
        if out is None:
            raise RuntimeError(f"The output of the user-provided function is independent of input {i}. This is not "
                               "allowed in strict mode.")
        if not out.requires_grad:
            if kind == "hessian":
                raise RuntimeError(f"The hessian of the user-provided function with respect to input {i} is "
                                   "independent of the input. This is not allowed in strict mode. You should ensure "
                                   "that your function is thrice differentiable and that the hessian depends on the "
                                   "inputs.")
            if kind == "jacobian":
                raise RuntimeError("While computing the hessian, found that the jacobian of the user-provided function "
                                   f"with respect to input {i} is independent of the input. This is not allowed in "
                                   "strict mode. You should ensure that your function is twice differentiable and that "
                                   "the jacobian depends on the inputs (this would be violated by a linear function "
                                   "for example).")
            if kind == "grad_inputs":
                raise RuntimeError(f"The gradient with respect to input {i} is independent of the inputs of the "
                                   "user-provided function. This is not allowed in strict mode.")
            raise RuntimeError(f"Output {i} of the user-provided function does not require gradients. The outputs must "
                               "be computed in a differentiable manner from the input when running in strict mode.")


def _grad(outputs: tuple, inputs: tuple, grad_outputs: tuple | None, create_graph: bool,
          retain_graph: bool | None = None) -> tuple:
    """torch.autograd.grad where outputs without a graph count as constant."""
    grads = (None,) * len(outputs) if grad_outputs is None else grad_outputs
    pairs = [(o, g) for o, g in zip(outputs, grads) if o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    return torch.autograd.grad([o for o, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True,
                               create_graph=create_graph, retain_graph=retain_graph)


def _fill(grads: tuple, like: tuple, strict: bool, create_graph: bool, stage: str) -> tuple:
    """Zeros for missing gradients, which strict mode refuses."""
    out = []
    for i, (g, ref) in enumerate(zip(grads, like)):
        if g is None:
            if strict:
                if stage == "double_back":
                    raise RuntimeError(f"The jacobian of the user-provided function is independent of input {i}. This "
                                       "is not allowed in strict mode.")
                if stage == "double_back_trick":
                    raise RuntimeError(f"The gradient with respect to input {i} is independent of the inputs of the "
                                       "user-provided function. This is not allowed in strict mode.")
                raise RuntimeError(f"The output of the user-provided function is independent of input {i}. This is not "
                                   "allowed in strict mode.")
            g = torch.zeros_like(ref)
        elif strict and create_graph and not g.requires_grad:
            if stage == "double_back":
                raise RuntimeError(f"The hessian of the user-provided function is independent of input {i}. This is "
                                   "not allowed in strict mode when create_graph=True.")
            raise RuntimeError(f"The jacobian of the user-provided function is independent of input {i}. This is not "
                               "allowed in strict mode when create_graph=True.")
        out.append(g)
    return tuple(out)


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """func(*inputs) and the product of the vector(s) v with its Jacobian.

    >>> torch.autograd.functional.vjp(lambda x: x * x, torch.tensor([1., 2.]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with torch.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        out_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "vjp")
        _require_graph(outputs, strict, "outputs")
        v = _default_v(v, outputs, out_tuple, "vjp", "the user-provided function returns a single Tensor with a single "
                       "element.")
        result = _fill(_grad(outputs, inputs, v, create_graph), inputs, strict, create_graph, "back")
    return _finish(outputs, create_graph, not out_tuple), _finish(result, create_graph, not is_tuple)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """func(*inputs) and the product of its Jacobian with the vector(s) v.

    >>> torch.autograd.functional.jvp(lambda x: x * x, torch.tensor([1., 2.]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with torch.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        v = _default_v(v, inputs, is_tuple, "jvp", "the input to the user-provided function is a single Tensor with a "
                       "single element.")
        out_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jvp")
        _require_graph(outputs, strict, "outputs")
        # The reverse product is linear in its vector u; its derivative with respect to u, times v, is the product
        # wanted.
        u = tuple([torch.zeros_like(o, requires_grad=True) for o in outputs])
        first = _grad(outputs, inputs, u, True)
        _require_graph(first, strict, "grad_inputs")
        back = _fill(first, inputs, False, True, "back")
        result = _fill(_grad(back, u, v, create_graph), outputs, strict, create_graph, "double_back_trick")
    return _finish(outputs, create_graph, not out_tuple), _finish(result, create_graph, not out_tuple)


def jacobian(func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
             strategy: str = "reverse-mode") -> Any:
    """The Jacobian of func: a tensor of shape output.shape + input.shape, nested in tuples (outputs, then inputs).

    vectorize and strategy are accepted; the rows are computed one by one whatever they say.

    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError("Expected strategy to be either \"forward-mode\" or \"reverse-mode\". Hint: If your "
                             "function has more outputs than inputs, \"forward-mode\" tends to be more performant. "
                             "Otherwise, prefer to use \"reverse-mode\".")
    if strategy == "forward-mode" and create_graph:
        raise NotImplementedError("torch.autograd.functional.jacobian: `create_graph=True` and "
                                  "`strategy=\"forward-mode\"` are not supported together (yet).")
    if strict and vectorize:
        raise RuntimeError("torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
                           "together. Please either set `strict=False` or `vectorize=False`.")
    with torch.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        out_tuple, outputs = _as_tuple(func(*inputs), "outputs of the user-provided function", "jacobian")
        _require_graph(outputs, strict, "outputs")
        rows_of = []
        for i, out in enumerate(outputs):
            columns: tuple[list, ...] = tuple([[] for _ in inputs])
            for entry in out.reshape(-1).unbind():
                grads = _grad((entry,), inputs, None, create_graph, retain_graph=True)
                for j, (column, g, x) in enumerate(zip(columns, grads, inputs)):
                    if g is None:
                        if strict:
                            raise RuntimeError(f"Output {i} of the user-provided function is independent of input {j}. "
                                               "This is not allowed in strict mode.")
                        g = torch.zeros_like(x)
                    elif strict and create_graph and not g.requires_grad:
                        raise RuntimeError("The jacobian of the user-provided function is independent of input "
                                           f"{j}. This is not allowed in strict mode when create_graph=True.")
                    column.append(g)
            sizes = [out.size() + x.size() for x in inputs]
            rows_of.append(tuple([torch.stack(c).view(size) if c else x.new_zeros(size)
                                  for c, x, size in zip(columns, inputs, sizes)]))
        result: Any = tuple(rows_of)
    result = _finish(result, create_graph, False)
    if not is_tuple:
        result = tuple([r[0] for r in result])
    return result if out_tuple else result[0]


def _scalar(out: Any, fn_name: str) -> Any:
    is_tuple, t_out = _as_tuple(out, "outputs of the user-provided function", fn_name)
    if is_tuple:
        raise RuntimeError(f"The function given to {fn_name} should return a single Tensor")
    if t_out[0].nelement() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {fn_name} should contain a single element")
    return t_out[0].squeeze()


def hessian(func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
            outer_jacobian_strategy: str = "reverse-mode") -> Any:
    """The second derivatives of a scalar function: shape input.shape + input.shape, in tuples of tuples for several
    inputs.

    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError("Expected strategy to be either \"forward-mode\" or \"reverse-mode\".")
    is_tuple, inputs = _as_tuple(inputs, "inputs", "hessian")

    def first(*xs: Any) -> tuple:
        out = _scalar(func(*xs), "hessian")
        _require_graph((out,), strict, "outputs")
        grads = _grad((out,), xs, None, True)
        _require_graph(grads, strict, "jacobian")
        return _fill(grads, xs, False, True, "back")

    result = jacobian(first, inputs, create_graph=create_graph, strict=strict)
    return result if is_tuple else result[0][0]


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """func(*inputs), a scalar, and the product of the vector(s) v with its Hessian.

    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with torch.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "vhp")
        inputs = _fresh(inputs, create_graph)
        v = _default_v(v, inputs, is_tuple, "vhp", "the input to the user-provided function is a single Tensor with a "
                       "single element.")
        out = _scalar(func(*inputs), "vhp")
        _require_graph((out,), strict, "outputs")
        first = _grad((out,), inputs, None, True)
        _require_graph(first, strict, "jacobian")
        jac = _fill(first, inputs, False, True, "back")
        result = _fill(_grad(jac, inputs, v, create_graph), inputs, strict, create_graph, "double_back")
    return _finish(out, create_graph, False), _finish(result, create_graph, not is_tuple)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """func(*inputs), a scalar, and the product of its Hessian with the vector(s) v; vhp is the cheaper form.

    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with torch.enable_grad():
        is_tuple, inputs = _as_tuple(inputs, "inputs", "hvp")
        inputs = _fresh(inputs, create_graph)
        v = _default_v(v, inputs, is_tuple, "hvp", "the input to the user-provided function is a single Tensor with a "
                       "single element.")
        out = _scalar(func(*inputs), "hvp")
        _require_graph((out,), strict, "outputs")
        first = _grad((out,), inputs, None, True)
        _require_graph(first, strict, "jacobian")
        jac = _fill(first, inputs, False, True, "back")
        u = tuple([torch.zeros_like(x, requires_grad=True) for x in inputs])
        second = _grad(jac, inputs, u, True)
        _require_graph(second, strict, "hessian")
        double = _fill(second, inputs, False, True, "double_back")
        result = _fill(_grad(double, u, v, create_graph), inputs, strict, create_graph, "double_back_trick")
    return _finish(out, create_graph, False), _finish(result, create_graph, not is_tuple)
