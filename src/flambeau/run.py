"""`python -m flambeau.run script.py ...`: run a program in which `import torch` means flambeau.

`torch` and its sub-modules become flambeau's, `torchvision` becomes `flambeau.vision`, and the modules bear those names, so
that classes print as PyTorch's do and programs that look at names find them. `-m module` and `-c code` work as with
Python itself. A program can also call `install()` before its imports.
"""
from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

_NAMES = {"torch": "flambeau", "torchvision": "flambeau.vision"}


def _target(name: str) -> str | None:
    """Our module for a name of PyTorch's; None for others."""
    head, dot, rest = name.partition(".")
    return _NAMES[head] + dot + rest if head in _NAMES else None


def _public(name: str) -> str | None:
    """PyTorch's name for one of our modules; None for internals."""
    for theirs, ours in reversed(_NAMES.items()):
        if name == ours or name.startswith(ours + "."):
            rest = name[len(ours):]
            return None if rest.startswith("._") or (rest + ".").startswith((".ops.", ".run.", ".examples.")) else theirs + rest
    return None


class _Renaming(importlib.machinery.SourceFileLoader):
    """Loads one of our modules so that it, and what is defined in it, has PyTorch's name."""

    def exec_module(self, module: types.ModuleType) -> None:
        code, name = self.get_code(self.name), _public(self.name) or self.name
        module.__name__ = name
        sys.modules[name] = module
        try:
            exec(code, module.__dict__)  # type: ignore[arg-type]
        except BaseException:
            del sys.modules[name]
            raise


def _rename(module: types.ModuleType, name: str) -> None:
    """Give PyTorch's name to a module that is loaded already, and to what is defined in it."""
    before, module.__name__ = module.__name__, name
    for value in list(vars(module).values()):
        if isinstance(value, (type, types.FunctionType)) and value.__module__ == before:
            try:
                value.__module__ = name
            except TypeError:
                continue  # a type of the core: it keeps its name


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch...` and `torchvision...`: the very module objects of this package, under another name."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if _public(fullname) is not None:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
            if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
                spec.loader = _Renaming(fullname, spec.loader.path)
            return spec
        ours = _target(fullname)
        if ours is None or self._module(ours) is None:
            return None
        # a module under the name by now would make the import system take that one's spec and run it again
        sys.modules.pop(fullname, None)
        return importlib.machinery.ModuleSpec(fullname, self)

    @staticmethod
    def _module(name: str) -> types.ModuleType | None:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise  # the module is there, and misses another one
        # a namespace that exists as an attribute only
        parent, _, last = name.rpartition(".")
        value = getattr(sys.modules.get(parent), last, None)
        return value if isinstance(value, types.ModuleType) else None

    @staticmethod
    def find_distributions(context: Any = None) -> Iterator[Any]:
        """The packages that `importlib.metadata` finds under PyTorch's names: programs ask for their versions."""
        from ._distribution import StandIn

        wanted = getattr(context, "name", None)
        for name in _NAMES:
            if wanted is None or wanted.lower() == name:
                yield StandIn(name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        module = self._module(_target(spec.name) or "")
        spec.loader_state = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """The module has run already: give it back the spec that the import system has just replaced."""
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            module.__spec__ = spec.loader_state


def install() -> None:
    """Let `import torch` and `import torchvision` mean flambeau from now on. RuntimeError if PyTorch is loaded."""
    loaded = sys.modules.get("torch")
    if loaded is not None and loaded is not sys.modules.get("flambeau"):
        raise RuntimeError("flambeau.run: PyTorch itself is already imported in this process")
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        for name, module in list(sys.modules.items()):
            public = _public(name)
            if public is not None and isinstance(module, types.ModuleType):
                _rename(module, public)
        sys.meta_path.insert(0, Finder())


class _Installed:
    """An object whose unpickling calls `_install_with_children`."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _install_with_children, ()


def _install_with_children() -> None:
    """install(), here and in processes that multiprocessing starts afresh (spawn, forkserver).

    Such a child unpickles its preparation data before it imports the program.
    """
    from multiprocessing import spawn

    install()
    prepare = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        return {"flambeau": _Installed(), **prepare(name)}

    spawn.get_preparation_data = get_preparation_data


_USAGE = "usage: python -m flambeau.run (script.py | -m module | -c code) [arguments ...]"


def main(arguments: list[str] | None = None) -> None:
    """Run a program as `python` would, with the names installed."""
    import os
    import runpy

    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        sys.exit(0 if arguments else 2)
    _install_with_children()
    first, rest = arguments[0], arguments[1:]
    if first in ("-m", "-c"):
        if not rest:
            print(_USAGE, file=sys.stderr)
            sys.exit(2)
        sys.argv = [first, *rest[1:]]
        if first == "-m":
            sys.path.insert(0, os.getcwd())
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, "")
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
        return
    if not os.path.exists(first):
        print(f"flambeau.run: no such file: {first}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [first, *rest]
    sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
    runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    from flambeau.run import main as run  # the module under its own name, by which children find it

    run()
