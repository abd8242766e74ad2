"""Gradients against finite differences: gradcheck and gradgradcheck.

Jacobians are stored as PyTorch prints them: one row an element of the input, one column an element of the output.
For a complex input the derivative of a real output is d/dx + i d/dy; complex outputs are checked as their imaginary and
real parts in turn.
"""
from __future__ import annotations

import sys
import types
import warnings

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

__all__ = ["gradcheck", "gradgradcheck", "GradcheckError"]


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences, or breaks another rule of backward."""


class _Settings:
    """The options of one gradcheck call."""

    def __init__(self, eps: float, atol: float, rtol: float, nondet_tol: float, masked: bool) -> None:
        self.eps, self.atol, self.rtol, self.nondet_tol, self.masked = eps, atol, rtol, nondet_tol, masked


def _as_tuple(value: Any) -> tuple:
    if isinstance(value, tuple):
        return value
    return tuple(value) if isinstance(value, list) else (value,)


def _is_float_or_complex(t: Any) -> bool:
    return isinstance(t, torch.Tensor) and (t.dtype.is_floating_point or t.dtype.is_complex)


def _differentiable(value: Any) -> tuple:
    return tuple([o for o in _as_tuple(value) if isinstance(o, torch.Tensor) and o.requires_grad])


def _checked_inputs(inputs: tuple) -> list[int]:
    """Positions of the inputs to differentiate; complains about those that cannot be checked well."""
    chosen = []
    for i, t in enumerate(inputs):
        if not (isinstance(t, torch.Tensor) and t.requires_grad):
            continue
        if t.dtype not in (torch.float64, torch.complex128):
            warnings.warn(f"Input #{i} requires gradient and is not a double precision floating point or complex. This "
                          "check will likely fail if all the inputs are not of double precision floating point or "
                          "complex. ", stacklevel=4)
        if any(stride == 0 and size > 1 for stride, size in zip(t.stride(), t.shape)):
            raise RuntimeError(f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that "
                               "are non-overlapping to be able to compute the numerical gradients correctly. You "
                               "should call .contiguous on the input before passing it to gradcheck.")
        t.retain_grad()
        chosen.append(i)
    if not chosen:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them have "
                         "requires_grad=True.")
    return chosen


def _component(output: Any, part: str | None) -> Any:
    """The real or imaginary part of complex outputs, others as they are."""
    return getattr(output, part) if part is not None and output.dtype.is_complex else output


class _Problem:
    """A function, its inputs, and which part of complex outputs is looked at."""

    def __init__(self, func: Callable, inputs: tuple, chosen: list[int], part: str | None) -> None:
        self.func, self.inputs, self.chosen, self.part = func, inputs, chosen, part

    def outputs(self) -> tuple:
        """The differentiable outputs, with their graph."""
        outs = _differentiable(self.func(*self.inputs))
        if self.part == "imag":
            outs = tuple([o for o in outs if o.dtype.is_complex])
        return tuple([_component(o, self.part) for o in outs])

    def values(self, mask: tuple[bool, ...]) -> list:
        """Copies of the outputs' values; mask tells which of func's outputs are differentiable ones."""
        outs = [o for o, keep in zip(_as_tuple(self.func(*self.inputs)), mask) if keep]
        return [_component(o.detach(), self.part).clone() for o in outs]

    def mask(self) -> tuple[bool, ...]:
        outs = _as_tuple(self.func(*self.inputs))
        return tuple([isinstance(o, torch.Tensor) and o.requires_grad and (self.part != "imag" or o.dtype.is_complex)
                      for o in outs])


def _shifted(problem: _Problem, mask: tuple, data: Any, move: Callable[[float], None], eps: float) -> list:
    """Central differences of all outputs for a move of one input; the input is put back afterwards."""
    kept = data.clone()
    move(eps)
    upper = problem.values(mask)
    data.copy_(kept)
    move(-eps)
    lower = problem.values(mask)
    data.copy_(kept)
    return [(u - v) / (2 * eps) for u, v in zip(upper, lower)]


def _numerical(problem: _Problem, index: int, mask: tuple, eps: float) -> list:
    """One numerical Jacobian for each output, with respect to one input."""
    x = problem.inputs[index]
    data = x.detach()
    places = [tuple(p) for p in torch.ones(data.shape).nonzero().tolist()]
    rows: list[list] = []
    for place in places:
        def move(step: float, by: complex = 1.0, place: tuple = place) -> None:
            data[place] = data[place] + step * by
        row = _shifted(problem, mask, data, move, eps)
        if x.dtype.is_complex:
            along = _shifted(problem, mask, data, lambda step: move(step, 1j), eps)
            row = [torch.complex(d, e) if not d.dtype.is_complex else d + 1j * e for d, e in zip(row, along)]
        rows.append([r.reshape(-1) for r in row])
    count = sum(mask)
    if not rows:
        return [data.new_zeros(0, o.numel()) for o in problem.values(mask)]
    return [torch.stack([r[k] for r in rows]).to(x.dtype) for k in range(count)]


def _analytical(problem: _Problem, output_index: int) -> list:
    """The Jacobians of one output with respect to every checked input, by backward."""
    output = problem.outputs()[output_index]
    inputs = [problem.inputs[i] for i in problem.chosen]
    jacobians = [x.new_zeros(x.numel(), output.numel()) for x in inputs]
    for k in range(output.numel()):
        seed = torch.zeros(output.shape, dtype=output.dtype, device=output.device)
        seed.view(-1)[k] = 1
        grads = torch.autograd.grad(output, inputs, seed, retain_graph=True, allow_unused=True)
        for x, g, jac in zip(inputs, grads, jacobians):
            if g is None:
                continue
            if g.shape != x.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            jac[:, k] = g.reshape(-1)
    return jacobians


def _close(a: Any, b: Any, s: _Settings) -> bool:
    if a.numel() == 0:
        return True
    return bool(torch.allclose(a.to(b.dtype), b, rtol=s.rtol, atol=s.atol))


def _prefix(part: str | None) -> str:
    if part is None:
        return ""
    name = {"imag": "imaginary", "real": "real"}[part]
    return f"While considering the {name} part of complex outputs only, "


def _nondeterministic(s: _Settings) -> GradcheckError:
    return GradcheckError(
        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
        "different values, although analytical gradient matches numerical gradient."
        f"The tolerance for nondeterminism was {s.nondet_tol}.\nIf the operation is not deterministic by nature, pass "
        "`nondet_tol=<tol>`.")


def _slow(problem: _Problem, s: _Settings) -> None:
    mask = problem.mask()
    numerical = [_numerical(problem, i, mask, s.eps) for i in problem.chosen]
    for j in range(len(problem.outputs())):
        analytical = _analytical(problem, j)
        again = _analytical(problem, j)
        for k, index in enumerate(problem.chosen):
            a, n = analytical[k], numerical[k][j]
            if not _close(a, n, s):
                raise GradcheckError(f"{_prefix(problem.part)}Jacobian mismatch for output {j} with respect to input "
                                     f"{index},\nnumerical:{n}\nanalytical:{a}\n")
            if not torch.allclose(a, again[k], rtol=0, atol=s.nondet_tol, equal_nan=True):
                raise _nondeterministic(s)


def _random_unit(t: Any, generator: Any) -> Any:
    """A random vector of length 1, of a tensor's shape and (real) type."""
    dtype = torch.float64 if t.dtype in (torch.float64, torch.complex128) else torch.float32
    v = torch.rand(t.numel(), generator=generator, dtype=dtype, device=t.device)
    return (v / v.norm()).reshape(t.shape)


