"""torch.distributed.rpc: calls between processes. Not offered: is_available() says so, and calls raise NotImplementedError."""
from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["init_rpc", "is_available", "remote", "rpc_async", "rpc_sync", "shutdown"]


def is_available() -> bool:
    """False."""
    return False


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise NotImplementedError("torch.distributed.rpc: calls between processes are not offered; use send, recv and the collectives of "
                              "torch.distributed")


init_rpc = remote = rpc_async = rpc_sync = shutdown = _refuse
