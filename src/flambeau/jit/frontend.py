"""What TorchScript accepts: the source of a function is parsed and constructs outside the language are refused."""
from __future__ import annotations

import ast
from typing import Any

__all__ = ["FrontendError", "NotSupportedError", "UnsupportedNodeError", "check_function"]


class FrontendError(Exception):
    """A function that cannot be scripted; tells where."""

    def __init__(self, msg: str, where: str = "") -> None:
        super().__init__(msg, where)
        self.msg = msg
        self.where = where

    def __str__(self) -> str:
        return self.msg + (":\n" + self.where if self.where else "")


class NotSupportedError(FrontendError):
    """A construct that TorchScript does not have."""


class UnsupportedNodeError(NotSupportedError):
    """A kind of statement or expression that TorchScript does not have."""


# Readable names of kinds of syntax; others go by the name of the class.
_NAMES = {ast.Try: "try blocks", ast.ClassDef: "class definitions", ast.Global: "global variables",
          ast.Nonlocal: "nonlocal variables", ast.Import: "import statements", ast.ImportFrom: "import statements",
          ast.FunctionDef: "function definitions", ast.AsyncFunctionDef: "async function definitions"}

_REFUSED: tuple = (ast.Yield, ast.YieldFrom, ast.Await, ast.Try, ast.ClassDef, ast.Global, ast.Nonlocal, ast.Import,
                   ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Lambda,
                   ast.SetComp, ast.Set, ast.NamedExpr, ast.Match)
if hasattr(ast, "TryStar"):
    _REFUSED += (ast.TryStar,)


def _place(lines: list[str], node: Any, filename: str, first: int) -> str:
    """The line of a node with a mark under it."""
    line = lines[node.lineno - 1]
    width = max(1, (node.end_col_offset if node.end_lineno == node.lineno else len(line)) - node.col_offset)
    mark = " " * node.col_offset + "~" * width + " <--- HERE"
    return f'  File "{filename}", line {first + node.lineno - 1}\n{line}\n{mark}'


def source_of(fn: Any) -> tuple[str, str, int]:
    """A function's source, file and first line; OSError where there is none."""
    import inspect
    lines, first = inspect.getsourcelines(fn)
    return "".join(lines), inspect.getsourcefile(fn) or "<unknown>", first


def check_function(fn: Any) -> None:
    """Raise UnsupportedNodeError or NotSupportedError for the first construct of fn that TorchScript lacks."""
    import textwrap
    try:
        source, filename, first = source_of(fn)
    except (OSError, TypeError) as error:
        raise OSError(f"Can't get source for {fn}. TorchScript requires source access in order to carry out "
                      "compilation, make sure original .py files are available.") from error
    source = textwrap.dedent(source)
    definition = next((n for n in ast.parse(source).body), None)
    if not isinstance(definition, ast.FunctionDef):
        raise RuntimeError(f"Expected a single top-level function: {filename}:{first}")
    lines = source.splitlines()
    arguments = definition.args
    if arguments.vararg or arguments.kwarg or any(d is not None for d in arguments.kw_defaults):
        raise NotSupportedError("Compiled functions can't take variable number of arguments or use keyword-only "
                                "arguments with defaults", _place(lines, definition, filename, first))
    for statement in definition.body:
        for node in ast.walk(statement):
            if isinstance(node, _REFUSED):
                name = _NAMES.get(type(node), type(node).__name__)
                raise UnsupportedNodeError(f"{name} aren't supported", _place(lines, node, filename, first))
            if isinstance(node, (ast.For, ast.While)) and node.orelse:
                kind = "for" if isinstance(node, ast.For) else "while"
                raise NotSupportedError(f"else branches of {kind} loops aren't supported",
                                        _place(lines, node, filename, first))