def _fast(problem: _Problem, s: _Settings) -> None:
    """One random projection in place of the whole Jacobian: v^T J u for random unit vectors u and v."""
    mask = problem.mask()
    generator = torch.Generator().manual_seed(0)
    outputs = problem.outputs()
    vs = [_random_unit(o, generator).to(o.dtype) for o in outputs]
    for index in problem.chosen:
        x = problem.inputs[index]
        if x.numel() == 0:
            continue
        data = x.detach()
        ur = _random_unit(x, generator).to(data.dtype)
        forward = _shifted(problem, mask, data, lambda step: data.add_(ur * step), s.eps)
        ui = sideways = None
        if x.dtype.is_complex:
            ui = _random_unit(x, generator).to(data.dtype)
            sideways = _shifted(problem, mask, data, lambda step: data.add_(ui * (step * 1j)), s.eps)
        for j, v in enumerate(vs):
            if v.numel() == 0:
                continue
            n = (v * forward[j]).sum().item()
            runs = []
            for _ in range(2):
                out = problem.outputs()[j]
                grad, = torch.autograd.grad(out, x, v, allow_unused=True)
                runs.append(torch.zeros_like(x) if grad is None else grad)
            g = runs[0]
            if sideways is not None and ui is not None:
                n = complex(n, (v * sideways[j]).sum().item())
                a = complex((g.real * ur.real).sum().item(), (g.imag * ui.real).sum().item())
            else:
                a = (g * ur).sum().item()
            # The sum over a Jacobian of N rows may be off by the sum of N tolerances.
            if abs(a - n) > s.atol * ur.abs().sum().item() * v.abs().sum().item() + s.rtol * abs(n):
                raise GradcheckError(_fast_message(problem, s, mask, index, j, n, a))
            if not torch.allclose(runs[0], runs[1], rtol=0, atol=s.nondet_tol, equal_nan=True):
                raise _nondeterministic(s)


