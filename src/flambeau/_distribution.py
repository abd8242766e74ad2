"""What `importlib.metadata` says of `torch` and `torchvision` in a program run by flambeau.run."""
from __future__ import annotations

import importlib.metadata
import os


class StandIn(importlib.metadata.Distribution):
    """A package of PyTorch's whose names flambeau serves: its name and version, no files."""

    def __init__(self, package: str) -> None:
        self.package = package

    def read_text(self, filename: str) -> str | None:
        """The text of METADATA and of top_level.txt; None for other files."""
        if filename == "top_level.txt":
            return self.package
        if filename not in ("METADATA", "PKG-INFO"):
            return None
        from .version import __version__

        version = __version__
        if self.package == "torchvision":
            from .vision import __version__ as version
        return f"Metadata-Version: 2.1\nName: {self.package}\nVersion: {version}\nSummary: served by flambeau\n"

    def locate_file(self, path: str | os.PathLike[str]) -> os.PathLike[str]:  # type: ignore[override]
        """Where a file of the package would be."""
        import pathlib

        return pathlib.Path(__file__).parent / path
