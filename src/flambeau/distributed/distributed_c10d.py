"""Process groups and collective operations over TCP, for several processes on one or more machines.

Results do not depend on timing: contributions are always combined in the order of ranks. async_op=True returns a
finished Work; isend has sent when it returns, irecv receives in wait().
"""
from __future__ import annotations

import enum
import functools
import os
import pickle
from datetime import timedelta
from typing import Any, Callable

import flambeau as torch
from flambeau.distributed._store import FileStore, PrefixStore, Store, TCPStore
from flambeau.distributed._transport import Transport

__all__ = ["Backend", "GroupMember", "P2POp", "ProcessGroup", "ReduceOp", "Work", "all_gather",
           "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single", "barrier",
           "batch_isend_irecv", "broadcast", "broadcast_object_list", "destroy_process_group", "gather",
           "gather_object", "get_backend", "get_global_rank", "get_group_rank", "get_node_local_rank",
           "get_process_group_ranks", "get_rank", "get_world_size", "group", "init_process_group", "irecv",
           "is_available", "is_backend_available", "is_gloo_available", "is_initialized", "is_mpi_available",
           "is_nccl_available", "is_torchelastic_launched", "is_ucc_available", "isend", "monitored_barrier",
           "new_group", "recv", "recv_object_list", "reduce", "reduce_op", "reduce_scatter", "reduce_scatter_tensor",
           "scatter", "scatter_object_list", "send", "send_object_list"]

default_pg_timeout = timedelta(minutes=30)
_SMALL = 4096       # up to this many bytes, one round to everyone beats two rounds of pieces


class _RedOpType(enum.IntEnum):
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = range(8)

    def __repr__(self) -> str:
        return f"<RedOpType.{self.name}: {self.value}>"


class ReduceOp:
    """How contributions are combined."""

    RedOpType = _RedOpType
    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = _RedOpType


reduce_op = ReduceOp
_COMBINE: dict[int, Callable] = {
    ReduceOp.SUM: lambda a, b: a.add_(b), ReduceOp.AVG: lambda a, b: a.add_(b),
    ReduceOp.PRODUCT: lambda a, b: a.mul_(b),
    ReduceOp.MIN: lambda a, b: torch.minimum(a, b), ReduceOp.MAX: lambda a, b: torch.maximum(a, b),
    ReduceOp.BAND: lambda a, b: a & b, ReduceOp.BOR: lambda a, b: a | b, ReduceOp.BXOR: lambda a, b: a ^ b}


class Backend(str):
    """Names of backends; all are served by the same transport."""

    UNDEFINED, GLOO, NCCL, UCC, MPI = "undefined", "gloo", "nccl", "ucc", "mpi"
    backend_list = ["undefined", "gloo"]

    def __new__(cls, name: str) -> Backend:
        return super().__new__(cls, name.lower())


class Work:
    """An operation under way, or done."""

    def __init__(self, finish: Callable[[], Any] | None = None) -> None:
        self._finish = finish
        self._result: Any = None

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait for the end."""
        if self._finish is not None:
            finish, self._finish = self._finish, None
            self._result = finish()
        return True

    def is_completed(self) -> bool:
        """Whether it is done."""
        return self._finish is None

    def is_success(self) -> bool:
        """Whether it is done without an error."""
        return self._finish is None

    def result(self) -> Any:
        """The result, after waiting."""
        self.wait()
        return self._result

    def source_rank(self) -> int:
        """The rank a received message came from."""
        return self.result()

    def get_future(self) -> Any:
        """A finished Future."""
        from flambeau.futures import Future
        future = Future()
        future.set_result(self.result())
        return future


class ProcessGroup:
    """Some of the processes, with a numbering of their own."""

    def __init__(self, name: str, transport: Transport, ranks: list[int], backend: str) -> None:
        self.group_name, self.ranks, self.backend_name = name, ranks, backend
        self._transport = transport
        self._count = 0

    def rank(self) -> int:
        """This process' rank in the group; -1 outside."""
        me = self._transport.rank
        return self.ranks.index(me) if me in self.ranks else -1

    def size(self) -> int:
        """The number of processes."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend's name."""
        return self.backend_name

    def next_key(self) -> str:
        """A key for the next operation: all members count alike."""
        self._count += 1
        return f"{self.group_name}/{self._count}"

    def send(self, rank: int, key: str, data: Any) -> None:
        """Send to a rank of the group."""
        self._transport.send(self.ranks[rank], key, data)

    def receive(self, rank: int, key: str) -> bytearray:
        """Receive from a rank of the group."""
        return self._transport.receive(self.ranks[rank], key)