def _fast_message(problem: _Problem, s: _Settings, mask: tuple, index: int, j: int, n: Any, a: Any) -> str:
    numerical = _numerical(problem, index, mask, s.eps)[j]
    analytical = _analytical(problem, j)[problem.chosen.index(index)]
    gap = (numerical - analytical.to(numerical.dtype)).abs().max().item()
    text = (f"{_prefix(problem.part)}Jacobian mismatch for output {j} with respect to input {index},\nnumerical:{n}\n"
            f"analytical:{a}\n\nThese numbers are projections of the Jacobians (fast mode). In slow mode they are:\n\n"
            f"Numerical:\n {numerical}\nAnalytical:\n{analytical}\n\n"
            f"The max per-element difference (slow mode) is: {gap}.\n")
    if torch.allclose(analytical, numerical.to(analytical.dtype), rtol=s.rtol, atol=s.atol):
        text += ("Slow mode finds no mismatch: the projections fail by rounding. Run with fast_mode=False, or with a "
                 "larger atol.\n")
    return text


def _check_zero_gradients(func: Callable, inputs: tuple, chosen: list[int], s: _Settings) -> None:
    """A function without differentiable outputs must not react to its inputs."""
    outs = _as_tuple(func(*inputs))
    mask = tuple([_is_float_or_complex(o) for o in outs])
    problem = _Problem(func, inputs, chosen, None)
    for index in chosen:
        for jac in _numerical(problem, index, mask, s.eps) if any(mask) else []:
            if jac.ne(0).any():
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _check_multiplied(problem: _Problem) -> None:
    """Zero gradients in, zero gradients out, of the right type and size."""
    outputs = problem.outputs()
    inputs = [problem.inputs[i] for i in problem.chosen]
    if not outputs:
        return
    grads = torch.autograd.grad(outputs, inputs, [torch.zeros_like(o) for o in outputs], allow_unused=True)
    for g, x in zip(grads, inputs):
        if g is None:
            continue
        if not g.eq(0).all():
            raise GradcheckError("backward not multiplied by grad_output")
        if g.dtype != x.dtype:
            raise GradcheckError("grad is incorrect type")
        if g.device != x.device:
            raise GradcheckError("grad is incorrect device")
        if g.size() != x.size():
            raise GradcheckError("grad is incorrect size")


def _check_undefined(problem: _Problem) -> None:
    """backward must cope with outputs that got no gradient at all."""
    inputs = [problem.inputs[i] for i in problem.chosen]
    count = len(problem.outputs())

    def check(missing: set[int]) -> None:
        outputs = problem.outputs()
        # A Function that drops gradients stands between: it hands None where `missing` says so.
        gates = _Gate.apply(tuple(sorted(missing)), *outputs)
        gates = gates if isinstance(gates, tuple) else (gates,)
        grads = torch.autograd.grad(gates, inputs, [torch.zeros_like(g) for g in gates], allow_unused=True)
        for g in grads:
            if g is not None and not g.eq(0).all():
                raise GradcheckError("Expected all input grads to be undefined or zero when all output grads are "
                                     "undefined or zero. Please look at \"Notes about undefined output gradients\" in "
                                     "\"tools/autograd/derivatives.yaml\"")

    if count:
        check(set(range(count)))
        if count > 1:
            for j in range(count):
                check({j})


class _Gate(torch.autograd.Function):
    """Identity of several tensors whose backward gives None for some of them."""

    @staticmethod
    def forward(ctx: Any, missing: tuple, *values: Any) -> Any:
        ctx.missing = missing
        ctx.set_materialize_grads(False)
        return tuple([v.view_as(v) for v in values])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *[None if i in ctx.missing else g for i, g in enumerate(grads)])


def _check_batched(problem: _Problem) -> None:
    """Gradients for a batch of vectors equal those computed one by one."""
    inputs = [problem.inputs[i] for i in problem.chosen]
    for out in problem.outputs():
        vectors = torch.randn(2, *out.shape, dtype=torch.float64).to(out.dtype)
        batched = torch.autograd.grad(out, inputs, vectors, retain_graph=True, allow_unused=True, is_grads_batched=True)
        single = [torch.autograd.grad(out, inputs, v, retain_graph=True, allow_unused=True) for v in vectors]
        for k, b in enumerate(batched):
            if b is not None and not torch.allclose(b, torch.stack([row[k] for row in single])):
                raise GradcheckError("gradcheck or gradgradcheck failed while testing batched gradient computation.")


