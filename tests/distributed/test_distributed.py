"""torch.distributed: collectives between processes, stores."""
import multiprocessing
import socket
import threading
import time

import flambeau as torch
import flambeau.distributed as dist
import pytest


def member(rank, world, url):
    dist.init_process_group("gloo", init_method=url, rank=rank, world_size=world)
    assert dist.get_rank() == rank and dist.get_world_size() == world and dist.get_backend() == "gloo"
    for n in (3, 5000):
        t = torch.arange(n).float() + rank
        dist.all_reduce(t)
        assert torch.equal(t, torch.arange(n).float() * world + sum(range(world)))
    t = torch.full((2000,), rank + 1)
    dist.all_reduce(t, op=dist.ReduceOp.MAX)
    assert (t == world).all()
    gathered = [torch.zeros(2) for _ in range(world)]
    dist.all_gather(gathered, torch.full((2,), float(rank)))
    assert [g[0].item() for g in gathered] == list(range(world))
    b = torch.tensor([rank + 5.0])
    dist.broadcast(b, src=1)
    assert b.item() == 6.0
    s = torch.zeros(1)
    dist.scatter(s, [torch.tensor([i * 10.0]) for i in range(world)] if rank == 0 else None, src=0)
    assert s.item() == rank * 10
    out = [torch.zeros(1) for _ in range(world)]
    dist.all_to_all(out, [torch.tensor([rank * 10.0 + i]) for i in range(world)])
    assert [o.item() for o in out] == [i * 10 + rank for i in range(world)]
    objects = [None] * world
    dist.all_gather_object(objects, {"rank": rank})
    assert objects[1] == {"rank": 1}
    if rank == 0:
        dist.send(torch.ones(3), 1)
        x = torch.zeros(2)
        dist.irecv(x, 1).wait()
        assert x.tolist() == [7.0, 7.0]
    if rank == 1:
        assert dist.recv(torch.zeros(3)) == 0
        dist.isend(torch.full((2,), 7.0), 0)
    pair = dist.new_group([0, 1])
    if rank < 2:
        t = torch.ones(1)
        dist.all_reduce(t, group=pair)
        assert t.item() == 2.0
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize("world, scheme", [(3, "tcp"), (2, "file")])
def test_collectives(world, scheme, tmp_path):
    if scheme == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    else:
        url = f"file://{tmp_path / 'store'}"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=member, args=(r, world, url)) for r in range(world)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(120)
    assert [p.exitcode for p in processes] == [0] * world


def test_stores(tmp_path):
    tcp = dist.TCPStore("127.0.0.1", 0, 1, True)
    for store in (dist.HashStore(), dist.FileStore(str(tmp_path / "f")), tcp, dist.PrefixStore("p", tcp)):
        store.set("k", "v")
        assert store.get("k") == b"v" and store.add("n", 2) == 2 and store.add("n", 3) == 5
        assert store.compare_set("k", "v", "w") == b"w" and store.get("k") == b"w"
        assert store.check(["k"]) and not store.check(["missing"])
        assert store.delete_key("k") and not store.check(["k"])


def test_waiting_for_a_key():
    store = dist.HashStore()
    threading.Thread(target=lambda: (time.sleep(0.05), store.set("late", "1"))).start()
    assert store.get("late") == b"1"


def test_not_initialised():
    assert dist.is_available() and not dist.is_initialized()
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        dist.all_reduce(torch.ones(1))
    with pytest.raises(ValueError, match="environment variable RANK expected"):
        dist.init_process_group("gloo")
