"""Examples in the documentation run: docstrings of every module, of native operators, and the pages in docs/ and README."""
from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import flambeau as torch

ROOT = Path(__file__).resolve().parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def module_names() -> list[str]:
    """All modules of the package, without importing them."""
    def walk(folder: Path, prefix: str) -> list[str]:
        names = []
        for entry in pkgutil.iter_modules([str(folder)]):
            names.append(prefix + entry.name)
            if entry.ispkg:
                names += walk(folder / entry.name, prefix + entry.name + ".")
        return names
    return ["flambeau", *(name for name in walk(Path(torch.__file__).parent, "flambeau.") if not name.endswith("._C"))]


def run(test: doctest.DocTest) -> None:
    """Run one example from a known state; what goes wrong is in the failure's text."""
    import numpy as np
    torch.manual_seed(0)
    test.globs.update(torch=torch, nn=importlib.import_module("flambeau.nn"), np=np, numpy=np,
                      F=importlib.import_module("flambeau.nn.functional"))
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=report.append, clear_globs=False)
    if result.failed:
        pytest.fail(f"{result.failed} of {result.attempted} examples in {test.name}:\n" + "".join(report), pytrace=False)


def examples(name: str) -> list[doctest.DocTest]:
    """The examples of one module, those of operators made from schemas included."""
    module = importlib.import_module(name)
    found = [test for test in doctest.DocTestFinder(recurse=True).find(module, name) if test.examples]
    seen = {test.name for test in found}
    parser = doctest.DocTestParser()
    for attribute, value in sorted(vars(module).items()):
        doc = getattr(value, "__doc__", None)
        if (not inspect.ismodule(value) and not isinstance(value, type) and isinstance(doc, str) and ">>>" in doc
                and getattr(value, "__module__", None) == name and f"{name}.{attribute}" not in seen):
            found.append(parser.get_doctest(inspect.cleandoc(doc), {}, f"{name}.{attribute}", None, 0))
    return found


@pytest.mark.parametrize("name", module_names())
def test_module(name: str) -> None:
    for test in examples(name):
        run(test)


def native_documents() -> dict[str, str]:
    """Documentation of native operators by name."""
    spaces = {"torch": torch._C._functions, "torch._C._nn": torch._C._nn_functions}
    return {f"{space}.{name}": value.__doc__ for space, functions in spaces.items() for name, value in functions.items()
            if ">>>" in (getattr(value, "__doc__", None) or "")}


def test_native_operators() -> None:
    parser = doctest.DocTestParser()
    for name, text in native_documents().items():
        run(parser.get_doctest(inspect.cleandoc(text), {}, name, None, 0))


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]))
def test_page(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8").replace("```", "")
    run(doctest.DocTestParser().get_doctest(text, {}, path, path, 0))
