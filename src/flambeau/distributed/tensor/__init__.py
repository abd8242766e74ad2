"""torch.distributed.tensor: the names of distributed tensors. Placements and meshes are real; tensors spread over processes are not
offered, and making one says so."""
from __future__ import annotations

from typing import Any, NoReturn

from flambeau.distributed.device_mesh import DeviceMesh, init_device_mesh
from flambeau.distributed.tensor.placement_types import Partial, Placement, Replicate, Shard

__all__ = ["DTensor", "DeviceMesh", "Partial", "Placement", "Replicate", "Shard", "distribute_module", "distribute_tensor",
           "init_device_mesh"]


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(f"{what}: tensors spread over processes are not offered; use nn.parallel.DistributedDataParallel or the "
                              "collectives of torch.distributed")


class DTensor:
    """The class of tensors spread over processes, for isinstance: there are none."""

    def __new__(cls, *args: Any, **kwargs: Any) -> DTensor:
        _refuse("DTensor")

    @staticmethod
    def from_local(local_tensor: Any, *args: Any, **kwargs: Any) -> Any:
        """Not offered. NotImplementedError."""
        _refuse("DTensor.from_local")


def distribute_tensor(tensor: Any, device_mesh: Any = None, placements: Any = None, *, src_data_rank: int | None = 0) -> Any:
    """Not offered. NotImplementedError."""
    _refuse("distribute_tensor")


def distribute_module(module: Any, device_mesh: Any = None, partition_fn: Any = None, input_fn: Any = None, output_fn: Any = None) -> Any:
    """Not offered. NotImplementedError."""
    _refuse("distribute_module")