class GroupMember:
    """The group of all processes (WORLD), and the mark of groups this process is not in."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER = -100


class _Groups(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:  # noqa: N802
        return GroupMember.WORLD


class group(metaclass=_Groups):  # noqa: N801
    """group.WORLD: the group of all processes."""


_groups: list[ProcessGroup] = []
_store: Store | None = None


# -- setting up -------------------------------------------------------------------------------------------------------

def is_available() -> bool:
    """True.

    >>> torch.distributed.is_available()
    True
    """
    return True


def is_initialized() -> bool:
    """Whether init_process_group was called."""
    return GroupMember.WORLD is not None


def is_gloo_available() -> bool:
    """True: "gloo" names the transport over TCP."""
    return True


def is_nccl_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_ucc_available() -> bool:
    """False."""
    return False


def is_backend_available(backend: str) -> bool:
    """Whether a backend's name is served."""
    return backend.lower() == "gloo"


def is_torchelastic_launched() -> bool:
    """Whether a launcher started this process."""
    return os.getenv("TORCHELASTIC_RUN_ID") is not None


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """$LOCAL_RANK."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError("LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
                       "`get_node_local_rank` to work, assuming you are not running in an environment that sets it.")


def _environment(name: str) -> str:
    if name not in os.environ:
        raise ValueError("Error initializing torch.distributed using env:// rendezvous: environment variable "
                         f"{name} expected, but not set")
    return os.environ[name]


def _rendezvous(url: str, rank: int, world_size: int, timeout: timedelta) -> tuple[Store, int, int]:
    """The store, rank and size of an init_method."""
    scheme, _, rest = url.partition("://")
    if scheme == "env":
        rank = int(_environment("RANK")) if rank < 0 else rank
        world_size = int(_environment("WORLD_SIZE")) if world_size < 0 else world_size
        host, port = _environment("MASTER_ADDR"), int(_environment("MASTER_PORT"))
        return TCPStore(host, port, world_size, rank == 0, timeout), rank, world_size
    path, _, query = rest.partition("?")
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        if name == "rank":
            rank = int(value)
        elif name == "world_size":
            world_size = int(value)
    if rank < 0:
        raise ValueError(f"Error initializing torch.distributed using {scheme}:// rendezvous: rank parameter missing")
    if world_size < 0:
        raise ValueError(f"Error initializing torch.distributed using {scheme}:// rendezvous: world size parameter "
                         "missing")
    if scheme == "tcp":
        host, _, port = path.rstrip("/").rpartition(":")
        return TCPStore(host, int(port), world_size, rank == 0, timeout), rank, world_size
    if scheme == "file":
        return FileStore(path, world_size), rank, world_size
    raise RuntimeError(f"No rendezvous handler for {scheme}://")


def init_process_group(backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
                       world_size: int = -1, rank: int = -1, store: Store | None = None, group_name: str = "",
                       pg_options: Any = None, device_id: Any = None) -> None:
    """Join the group of world_size processes as number rank.

    init_method: "env://" (the default: MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE), "tcp://host:port" or "file://path";
    or a store. backend: "gloo", which here means TCP connections between the processes.
    """
    global _store
    if GroupMember.WORLD is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    name = (backend or "gloo").lower().split(",")[0].split(":")[-1]
    if name in ("nccl", "mpi", "ucc", "xccl"):
        raise RuntimeError(f"init_process_group: backend {backend!r} is not available; use \"gloo\"")
    if name not in ("gloo", "undefined"):
        raise ValueError(f"init_process_group: unknown backend {backend!r} (expected \"gloo\")")
    timeout = timeout or default_pg_timeout
    if store is not None:
        if not (world_size > 0 and rank >= 0):
            raise AssertionError("world_size must be positive and rank non-negative if using store")
    else:
        store, rank, world_size = _rendezvous(init_method or "env://", rank, world_size, timeout)
    store.set_timeout(timeout)
    _store = PrefixStore("default_pg", store)
    transport = Transport(_store, rank, world_size, timeout)
    GroupMember.WORLD = ProcessGroup("0", transport, list(range(world_size)), "gloo")
    _groups.append(GroupMember.WORLD)
    barrier()


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leave a group; without one, all groups, and close the connections."""
    global _store
    world = GroupMember.WORLD
    if world is None:
        raise AssertionError("Process group cannot be None")
    if group is not None and group is not world:
        _groups.remove(group)
        return
    world._transport.close()
    _groups.clear()
    GroupMember.WORLD = None
    _store = None


