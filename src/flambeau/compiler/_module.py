"""OptimizedModule: what torch.compile makes of a module."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau._C import _begin_fusion, _end_fusion

__all__ = ["OptimizedModule"]


class OptimizedModule(torch.nn.Module):
    """A module whose calls go to the original; parameters are named as under `_orig_mod.`."""

    _orig_mod: torch.nn.Module

    def __init__(self, mod: torch.nn.Module) -> None:
        super().__init__()
        self._orig_mod = mod
        self.training = mod.training

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _begin_fusion()
        try:
            return self._orig_mod(*args, **kwargs)
        finally:
            _end_fusion()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """forward of the original."""
        return self(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self.__dict__["_modules"]["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training" and "_modules" in self.__dict__ and "_orig_mod" in self.__dict__["_modules"]:
            self._orig_mod.training = value
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(set(super().__dir__()) | set(dir(self._orig_mod)))
