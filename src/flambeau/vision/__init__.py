"""Pictures: data sets, transforms and helpers, with torchvision's names. Pillow is loaded when it is needed."""
from __future__ import annotations

import importlib
from typing import Any

__all__ = ["datasets", "io", "models", "ops", "transforms", "utils"]
__version__ = "0.28.0+flambeau"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module("." + name, __name__)
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}")


def get_image_backend() -> str:
    """The library that opens pictures: Pillow."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Accepts "PIL", the only one. ValueError for others."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL'")