def _get_default_group() -> ProcessGroup:
    """The group of all processes. ValueError before init_process_group."""
    return _of(None)


def _of(group: Any) -> ProcessGroup:
    """A group, by default that of all processes."""
    if group is None or group is GroupMember.WORLD:
        if GroupMember.WORLD is None:
            raise ValueError("Default process group has not been initialized, please make sure to call "
                             "init_process_group.")
        return GroupMember.WORLD
    return group


def new_group(ranks: list[int] | None = None, timeout: timedelta | None = None, backend: str | None = None,
              pg_options: Any = None, use_local_synchronization: bool = False, group_desc: str | None = None,
              device_id: Any = None, sort_ranks: bool = True) -> Any:
    """A group of some of the processes. All processes must call it, in the same order."""
    world = _of(None)
    members = list(range(world.size())) if ranks is None else sorted(ranks) if sort_ranks else list(ranks)
    for r in members:
        if not 0 <= r < world.size():
            raise ValueError("The new group's rank should be within the world_size set by init_process_group")
    if len(set(members)) != len(members):
        raise RuntimeError("the new group's ranks must be distinct")
    made = ProcessGroup(world.next_key().replace("/", "."), world._transport, members, "gloo")
    if world._transport.rank not in members:
        return GroupMember.NON_GROUP_MEMBER
    _groups.append(made)
    return made


def get_rank(group: Any = None) -> int:
    """This process' rank; -1 outside the group."""
    g = _of(group)
    return -1 if g == GroupMember.NON_GROUP_MEMBER else g.rank()


def get_world_size(group: Any = None) -> int:
    """The number of processes; -1 outside the group."""
    g = _of(group)
    return -1 if g == GroupMember.NON_GROUP_MEMBER else g.size()


def get_backend(group: Any = None) -> Backend:
    """The backend's name."""
    return Backend(_of(group).backend_name)


def get_process_group_ranks(group: Any) -> list[int]:
    """The members' global ranks."""
    return list(_of(group).ranks)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The global rank of a member."""
    ranks = _of(group).ranks
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return ranks[group_rank]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in a group of a global rank."""
    ranks = _of(group).ranks
    if global_rank not in ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return ranks.index(global_rank)


# -- tensors as bytes -------------------------------------------------------------------------------------------------

def _check(value: Any, name: str = "tensor") -> Any:
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor\n"
                        f"             but got {type(value)} instead.")
    return value.detach()


def _check_list(values: Any, name: str) -> list:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, torch.Tensor) for v in values):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor]\n"
                        f"             but got {type(values)} instead.")
    return [v.detach() for v in values]


