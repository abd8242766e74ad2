"""DeviceMesh: the processes arranged as an array, with a group for each line along each of its dimensions."""
from __future__ import annotations

import math
from typing import Any

import flambeau as torch
from flambeau.distributed import distributed_c10d as c10d

__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    """DeviceMesh(device_type, mesh): mesh is a (nested) list or tensor of ranks. All processes must make it, in the same order.

    `mesh["name"]` is the part along one named dimension; `get_group` the group of the processes that share this one's line.
    """

    def __init__(self, device_type: str, mesh: Any, *, mesh_dim_names: tuple[str, ...] | None = None,
                 backend_override: Any = None, _groups: list | None = None) -> None:
        self.device_type = torch.device(device_type).type
        self.mesh = torch.as_tensor(mesh, dtype=torch.int64)
        self.mesh_dim_names = tuple(mesh_dim_names) if mesh_dim_names else None
        if self.mesh_dim_names is not None and len(self.mesh_dim_names) != self.mesh.dim():
            raise RuntimeError(f"mesh_shape and mesh_dim_names should have same length! (got {self.mesh.dim()} dimensions and "
                               f"{len(self.mesh_dim_names)} names)")
        if not c10d.is_initialized():
            c10d.init_process_group()
        place = (self.mesh == c10d.get_rank()).nonzero()
        self._coordinate = place[0].tolist() if len(place) else None
        self._groups = self._make_groups() if _groups is None else _groups

    def _make_groups(self) -> list:
        mine: list[Any] = []
        for dim in range(self.mesh.dim()):
            lines = self.mesh.movedim(dim, -1).reshape(-1, self.mesh.shape[dim]).tolist()
            found = None
            for line in lines:  # every process makes every group
                group = c10d.new_group(line)
                if c10d.get_rank() in line:
                    found = group
            mine.append(found)
        return mine

    def _dim(self, mesh_dim: int | str | None, what: str) -> int:
        if mesh_dim is None:
            if self.mesh.dim() > 1:
                raise RuntimeError(f"Found the DeviceMesh have {self.mesh.dim()} dimensions; optional kwarg `mesh_dim` needs to be "
                                   f"specified when device_mesh.ndim > 1 ({what})")
            return 0
        if isinstance(mesh_dim, str):
            if mesh_dim not in (self.mesh_dim_names or ()):
                raise KeyError(f"Invalid mesh_dim_name {mesh_dim}. The mesh has dimensions {self.mesh_dim_names}")
            return (self.mesh_dim_names or ()).index(mesh_dim)
        return mesh_dim

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.mesh.dim()

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of processes along each dimension."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """The number of processes, along one dimension or in all."""
        return self.mesh.numel() if mesh_dim is None else self.mesh.shape[mesh_dim]

    def get_group(self, mesh_dim: int | str | None = None) -> Any:
        """The group of this process' line along a dimension."""
        return self._groups[self._dim(mesh_dim, "get_group")]

    def get_all_groups(self) -> list:
        """get_group of every dimension."""
        return list(self._groups)

    def get_rank(self) -> int:
        """This process' rank among all."""
        return c10d.get_rank()

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """This process' place along a dimension."""
        if self._coordinate is None:
            raise RuntimeError("DeviceMesh.get_local_rank: this process is not in the mesh")
        return self._coordinate[self._dim(mesh_dim, "get_local_rank")]

    def get_coordinate(self) -> list[int] | None:
        """This process' place; None outside the mesh."""
        return self._coordinate

    def __getitem__(self, names: str | tuple[str, ...]) -> DeviceMesh:
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        chosen = (names,) if isinstance(names, str) else tuple(names)
        dims = [self._dim(name, "getitem") for name in chosen]
        rest = [d for d in range(self.ndim) if d not in dims]
        mesh = self.mesh.permute(*rest, *dims)
        for d in rest:
            mesh = mesh[self._coordinate[d] if self._coordinate else 0]
        return DeviceMesh(self.device_type, mesh, mesh_dim_names=chosen, _groups=[self._groups[d] for d in dims])

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, DeviceMesh) and self.device_type == other.device_type and self.mesh_dim_names == other.mesh_dim_names
                and self.shape == other.shape and self.mesh.tolist() == other.mesh.tolist())

    def __hash__(self) -> int:
        return hash((self.device_type, self.mesh_dim_names, self.shape, tuple(self.mesh.flatten().tolist())))

    def __repr__(self) -> str:
        if self.mesh_dim_names:
            dims = ", ".join(f"{name}={size}" for name, size in zip(self.mesh_dim_names, self.shape))
            return f"DeviceMesh(({dims}), '{self.device_type}')"
        return f"DeviceMesh({self.shape}, '{self.device_type}')"


def init_device_mesh(device_type: str, mesh_shape: tuple[int, ...], *, mesh_dim_names: tuple[str, ...] | None = None,
                     backend_override: Any = None) -> DeviceMesh:
    """The mesh of this shape over ranks 0, 1, 2...; starts torch.distributed if need be."""
    if mesh_dim_names is not None and len(set(mesh_dim_names)) != len(mesh_dim_names):
        raise RuntimeError(f"Each mesh_dim_name must be unique. (got {mesh_dim_names})")
    if mesh_dim_names is not None and len(mesh_shape) != len(mesh_dim_names):
        raise RuntimeError(f"mesh_shape and mesh_dim_names should have same length! (got len(mesh_dim_names): {len(mesh_dim_names)}, "
                           f"len(mesh_shape):{len(mesh_shape)})")
    return DeviceMesh(device_type, torch.arange(math.prod(mesh_shape)).view(tuple(mesh_shape)), mesh_dim_names=mesh_dim_names)
