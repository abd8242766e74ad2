"""Pillow, on first need, with a clear message where it is missing."""
from __future__ import annotations

from typing import Any


def pillow(module: str = "Image") -> Any:
    """A module of Pillow."""
    import importlib

    try:
        return importlib.import_module("PIL." + module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("pictures need Pillow: install it with `pip install pillow` or as the extra "
                                  "`flambeau[vision]`", name="PIL") from error


def is_picture(value: Any) -> bool:
    """Whether a value is a Pillow picture (it cannot be while Pillow is not loaded)."""
    import sys

    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