def _check(func: Callable, inputs: tuple, s: _Settings, *, undefined: bool, batched: bool, fast: bool) -> None:
    chosen = _checked_inputs(inputs)
    outs = _as_tuple(func(*inputs))
    differentiable = _differentiable(outs)
    if not differentiable:
        _check_zero_gradients(func, inputs, chosen, s)
        return
    compare = _fast if fast else _slow
    if any(o.dtype.is_complex for o in differentiable):
        compare(_Problem(func, inputs, chosen, "imag"), s)
        compare(_Problem(func, inputs, chosen, "real"), s)
    else:
        compare(_Problem(func, inputs, chosen, None), s)
    problem = _Problem(func, inputs, chosen, None)
    if batched:
        _check_batched(problem)
    _check_multiplied(problem)
    if undefined:
        _check_undefined(problem)


def _check_forward(func: Callable, inputs: tuple, settings: _Settings) -> None:
    """Tangents of dual numbers in every direction of every input, beside finite differences."""
    from . import forward_ad

    def run(at: int, value: Any) -> list:
        return [o for o in _as_tuple(func(*inputs[:at], value, *inputs[at + 1:])) if o.is_floating_point() or o.is_complex()]

    for i, x in enumerate(inputs):
        if not (isinstance(x, torch.Tensor) and x.requires_grad):
            continue
        for k in range(x.numel()):
            direction = torch.zeros_like(x).detach()
            direction.view(-1)[k] = 1
            with torch.no_grad():
                step = settings.eps * direction
                pairs = list(zip(run(i, x.detach() + step), run(i, x.detach() - step)))
            with forward_ad.dual_level():
                found = [forward_ad.unpack_dual(o).tangent for o in run(i, forward_ad.make_dual(x.detach(), direction))]
            for j, ((high, low), tangent) in enumerate(zip(pairs, found)):
                numerical = (high - low) / (2 * settings.eps)
                tangent = torch.zeros_like(numerical) if tangent is None else tangent
                if not torch.allclose(tangent, numerical, rtol=settings.rtol, atol=settings.atol):
                    raise GradcheckError(f"Jacobian computed with forward mode mismatch for output {j} with respect to "
                                         f"input {i},\nnumerical:{numerical}\nanalytical:{tangent}")


def gradcheck(func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
              check_grad_dtypes: bool = False, check_batched_grad: bool = False,
              check_batched_forward_grad: bool = False, check_forward_ad: bool = False, check_backward_ad: bool = True,
              fast_mode: bool = False, masked: bool | None = None) -> bool:
    """Compare the gradients of func(*inputs) with finite differences; inputs that require gradients should be float64.

    Returns True; on a mismatch raises GradcheckError, or returns False with raise_exception=False. fast_mode compares
    one random projection a pair of input and output in place of whole Jacobians.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x * x, (x,))
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad:
        raise NotImplementedError("gradcheck: batched forward-mode differentiation is not supported; leave "
                                  "check_batched_forward_grad False")
    settings = _Settings(eps, atol, rtol, nondet_tol, bool(masked))
    if any(isinstance(value, torch.Tensor) and value.layout != torch.strided for value in _as_tuple(inputs)):
        func, inputs = torch.sparse._through_values(func, _as_tuple(inputs))
    try:
        if check_forward_ad:
            _check_forward(func, _as_tuple(inputs), settings)
        if check_backward_ad:
            _check(func, _as_tuple(inputs), settings, undefined=check_undefined_grad, batched=check_batched_grad,
                   fast=fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5,
                  rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
                  nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
                  check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
                  fast_mode: bool = False, masked: bool = False) -> bool:
    """gradcheck of the gradients of func: of the second derivatives. grad_outputs are drawn at random unless given.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x ** 3, (x,))
    True
    """
    inputs = _as_tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*inputs))
        made = []
        for out in outputs:
            dtype = out.dtype if out.dtype in (torch.float64, torch.complex128) else torch.float64
            dtype = torch.complex128 if out.dtype.is_complex else dtype
            g = torch.randn(out.shape, dtype=dtype).to(out.dtype)
            if gen_non_contig_grad_outputs:
                g = torch.stack([g, g], -1)[..., 0]
            made.append(g.detach().requires_grad_())
        grad_outputs = tuple(made)
    else:
        grad_outputs = _as_tuple(grad_outputs)
    count = len(grad_outputs)
    chosen = [i for i, x in enumerate(inputs) if isinstance(x, torch.Tensor) and x.requires_grad]

    def first_derivative(*args: Any) -> tuple:
        given, vectors = args[:-count], args[-count:]
        outs = _differentiable(func(*given))
        grads = torch.autograd.grad(outs, [given[i] for i in chosen], vectors, create_graph=True, allow_unused=True)
        return tuple([g for g in grads if g is not None])

    return gradcheck(first_derivative, inputs + grad_outputs, eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
                     check_grad_dtypes=check_grad_dtypes, check_batched_grad=check_batched_grad, fast_mode=fast_mode,
                     check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev, masked=masked)


class _Module(types.ModuleType):
    """This module under the name of its main function: importing it directly must not hide the function."""

    def __call__(self, *args: Any, **kwargs: Any) -> bool:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Module
