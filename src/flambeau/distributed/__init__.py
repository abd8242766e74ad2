"""torch.distributed: several processes that work together; stores, groups, collectives."""
from __future__ import annotations

from typing import Any

from flambeau.distributed import distributed_c10d
from flambeau.distributed._store import FileStore, HashStore, PrefixStore, Store, TCPStore
from flambeau.distributed.distributed_c10d import *  # noqa: F403

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore", *distributed_c10d.__all__]

_MODULES = frozenset(("algorithms", "checkpoint", "constants", "device_mesh", "fsdp", "nn", "optim", "rpc", "tensor", "_functional_collectives"))
_MESH = ("DeviceMesh", "init_device_mesh")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _MESH:
        return getattr(import_module(f"{__name__}.device_mesh"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