def _raw(tensor: Any) -> Any:
    """The bytes of a tensor's values in row-major order."""
    flat = tensor.contiguous().reshape(-1)
    return b"" if flat.numel() == 0 else memoryview(flat.view(torch.uint8).numpy()) if flat.dtype != torch.bool \
        else memoryview(flat.to(torch.uint8).numpy())


def _value(data: bytearray, like: Any) -> Any:
    """A tensor of the type and shape of another from bytes."""
    expected = like.numel() * like.element_size()
    if len(data) != expected:
        raise RuntimeError(f"torch.distributed: processes disagree about a tensor's size (got {len(data)} bytes, "
                           f"expected {expected} for {tuple(like.shape)} of {like.dtype})")
    if expected == 0:
        return like.new_empty(like.shape)
    return torch.frombuffer(data, dtype=like.dtype).reshape(like.shape)


def _root(group: ProcessGroup, rank: int | None, group_rank: int | None, what: str, default: int | None = None) -> int:
    """The rank in the group that src or dst (global) or their group_ forms mean."""
    if group_rank is not None:
        if rank is not None:
            raise ValueError(f"Can't specify both group_{what} and {what}")
        return group_rank
    if rank is None:
        if default is None:
            raise ValueError(f"Must specify {what} or group_{what}")
        rank = default
    if rank not in group.ranks:
        raise RuntimeError(f"torch.distributed: invalid root rank: {rank}")
    return group.ranks.index(rank)


def _collective(function: Callable) -> Callable:
    """Outside the group a collective does nothing; with async_op it returns a finished Work."""

    @functools.wraps(function)
    def call(*args: Any, async_op: bool = False, **kwargs: Any) -> Any:
        group = kwargs.get("group")
        if isinstance(group, int) and group == GroupMember.NON_GROUP_MEMBER:
            return None
        with torch.no_grad():
            result = function(*args, **kwargs)
        if async_op:
            work = Work()
            work._result = result
            return work
        return None

    return call


# -- collectives ------------------------------------------------------------------------------------------------------

def _combine(parts: list, op: int, count: int) -> Any:
    total = parts[0].clone()
    for part in parts[1:]:
        total = _COMBINE[op](total, part)
    if op == ReduceOp.AVG:
        total = total.div_(count) if total.is_floating_point() or total.is_complex() else total // count
    return total


def _gather_all(g: ProcessGroup, tensor: Any) -> list:
    """Everyone's tensor, in the order of ranks."""
    key, me = g.next_key(), g.rank()
    data = _raw(tensor)
    for r in range(g.size()):
        if r != me:
            g.send(r, key, data)
    return [tensor if r == me else _value(g.receive(r, key), tensor) for r in range(g.size())]


@_collective
def all_reduce(tensor: Any, op: int = ReduceOp.SUM, group: Any = None) -> None:
    """Combine everyone's tensor; the result is in each of them."""
    t, g = _check(tensor), _of(group)
    if g.size() == 1:
        return
    if t.numel() * t.element_size() <= _SMALL:
        t.copy_(_combine(_gather_all(g, t), op, g.size()))
        return
    # Each rank combines one piece of the tensor and hands it to all.
    flat = t.contiguous().reshape(-1)
    pieces = list(flat.tensor_split(g.size()))
    key, me = g.next_key(), g.rank()
    for r in range(g.size()):
        if r != me:
            g.send(r, key, _raw(pieces[r]))
    mine = _combine([pieces[me] if r == me else _value(g.receive(r, key), pieces[me]) for r in range(g.size())], op,
                    g.size())
    whole = [mine] * g.size()
    key += "/done"
    for r in range(g.size()):
        if r != me:
            g.send(r, key, _raw(mine))
    for r in range(g.size()):
        if r != me:
            whole[r] = _value(g.receive(r, key), pieces[r])
    t.copy_(torch.cat(whole).reshape(t.shape))


