"""Calling a module with other tensors in the place of its parameters and buffers."""

from __future__ import annotations

import contextlib

from flambeau import Tensor


def _untie_named_tensors_map(module, tensors: dict) -> dict:
    """`tensors`, extended so that tensors tied in the module are replaced together."""
    names_of: dict = {}
    for name, tensor in [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]:
        names_of.setdefault(id(tensor), set()).add(name)
    groups = {name: names for names in names_of.values() for name in names}
    untied = dict(tensors)
    for name, tensor in tensors.items():
        for twin in groups.get(name, ()):
            if twin in tensors and tensors[twin] is not tensor:
                raise ValueError(f"functional_call got multiple values for keys {sorted(groups[name] & set(tensors))}, "
                                 "which are tied. Consider using tie_weights=False")
            untied[twin] = tensor
    return untied


def _place(module, path: str):
    prefix, _, name = path.rpartition(".")
    return module.get_submodule(prefix), name


def _swap(owner, name: str, tensor):
    """Put `tensor` in the place of a parameter or buffer; returns what was there."""
    for table in (owner._parameters, owner._buffers):
        if name in table:
            before = table[name]
            table[name] = tensor
            return before
    # Not registered (a plain attribute or a parametrised tensor): an ordinary attribute.
    before = getattr(owner, name)
    setattr(owner, name, tensor)
    return before


@contextlib.contextmanager
def _reparametrize_module(module, parameters_and_buffers: dict, tie_weights: bool = False, strict: bool = False,
                          stack_weights: bool = False):
    given = _untie_named_tensors_map(module, parameters_and_buffers) if tie_weights else dict(parameters_and_buffers)
    if strict:
        own = {name for name, _ in [*module.named_parameters(remove_duplicate=False),
                                    *module.named_buffers(remove_duplicate=False)]}
        missing, unexpected = sorted(own - set(given)), sorted(set(given) - own)
        problems = []
        if unexpected:
            problems.append("Unexpected key(s): " + ", ".join(map(repr, unexpected)) + ".")
        if missing:
            problems.append("Missing key(s): " + ", ".join(map(repr, missing)) + ".")
        if problems:
            raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(problems))
    undo: list[tuple] = []
    try:
        for path, tensor in given.items():
            owner, name = _place(module, path)
            if not hasattr(owner, name):
                continue  # names that the module lacks are an error with `strict` only
            if not isinstance(getattr(owner, name), (Tensor, type(None))):
                raise TypeError(f"{path}: {getattr(owner, name)} is not an instance of torch.Tensor")
            undo.append((owner, name, path, _swap(owner, name, tensor)))
        yield
    finally:
        for owner, name, path, before in reversed(undo):
            # A buffer replaced during the call (not changed in place) is handed back through the caller's dict.
            after = _swap(owner, name, before)
            if path in parameters_and_buffers:
                parameters_and_buffers[path] = after


def _functional_call(module, parameters_and_buffers: dict, args=None, kwargs: dict | None = None, *,
                     tie_weights: bool = True, strict: bool = False):
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))


def functional_call(module, parameters_and_buffers: dict, args=None, kwargs: dict | None = None, *,
                    tie_weights: bool = True, strict: bool = False):
    """Call `module` with the tensors of a dict {dotted name: tensor} in place of its own.

    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> torch.nn.utils.stateless.functional_call(layer, {"weight": torch.tensor([[3.0]])}, torch.ones(1, 1))
    tensor([[3.]])
    """
    import warnings

    warnings.warn(
        "torch.nn.utils.stateless.functional_call: This API is deprecated; use torch.func.functional_call, which "
        "takes the same arguments",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
