"""Checkpoints of safetensors files in pieces: not offered."""
from __future__ import annotations

from typing import Any

from flambeau.distributed.checkpoint import FileSystemReader, FileSystemWriter, _refuse

__all__ = ["HuggingFaceStorageReader", "HuggingFaceStorageWriter"]


class HuggingFaceStorageReader(FileSystemReader):
    """Not offered. NotImplementedError."""

    def __init__(self, path: Any, *args: Any, **kwargs: Any) -> None:
        _refuse("HuggingFaceStorageReader")


class HuggingFaceStorageWriter(FileSystemWriter):
    """Not offered. NotImplementedError."""

    def __init__(self, path: Any, *args: Any, **kwargs: Any) -> None:
        _refuse("HuggingFaceStorageWriter")