@_collective
def reduce(tensor: Any, dst: int | None = None, op: int = ReduceOp.SUM, group: Any = None,
           group_dst: int | None = None) -> None:
    """Combine everyone's tensor in that of dst."""
    t, g = _check(tensor), _of(group)
    root, key = _root(g, dst, group_dst, "dst"), g.next_key()
    if g.rank() != root:
        g.send(root, key, _raw(t))
        return
    parts = [t if r == root else _value(g.receive(r, key), t) for r in range(g.size())]
    t.copy_(_combine(parts, op, g.size()))


@_collective
def broadcast(tensor: Any, src: int | None = None, group: Any = None, group_src: int | None = None) -> None:
    """Copy src's tensor into everyone's."""
    t, g = _check(tensor), _of(group)
    root, key = _root(g, src, group_src, "src"), g.next_key()
    if g.rank() != root:
        t.copy_(_value(g.receive(root, key), t))
        return
    data = _raw(t)
    for r in range(g.size()):
        if r != root:
            g.send(r, key, data)


@_collective
def all_gather(tensor_list: Any, tensor: Any, group: Any = None) -> None:
    """Everyone's tensor into each one's list."""
    out, t, g = _check_list(tensor_list, "tensor_list"), _check(tensor), _of(group)
    if len(out) != g.size():
        raise RuntimeError(f"all_gather: invalid output tensor list (expected length {g.size()}, got {len(out)})")
    for place, value in zip(out, _gather_all(g, t)):
        if place.numel() != value.numel():
            raise RuntimeError(f"all_gather: invalid tensor size (expected {tuple(t.shape)}, got {tuple(place.shape)})")
        place.copy_(value.reshape(place.shape))


@_collective
def all_gather_into_tensor(output_tensor: Any, input_tensor: Any, group: Any = None) -> None:
    """Everyone's tensor, one behind the other (or stacked), into one tensor."""
    out, t, g = _check(output_tensor, "output_tensor"), _check(input_tensor, "input_tensor"), _of(group)
    out.copy_(torch.cat([v.reshape(-1) for v in _gather_all(g, t)]).reshape(out.shape))


@_collective
def gather(tensor: Any, gather_list: Any = None, dst: int | None = None, group: Any = None,
           group_dst: int | None = None) -> None:
    """Everyone's tensor into dst's list."""
    t, g = _check(tensor), _of(group)
    root, key = _root(g, dst, group_dst, "dst", default=g.ranks[0]), g.next_key()
    if g.rank() != root:
        if gather_list:
            raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
        g.send(root, key, _raw(t))
        return
    if not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    for r, place in enumerate(_check_list(gather_list, "gather_list")):
        place.copy_(t if r == root else _value(g.receive(r, key), t))


@_collective
def scatter(tensor: Any, scatter_list: Any = None, src: int | None = None, group: Any = None,
            group_src: int | None = None) -> None:
    """The tensors of src's list, one to each."""
    t, g = _check(tensor), _of(group)
    root, key = _root(g, src, group_src, "src", default=g.ranks[0]), g.next_key()
    if g.rank() != root:
        if scatter_list:
            raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
        t.copy_(_value(g.receive(root, key), t))
        return
    if not scatter_list:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    for r, part in enumerate(_check_list(scatter_list, "scatter_list")):
        if r == root:
            t.copy_(part)
        else:
            g.send(r, key, _raw(part))


def _exchange(g: ProcessGroup, parts: list, places: list) -> list:
    """parts[r] to rank r; what rank r sent, shaped like places[r]."""
    key, me = g.next_key(), g.rank()
    for r in range(g.size()):
        if r != me:
            g.send(r, key, _raw(parts[r]))
    return [parts[me] if r == me else _value(g.receive(r, key), places[r]) for r in range(g.size())]


