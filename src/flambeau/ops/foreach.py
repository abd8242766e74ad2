"""torch._foreach_*: one operator applied to every tensor of a list."""

from __future__ import annotations

import flambeau as torch

from .._operator import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_UNARY = ("abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac",
          "lgamma", "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin",
          "sinh", "sqrt", "tan", "tanh", "trunc")
_BINARY = ("add", "clamp_max", "clamp_min", "div", "maximum", "minimum", "mul", "pow", "sub")
_TERNARY = ("addcdiv", "addcmul")


def _listed(values: Any, tensors: list) -> list:
    """One value per tensor: a list as it is, one value repeated."""
    if isinstance(values, (list, tuple)):
        if len(values) != len(tensors):
            raise RuntimeError("Tensor lists must have the same number of tensors, got "
                               f"{len(tensors)} and {len(values)}")
        return list(values)
    return [values] * len(tensors)


def _checked(tensors: Any) -> list:
    if not tensors:
        raise RuntimeError("Tensor list must have at least one tensor.")
    return list(tensors)


def _register(name: str, functional: Callable, inplace: Callable) -> None:
    """_foreach_NAME gives a tuple of results, _foreach_NAME_ writes into the tensors."""
    def compute(tensors: Any, *args: Any, **kwargs: Any) -> tuple:
        tensors = _checked(tensors)
        return tuple(functional(tensors, *args, **kwargs))

    def write(tensors: Any, *args: Any, **kwargs: Any) -> None:
        tensors = _checked(tensors)
        for _ in inplace(tensors, *args, **kwargs):
            pass

    compute.__doc__ = f"{name} of every tensor of a list."
    write.__doc__ = f"{name} of every tensor of a list, in place."
    plain(f"_foreach_{name}")(compute)
    plain(f"_foreach_{name}_")(write)


def _unary(name: str) -> None:
    _register(name, lambda tensors: (getattr(tensor, name)() for tensor in tensors),
              lambda tensors: (getattr(tensor, name + "_")() for tensor in tensors))


def _operand(name: str, value: Any, tensor: Any) -> Any:
    """maximum and minimum take no numbers: their clamps do."""
    if isinstance(value, torch.Tensor) or name not in ("maximum", "minimum"):
        return name, value
    return ("clamp_min" if name == "maximum" else "clamp_max"), value


def _binary(name: str) -> None:
    def each(tensors: list, other: Any, suffix: str, options: dict) -> Any:
        for tensor, value in zip(tensors, _listed(other, tensors)):
            method, value = _operand(name, value, tensor)
            yield getattr(tensor, method + suffix)(value, **options)

    def options_of(alpha: Any) -> dict:
        return {} if alpha == 1 else {"alpha": alpha}

    _register(name, lambda tensors, other, alpha=1: each(tensors, other, "", options_of(alpha)),
              lambda tensors, other, alpha=1: each(tensors, other, "_", options_of(alpha)))


def _ternary(name: str) -> None:
    def each(tensors: list, first: Any, second: Any, value: Any, suffix: str) -> Any:
        if isinstance(value, torch.Tensor):
            value = value.tolist()
        for tensor, one, two, scale in zip(tensors, first, second, _listed(value, tensors)):
            yield getattr(tensor, name + suffix)(one, two, value=scale)

    _register(name, lambda tensors, first, second, value=1: each(tensors, first, second, value, ""),
              lambda tensors, first, second, value=1: each(tensors, first, second, value, "_"))


for _name in _UNARY:
    _unary(_name)
for _name in _BINARY:
    _binary(_name)
for _name in _TERNARY:
    _ternary(_name)
_register("lerp", lambda a, b, weight: (x.lerp(y, w) for x, y, w in zip(a, b, _listed(weight, a))),
          lambda a, b, weight: (x.lerp_(y, w) for x, y, w in zip(a, b, _listed(weight, a))))
_register("clone", lambda tensors: (tensor.clone() for tensor in tensors), lambda tensors: tensors)


@plain("_foreach_copy_")
def _foreach_copy_(tensors: Any, sources: Any, non_blocking: bool = False) -> None:
    """Copy each source into its tensor."""
    for target, source in zip(_checked(tensors), _listed(list(sources), list(tensors))):
        target.copy_(source, non_blocking)


@plain("_foreach_zero_")
def _foreach_zero_(tensors: Any) -> None:
    """Fill every tensor with zeros."""
    for tensor in _checked(tensors):
        tensor.zero_()


@plain("_foreach_norm")
def _foreach_norm(tensors: Any, ord: Any = 2, dtype: Any = None) -> tuple:
    """The vector norm of every tensor."""
    return tuple(torch.linalg.vector_norm(tensor, ord, dtype=dtype) for tensor in _checked(tensors))


@plain("_foreach_max")
def _foreach_max(tensors: Any) -> tuple:
    """The largest element of every tensor."""
    return tuple(tensor.max() for tensor in _checked(tensors))
