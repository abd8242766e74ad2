"""Meshes, collectives with gradients, collectives that return, the optimiser whose state is spread; between two processes."""
import multiprocessing

import flambeau as torch
import flambeau.distributed as dist
import flambeau.distributed.nn as dnn
import pytest
from flambeau.distributed import _functional_collectives as fc
from flambeau.distributed.optim import ZeroRedundancyOptimizer
from flambeau.distributed.tensor import Replicate, Shard
from flambeau.distributed.tensor._utils import compute_local_shape_and_global_offset


def member(rank, url):
    dist.init_process_group("gloo", init_method=url, rank=rank, world_size=2)
    x = torch.full((2,), rank + 1.0, requires_grad=True)
    y = dnn.all_reduce(x * 2)
    assert y.tolist() == [6, 6]
    (y * (rank + 1)).sum().backward()
    assert x.grad.tolist() == [6, 6]
    parts = dnn.all_gather(x)
    assert [p[0].item() for p in parts] == [1, 2]
    assert torch.autograd.grad((parts[0] + 3 * parts[1]).sum(), x)[0].tolist() == [[2, 2], [6, 6]][rank]
    assert fc.all_gather_tensor(x.detach(), 0, dist.group.WORLD).tolist() == [1, 1, 2, 2]
    assert fc.all_reduce(x, "sum", dist.group.WORLD).tolist() == [3, 3]
    assert fc.all_to_all_single(torch.arange(2) + 10 * rank, None, None, dist.group.WORLD).tolist() == [rank, 10 + rank]

    mesh = dist.init_device_mesh("cpu", (2, 1), mesh_dim_names=("dp", "tp"))
    assert mesh.shape == (2, 1) and mesh.get_local_rank("dp") == rank and mesh["dp"].size() == 2 and mesh["tp"].get_local_rank() == 0
    t = torch.ones(1)
    dist.all_reduce(t, group=mesh.get_group("dp"))
    assert t.item() == 2 and repr(mesh) == "DeviceMesh((dp=2, tp=1), 'cpu')"
    assert compute_local_shape_and_global_offset((5, 3), mesh, [Shard(0), Replicate()]) == ([(3, 3), (2, 3)][rank], [(0, 0), (3, 0)][rank])

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
    spread = ZeroRedundancyOptimizer(model.parameters(), torch.optim.Adam, lr=0.1)
    whole = torch.optim.Adam(plain.parameters(), lr=0.1)
    for _ in range(3):
        for net, optimizer in ((model, spread), (plain, whole)):
            optimizer.zero_grad()
            net(torch.ones(2, 3)).sum().backward()
            optimizer.step()
    for a, b in zip(model.parameters(), plain.parameters()):
        torch.testing.assert_close(a, b)
    assert 0 < len(spread.optim.state) < 4
    spread.consolidate_state_dict(to=0)
    if rank == 0:
        saved, expected = spread.state_dict(), whole.state_dict()
        assert saved["state"].keys() == expected["state"].keys()
        torch.testing.assert_close(saved["state"][0]["exp_avg"], expected["state"][0]["exp_avg"])
        fresh = torch.optim.Adam(plain.parameters())
        fresh.load_state_dict(saved)
    else:
        with pytest.raises(RuntimeError, match="has not been consolidated"):
            spread.state_dict()
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=member, args=(r, f"file://{tmp_path / 'store'}")) for r in range(2)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(120)
    assert [p.exitcode for p in processes] == [0, 0]


def test_reduce_op_names():
    assert isinstance(dist.ReduceOp.SUM, dist.ReduceOp.RedOpType) and dist.ReduceOp.SUM == 0
    with pytest.raises(NotImplementedError, match="use torch.bfloat16|not offered"):
        dist.fsdp.FSDPModule()