@_collective
def reduce_scatter(output: Any, input_list: Any, op: int = ReduceOp.SUM, group: Any = None) -> None:
    """Combine everyone's lists; entry r goes to rank r."""
    out, parts, g = _check(output, "output"), _check_list(input_list, "input_list"), _of(group)
    out.copy_(_combine(_exchange(g, parts, [out] * g.size()), op, g.size()))


@_collective
def reduce_scatter_tensor(output: Any, input: Any, op: int = ReduceOp.SUM, group: Any = None) -> None:  # noqa: A002
    """reduce_scatter of equal pieces of one tensor."""
    out, whole, g = _check(output, "output"), _check(input, "input"), _of(group)
    parts = [p.reshape(out.shape) for p in whole.contiguous().reshape(-1).tensor_split(g.size())]
    out.copy_(_combine(_exchange(g, parts, [out] * g.size()), op, g.size()))


@_collective
def all_to_all(output_tensor_list: Any, input_tensor_list: Any, group: Any = None) -> None:
    """Entry r of my input list to rank r; entry r of my output list from rank r."""
    out, parts, g = _check_list(output_tensor_list, "output_tensor_list"), _check_list(
        input_tensor_list, "input_tensor_list"), _of(group)
    for place, value in zip(out, _exchange(g, parts, out)):
        place.copy_(value)


@_collective
def all_to_all_single(output: Any, input: Any, output_split_sizes: Any = None,  # noqa: A002
                      input_split_sizes: Any = None, group: Any = None) -> None:
    """all_to_all of pieces along the first dimension."""
    out, whole, g = _check(output, "output"), _check(input, "input"), _of(group)
    parts = whole.split(list(input_split_sizes)) if input_split_sizes else whole.tensor_split(g.size())
    places = out.split(list(output_split_sizes)) if output_split_sizes else out.tensor_split(g.size())
    for place, value in zip(places, _exchange(g, list(parts), list(places))):
        place.copy_(value)


@_collective
def barrier(group: Any = None, device_ids: Any = None, timeout: timedelta | None = None) -> None:
    """Wait until every process is here."""
    g = _of(group)
    key, me = g.next_key(), g.rank()
    for r in range(g.size()):
        if r != me:
            g.send(r, key, b"")
    for r in range(g.size()):
        if r != me:
            g._transport.receive(g.ranks[r], key, timeout)


def monitored_barrier(group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False) -> None:
    """barrier with a timeout of its own."""
    barrier(group=group, timeout=timeout)


# -- from one to another ----------------------------------------------------------------------------------------------

def _peer(g: ProcessGroup, rank: int | None, group_rank: int | None, what: str) -> int:
    peer = _root(g, rank, group_rank, "dst" if what == "destination" else "src")
    if peer == g.rank():
        raise ValueError(f"Invalid {what} rank: {what} rank should not be the same as the rank of the current process.")
    return peer


