"""torch.distributed.checkpoint: state dictionaries of models are real; checkpoints written in pieces by several processes are not offered."""
from __future__ import annotations

from typing import Any, NoReturn

from flambeau.distributed.checkpoint import state_dict

__all__ = ["FileSystemReader", "FileSystemWriter", "load", "save", "state_dict"]


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(f"{what}: checkpoints in pieces are not offered; use torch.save and torch.load on one process")


class FileSystemReader:
    """Not offered. NotImplementedError."""

    def __init__(self, path: Any, *args: Any, **kwargs: Any) -> None:
        _refuse("FileSystemReader")


class FileSystemWriter:
    """Not offered. NotImplementedError."""

    def __init__(self, path: Any, *args: Any, **kwargs: Any) -> None:
        _refuse("FileSystemWriter")


def save(*args: Any, **kwargs: Any) -> NoReturn:
    """Not offered. NotImplementedError."""
    _refuse("torch.distributed.checkpoint.save")


def load(*args: Any, **kwargs: Any) -> NoReturn:
    """Not offered. NotImplementedError."""
    _refuse("torch.distributed.checkpoint.load")
