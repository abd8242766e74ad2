"""The quick door of an operator written in Python: a function made from its schema that takes well-typed calls
straight to the computation, and sends all others (overrides, conversions, numpy's names, errors, out=) to the
general binding."""

from __future__ import annotations

import flambeau as torch

from ._schema import REQUIRED, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Tensor and those subclasses that have shown not to override functions: their type is all that has to be looked at.
PLAIN_TENSORS: set[type] = set()
_NUMBERS = frozenset((int, float, bool, complex))
_LISTS = frozenset((list, tuple))
_INTS = frozenset((int,))
NO_MATCH: Any = object()


def learn(kind: type) -> None:
    """Remember a Tensor type that leaves __torch_function__ as it is."""
    own, base = kind.__torch_function__, torch.Tensor.__torch_function__
    disabled = getattr(torch._C, "_disabled_torch_function_impl", None)
    if own is disabled or getattr(own, "__func__", own) is getattr(base, "__func__", base):
        PLAIN_TENSORS.add(kind)


def _test(name: str, parameter: Any, is_default: str) -> str | None:
    """The condition under which argument `name` is taken as it is (None: only its default is)."""
    kind = parameter.type
    condition = {
        "Tensor": f"type({name}) in _plain", "int": f"type({name}) is int", "bool": f"type({name}) is bool",
        "str": f"type({name}) is str", "Scalar": f"type({name}) in _numbers", "float": f"type({name}) is float",
        "Tensor[]": f"type({name}) in _lists and _plain.issuperset(map(type, {name}))",
        "int[]": f"type({name}) in _lists and _ints.issuperset(map(type, {name}))",
        "ScalarType": f"type({name}) is _dtype",
    }.get(kind)
    if parameter.default is not REQUIRED:
        return f"({name} is {is_default}{f' or {condition}' if condition else ''})"
    if parameter.optional:
        return f"({name} is None{f' or {condition}' if condition else ''})"
    return condition


def compile_call(signature: Signature, compute: Callable, method: bool, general: Callable, wrap: Callable | None,
                 takes_out: bool) -> Callable:
    """The quick function of one signature; `general(args, kwargs)` takes what it leaves, REQUIRED standing for
    arguments that were not given."""
    names, heads, tests, prepare = [], [], [], []
    space: dict[str, Any] = {"_compute": compute, "_plain": PLAIN_TENSORS, "_numbers": _NUMBERS, "_lists": _LISTS,
                             "_ints": _INTS, "_dtype": torch.dtype, "_general": general, "_required": REQUIRED,
                             "_wrap": wrap}
    for position, parameter in enumerate(signature.parameters):
        if position == signature.positional:
            heads.append("*_more")
        name = signature.shown(parameter) if not method else parameter.name
        default = "_required" if parameter.default is REQUIRED else f"_default{position}"
        space.setdefault(default, parameter.default)
        names.append(name)
        heads.append(f"{name}={default}")
        if parameter.type == "float":
            prepare.append(f"    if type({name}) is int: {name} = float({name})")
        if parameter.type == "int[]" and parameter.size:
            prepare.append(f"    if type({name}) is int: {name} = [{name}] * {parameter.size}")
        if parameter.type == "int[]" and signature.varargs(method):
            prepare.append(f"    if type({name}) is int: {name}, _more = [{name}, *_more], ()")
        condition = _test(name, parameter, default)
        if condition is None:
            condition = "False"
        tests.append(condition)
    if signature.positional >= len(signature.parameters):
        heads.append("*_more")
    if takes_out:
        heads.append("out=None")
        tests.append("out is None")
    heads.append("**_others")
    tests.append("not _more and not _others")
    given = "".join(f"{name}, " for name in names[:signature.positional])
    options = [f"{signature.parameters[i].name!r}: {names[i]}" for i in range(signature.positional, len(names))]
    if takes_out:
        options.append("'out': out")
    source = "\n".join([
        f"def quick({', '.join(heads)}):", *prepare,
        f"    if {' and '.join(tests)}:",
        f"        return {'_wrap(' if wrap else ''}_compute({', '.join(names)}){')' if wrap else ''}",
        f"    return _general(({given}*_more), {{{', '.join([*options, '**_others'])}}})"])
    exec(compile(source, f"<operator {signature.name}>", "exec"), space)
    return space["quick"]
