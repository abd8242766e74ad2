"""vmap: a function of examples as a function of batches.

The function runs on one example after the other and the results are stacked: the values are those of batching rules,
the speed is that of a loop.
"""
from __future__ import annotations

import functools
from typing import Any, Callable

import flambeau as torch
from flambeau.utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

__all__ = ["vmap"]


def _batch_plan(in_dims: Any, args: tuple, name: str) -> tuple[list, list, Any, int]:
    """The leaves of the arguments, the batched dimension of each (or None), their structure, and the batch size."""
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
                         f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}.")
    if not args:
        raise ValueError(f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying "
                         "to vmap over a function with no inputs. The latter is unsupported.")
    leaves, spec = tree_flatten(args)
    dims = _broadcast_to_and_flatten(in_dims, spec)
    if dims is None:
        raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
                         f"structure of inputs. in_dims has structure {tree_flatten(in_dims)[1]} but inputs has "
                         f"structure {spec}.")
    plan: list = []
    sizes = set()
    for leaf, dim in zip(leaves, dims):
        if dim is None:
            plan.append(None)
            continue
        if not isinstance(dim, int):
            raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={dim} for an input but "
                             "in_dim must be either an integer dimension or None.")
        if not isinstance(leaf, torch.Tensor):
            raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={dim} for an input but the "
                             f"input is of type {type(leaf)}. We cannot vmap over non-Tensor arguments, please use "
                             "None as the respective in_dim")
        if not -leaf.dim() <= dim < leaf.dim():
            raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={dim} for some input, but "
                             f"that input is a Tensor of dimensionality {leaf.dim()} so expected in_dim to satisfy "
                             f"-{leaf.dim()} <= in_dim < {leaf.dim()}.")
        plan.append(dim % leaf.dim())
        sizes.add(leaf.size(dim))
    if not sizes:
        raise ValueError(f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): at least one input must be batched")
    if len(sizes) > 1:
        all_sizes = [leaf.size(d) for leaf, d in zip(leaves, plan) if d is not None]
        raise ValueError("vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
                         f"{all_sizes} for the mapped dimension")
    return leaves, plan, spec, sizes.pop()


def _stack(outputs: list, out_dims: Any, name: str) -> Any:
    """The outputs of all examples joined, each leaf along its out_dim."""
    flat = [tree_flatten(o) for o in outputs]
    spec = flat[0][1]
    dims = _broadcast_to_and_flatten(out_dims, spec) if not isinstance(out_dims, int) else [out_dims] * spec.num_leaves
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = [out_dims[0]] * spec.num_leaves
    if dims is None:
        raise ValueError(f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
                         f"structure of outputs. out_dims has structure {tree_flatten(out_dims)[1]} but outputs "
                         f"has structure {spec}.")
    joined = []
    for i, dim in enumerate(dims):
        values = [leaves[i] for leaves, _ in flat]
        if not isinstance(values[0], torch.Tensor):
            raise ValueError(f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(values[0])}. Did "
                             f"you mean to set out_dims= to None for output?")
        joined.append(values[0] if dim is None else torch.stack(values, dim))
    return tree_unflatten(joined, spec)


def vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
         chunk_size: int | None = None) -> Callable:
    """func over a batch: in_dims tells the batch dimension of each input (None: the same for all), out_dims of outputs.

    randomness: "same" lets every example draw the same numbers; otherwise draws differ. chunk_size is accepted.

    >>> torch.vmap(torch.dot)(torch.ones(3, 2), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError("Only allowed values for randomness are 'error', 'different', or 'same'. Got " + randomness)
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", repr(func))

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        leaves, plan, spec, size = _batch_plan(in_dims, args, name)
        if size == 0:
            raise ValueError(f"vmap({name}, ...)(<inputs>): the batch is empty")
        state = torch.get_rng_state() if randomness == "same" else None
        outputs = []
        for i in range(size):
            if state is not None:
                torch.set_rng_state(state)
            example = [leaf if d is None else leaf.select(d, i) for leaf, d in zip(leaves, plan)]
            # Keyword arguments are batched along their first dimension.
            named = {k: v[i] if isinstance(v, torch.Tensor) else v for k, v in kwargs.items()}
            outputs.append(func(*tree_unflatten(example, spec), **named))
        return _stack(outputs, out_dims, name)

    return wrapper