def send(tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> None:
    """Send a tensor to a process."""
    t, g = _check(tensor), _of(group)
    g.send(_peer(g, dst, group_dst, "destination"), f"{g.group_name}/p2p/{tag}", _raw(t))


def recv(tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Receive into a tensor from src, or from any process; returns its rank."""
    t, g = _check(tensor), _of(group)
    key = f"{g.group_name}/p2p/{tag}"
    if src is None and group_src is None:
        me = g._transport.rank
        sender, data = g._transport.receive_any([r for r in g.ranks if r != me], key)
    else:
        peer = _peer(g, src, group_src, "source")
        sender, data = g.ranks[peer], g.receive(peer, key)
    with torch.no_grad():
        t.copy_(_value(data, t))
    return sender


def isend(tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> Work:
    """send(); the Work is done."""
    send(tensor, dst, group, tag, group_dst)
    return Work()


def irecv(tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> Work:
    """A Work whose wait() receives."""
    return Work(lambda: recv(tensor, src, group, tag, group_src))


class P2POp:
    """An isend or irecv for batch_isend_irecv."""

    def __init__(self, op: Callable, tensor: Any, peer: int | None = None, group: Any = None, tag: int = 0,
                 group_peer: int | None = None) -> None:
        if op not in (isend, irecv):
            raise ValueError("Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or "
                             "``torch.distributed.irecv``.")
        self.op, self.tensor, self.tag = op, tensor, tag
        self.peer, self.group, self.group_peer = peer, group, group_peer


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Start all; sends come first, so that no order of the list can block."""
    works: dict[int, Work] = {}
    for i, p in sorted(enumerate(p2p_op_list), key=lambda item: item[1].op is irecv):
        works[i] = p.op(p.tensor, p.peer, p.group, p.tag, p.group_peer)
    return [works[i] for i in range(len(p2p_op_list))]


# -- objects, by pickle: the members of a group trust each other ------------------------------------------------------

def all_gather_object(object_list: list, obj: Any, group: Any = None) -> None:
    """Everyone's object into each one's list."""
    g = _of(group)
    key, me, data = g.next_key(), g.rank(), pickle.dumps(obj)
    for r in range(g.size()):
        g.send(r, key, data)
    for r in range(g.size()):
        object_list[r] = pickle.loads(g.receive(r, key)) if r != me else pickle.loads(g.receive(me, key))


def gather_object(obj: Any, object_gather_list: list | None = None, dst: int | None = None, group: Any = None,
                  group_dst: int | None = None) -> None:
    """Everyone's object into dst's list."""
    g = _of(group)
    root, key = _root(g, dst, group_dst, "dst", default=g.ranks[0]), g.next_key()
    g.send(root, key, pickle.dumps(obj))
    if g.rank() == root:
        if object_gather_list is None:
            raise ValueError("Argument ``object_gather_list`` must be specified on destination rank.")
        for r in range(g.size()):
            object_gather_list[r] = pickle.loads(g.receive(r, key))


def broadcast_object_list(object_list: list, src: int | None = None, group: Any = None, device: Any = None,
                          group_src: int | None = None) -> None:
    """src's objects into everyone's list."""
    g = _of(group)
    root, key = _root(g, src, group_src, "src", default=g.ranks[0]), g.next_key()
    if g.rank() == root:
        data = pickle.dumps(list(object_list))
        for r in range(g.size()):
            if r != root:
                g.send(r, key, data)
    else:
        object_list[:] = pickle.loads(g.receive(root, key))


def scatter_object_list(scatter_object_output_list: list, scatter_object_input_list: list | None = None,
                        src: int | None = None, group: Any = None, group_src: int | None = None) -> None:
    """The objects of src's list, one to each, as first entry of its output list."""
    g = _of(group)
    root, key = _root(g, src, group_src, "src", default=g.ranks[0]), g.next_key()
    if g.rank() == root:
        if scatter_object_input_list is None:
            raise ValueError("source rank must provide non-None scatter_object_input_list")
        for r, obj in enumerate(scatter_object_input_list):
            g.send(r, key, pickle.dumps(obj))
    scatter_object_output_list[0] = pickle.loads(g.receive(root, key))


def send_object_list(object_list: list, dst: int | None = None, group: Any = None, device: Any = None,
                     group_dst: int | None = None) -> None:
    """Send objects to a process."""
    g = _of(group)
    g.send(_peer(g, dst, group_dst, "destination"), f"{g.group_name}/objects", pickle.dumps(list(object_list)))


def recv_object_list(object_list: list, src: int | None = None, group: Any = None, device: Any = None,
                     group_src: int | None = None) -> int:
    """Receive objects from src, or from any process; returns its rank."""
    g = _of(group)
    key = f"{g.group_name}/objects"
    if src is None and group_src is None:
        sender, data = g._transport.receive_any([r for r in g.ranks if r != g._transport.rank], key)
    else:
        peer = _peer(g, src, group_src, "source")
        sender, data = g.ranks[peer], g.receive(peer, key)
    object_list[:] = pickle.loads(data)
    return sender


