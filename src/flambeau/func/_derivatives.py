"""grad, vjp, jvp, jacrev, jacfwd, hessian: derivatives as functions of functions, over nested inputs and outputs.

Each level makes fresh leaves of its inputs and always records the graph of the derivative, so that levels nest; at the
end a result that depends on nothing but those leaves is cut from the graph.
"""
from __future__ import annotations

import contextlib
import functools
from _thread import _local
from typing import Any, Callable, Iterator

import flambeau as torch
from flambeau.utils._pytree import tree_flatten, tree_map, tree_unflatten

__all__ = ["grad", "grad_and_value", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "linearize"]


class _Depth(_local):
    """How many levels of differentiation are open in this thread."""

    value = 0


_DEPTH = _Depth()


@contextlib.contextmanager
def _level() -> Iterator[int]:
    """A level of differentiation, with gradients on; yields its number."""
    _DEPTH.value += 1
    try:
        with torch.enable_grad():
            yield _DEPTH.value
    finally:
        _DEPTH.value -= 1


def _fresh_in(level: int) -> Callable[[Any], Any]:
    """Tensors as inputs of a level: views of those that an outer level differentiates, new marked leaves of others."""
    def fresh(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if not (value.is_floating_point() or value.is_complex()):
            return value.detach()
        if value.requires_grad:
            return value.view_as(value)
        leaf = value.detach().requires_grad_()
        leaf._func_level = level
        return leaf

    return fresh


def _is_own(leaf: Any, level: int) -> bool:
    """Whether a leaf was made by this level or one inside it."""
    return getattr(leaf, "_func_level", 0) >= level


def _reaches_others(tensor: Any, level: int) -> bool:
    """Whether a graph has leaves that were not made by this level or inside it."""
    todo, seen = [tensor.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and not _is_own(leaf, level):
            return True
        todo.extend(edge[0] for edge in node.next_functions)
    return False


def _settle(values: Any, level: int) -> Any:
    """Results without the graph that only leads to this level's own leaves."""
    def cut(v: Any) -> Any:
        if isinstance(v, torch.Tensor) and v.requires_grad:
            if v.is_leaf:
                return v.detach() if _is_own(v, level) else v
            if not _reaches_others(v, level):
                return v.detach()
        return v

    return tree_map(cut, values)


def _zeros_for_none(grads: tuple, inputs: list) -> list:
    return [torch.zeros_like(x) if g is None else g for g, x in zip(grads, inputs)]


def _differentiate(outputs: list, inputs: list, vectors: list | None) -> list:
    """Reverse products for float inputs; outputs without a graph count as constant."""
    vectors = [None] * len(outputs) if vectors is None else vectors
    pairs = [(o, v) for o, v in zip(outputs, vectors) if o.requires_grad]
    if not pairs:
        return [torch.zeros_like(x) for x in inputs]
    grads = torch.autograd.grad([o for o, _ in pairs], inputs, [v for _, v in pairs], create_graph=True,
                                allow_unused=True)
    return _zeros_for_none(grads, inputs)


def _pick(args: tuple, argnums: int | tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The chosen positions as nonnegative numbers, and whether a single one was meant."""
    single = isinstance(argnums, int)
    numbers = (argnums,) if single else tuple(argnums)  # type: ignore[arg-type]
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    out = []
    for n in numbers:
        if not isinstance(n, int) or not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
        out.append(n % len(args))
    return tuple(out), single


def _replaced(args: tuple, numbers: tuple[int, ...], values: list) -> tuple:
    out = list(args)
    for n, v in zip(numbers, values):
        out[n] = v
    return tuple(out)


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of a scalar func and its value (and aux, where func returns (value, aux)).

    >>> torch.func.grad_and_value(lambda x: x ** 2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _level() as level:
            numbers, single = _pick(args, argnums)
            inputs = [tree_map(_fresh_in(level), args[n]) for n in numbers]
            output = func(*_replaced(args, numbers, inputs), **kwargs)
            aux = None
            if has_aux:
                if not (isinstance(output, tuple) and len(output) == 2):
                    raise RuntimeError("grad_and_value(f)(*args): output of function f should be a tuple: (output, "
                                       "aux) if has_aux is True")
                output, aux = output
            if not isinstance(output, torch.Tensor):
                raise RuntimeError("grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got "
                                   f"{type(output)}")
            if output.dim() != 0:
                raise RuntimeError("grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor "
                                   f"with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?")
            leaves, spec = tree_flatten(inputs)
            places = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor) and x.requires_grad]
            grads = _differentiate([output], [leaves[i] for i in places], None)
            result = [torch.zeros_like(x) if isinstance(x, torch.Tensor) else None for x in leaves]
            for i, g in zip(places, grads):
                result[i] = g
            gradient: Any = tree_unflatten(result, spec)
            gradient = gradient[0] if single else tuple(gradient)
            gradient, output, aux = _settle((gradient, output, aux), level)
        return (gradient, (output, aux)) if has_aux else (gradient, output)

    return wrapper


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that gives the gradient of a scalar func with respect to the chosen arguments.

    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """func(*primals) and a function from output-shaped vectors to their products with the Jacobian.

    >>> value, products = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> products(torch.ones(2))
    (tensor([1., 1.]),)
    """
    with _level() as level:
        inputs = tree_map(_fresh_in(level), primals)
        output = func(*inputs)
        aux = None
        if has_aux:
            if not (isinstance(output, tuple) and len(output) == 2):
                raise RuntimeError("vjp(f, *primals): output of function f should be a tuple: (output, aux) if "
                                   "has_aux is True")
            output, aux = output
        leaves, spec = tree_flatten(inputs)
        outs, out_spec = tree_flatten(output)
    places = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor) and x.requires_grad]

    def products(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        vectors, vector_spec = tree_flatten(given)
        if vector_spec != out_spec:
            raise RuntimeError(f"Expected pytree structure of cotangents to be the same as pytree structure of "
                               f"outputs to the function. cotangents: {vector_spec}, primal output: {out_spec}")
        with torch.enable_grad():
            grads = _differentiate(outs, [leaves[i] for i in places], vectors)
            result = [torch.zeros_like(x) if isinstance(x, torch.Tensor) else None for x in leaves]
            for i, g in zip(places, grads):
                result[i] = g
            return _settle(tree_unflatten(result, spec), level)

    shown = _settle(output, level)
    return (shown, products, _settle(aux, level)) if has_aux else (shown, products)


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """func(*primals) and the product of its Jacobian with tangents, computed as the derivative of a reverse product.

    >>> torch.func.jvp(torch.sin, (torch.zeros(1),), (torch.ones(1),))
    (tensor([0.]), tensor([1.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError("jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call "
                           "f(*primals).")
    with _level() as level:
        inputs = tree_map(_fresh_in(level), primals)
        leaves, spec = tree_flatten(inputs)
        directions, direction_spec = tree_flatten(tangents)
        if spec != direction_spec:
            raise RuntimeError("jvp(f, primals, tangents): Expected primals and tangents to have the same python "
                               "structure.")
        output = func(*inputs)
        aux = None
        if has_aux:
            output, aux = output
        outs, out_spec = tree_flatten(output)
        pairs = [(x, t) for x, t in zip(leaves, directions) if isinstance(x, torch.Tensor) and x.requires_grad]
        us = [_fresh_in(level)(torch.zeros_like(o)) for o in outs]
        back = _differentiate(outs, [x for x, _ in pairs], us)
        product = _differentiate(back, us, [t for _, t in pairs])
        shown, result, aux = _settle((output, tree_unflatten(product, out_spec), aux), level)
    return (shown, result, aux) if has_aux else (shown, result)


def jacrev(func: Callable, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, chunk_size: int | None = None,
           _preallocate_and_copy: bool = False) -> Callable:
    """A function that gives the Jacobian, of shape output.shape + input.shape for each pair of output and input.

    >>> torch.func.jacrev(lambda x: x * x)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _level() as level:
            numbers, single = _pick(args, argnums)
            inputs = [tree_map(_fresh_in(level), args[n]) for n in numbers]
            output = func(*_replaced(args, numbers, inputs), **kwargs)
            aux = None
            if has_aux:
                output, aux = output
            leaves, spec = tree_flatten(inputs)
            outs, out_spec = tree_flatten(output)
            results = []
            for out in outs:
                rows = [_differentiate([entry], leaves, None) for entry in out.reshape(-1).unbind()]
                blocks = [torch.stack([r[i] for r in rows]).reshape(out.shape + x.shape) if rows
                          else x.new_zeros(out.shape + x.shape) for i, x in enumerate(leaves)]
                tree = tree_unflatten(blocks, spec)
                results.append(tree[0] if single else tuple(tree))
            result, aux = _settle((tree_unflatten(results, out_spec), aux), level)
        return (result, aux) if has_aux else result

    return wrapper


def jacfwd(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
           randomness: str = "error") -> Callable:
    """As jacrev: the Jacobian does not depend on the mode it is computed in."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that gives the second derivatives.

    >>> torch.func.hessian(lambda x: (x ** 3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """func(*primals) and the function from tangents to the Jacobian's products with them."""
    output = func(*primals)

    def product(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return output, product
