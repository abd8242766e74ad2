"""Composite operators: one file a family, each operator one decorated function over the native primitives.

A file is imported when one of its names is first used; `_index` says which file has a name (after adding operators,
`python -m flambeau.ops._make_index` writes it anew). Functions are found by their module's __getattr__, which `finder`
makes; methods are kept for on Tensor by a `LazyMethod`."""

from __future__ import annotations

import sys

from ._index import INDEX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Further names of native operators: {alias: name}.
ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "concat": "cat", "concatenate": "cat",
    "divide": "div", "fix": "trunc", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "subtract": "sub", "true_divide": "div",
}
# Names of torch.special: {name: torch's name}.
SPECIAL_ALIASES = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2", "expit": "sigmoid",
    "expm1": "expm1", "gammainc": "igamma", "gammaincc": "igammac", "gammaln": "lgamma", "i0": "i0", "log1p": "log1p",
    "logit": "logit", "logsumexp": "logsumexp", "multigammaln": "mvlgamma", "polygamma": "polygamma",
    "psi": "digamma", "round": "round", "sinc": "sinc", "xlogy": "xlogy",
}


def names(place: str) -> dict[str, str]:
    """{name: file} of the operators that appear in a place: "torch", "Tensor", "_nn", "linalg"..."""
    return {name: file for file, listed in INDEX[place].items() for name in listed.split()}


def load(file: str) -> None:
    """Import a file of operators and put them in their places."""
    from importlib import import_module

    from .._operator import install
    install(import_module(f"{__name__}.{file}").__name__)


class LazyMethod:
    """Stands on Tensor for a method until that is first looked up; then the file is imported, and the method itself
    takes this place."""

    __slots__ = ("name", "file")

    def __init__(self, name: str, file: str) -> None:
        self.name, self.file = name, file

    def __get__(self, tensor: Any, kind: type | None = None) -> Any:
        from .. import Tensor
        load(self.file)
        method = vars(Tensor)[self.name]
        if method is self:
            raise AttributeError(f"Tensor.{self.name} is not in flambeau/ops/{self.file}.py, where the index has it")
        return method.__get__(tensor, kind)


def install_methods(tensor: type) -> None:
    """Put a LazyMethod on Tensor for every composite method that is not native."""
    native = vars(tensor)
    for name, file in names("Tensor").items():
        if name not in native:
            setattr(tensor, name, LazyMethod(name, file))


def install_aliases(*places: Any) -> None:
    """Put the further names of native operators, in-place forms included, beside them."""
    for place in places:
        have = vars(place)
        for alias, name in ALIASES.items():
            for suffix in ("", "_"):
                if alias + suffix not in have and name + suffix in have:
                    setattr(place, alias + suffix, have[name + suffix])


def __getattr__(name: str) -> Any:
    """torch.ops.aten and the namespaces of own operators."""
    if name.startswith("_"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ._namespaces import namespace
    return namespace(name)


def finder(place: str, module: str) -> Callable[[str], Any]:
    """The __getattr__ of a module whose operators are loaded at their first use."""
    files = names(place)

    def __getattr__(name: str) -> Any:
        here = vars(sys.modules[module])
        if name in files:
            load(files[name])
            if name in here:
                return here[name]
        if name == "__all__":
            return sorted(known for known in {*here, *files} if not known.startswith("_"))
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    return __getattr__


def lister(place: str, module: str) -> Callable[[], list[str]]:
    """The __dir__ of such a module."""
    return lambda: sorted({*vars(sys.modules[module]), *names(place)})
