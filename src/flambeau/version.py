"""The version: that of PyTorch's API, which programs compare, with the package's own behind the plus sign; and the versions of
libraries PyTorch would be built with: none."""
from __future__ import annotations

__all__ = ["__version__", "debug", "cuda", "git_version", "hip", "rocm", "xpu"]

flambeau_version = "0.1.0"
__version__ = f"2.13.0+flambeau.{flambeau_version}"
debug = False
cuda: str | None = None
git_version = "unknown"
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
