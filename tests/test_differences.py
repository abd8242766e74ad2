"""Differences from PyTorch by design: one test for each paragraph of docs/differences.md."""
from __future__ import annotations

import io
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flambeau as torch

PAGE = Path(__file__).resolve().parents[1] / "docs" / "differences.md"


def test_conj_is_computed():
    x = torch.tensor([1 + 2j, 3 - 1j])
    y = x.conj()
    assert not y.is_conj() and y.data_ptr() != x.data_ptr()
    assert y.tolist() == [1 - 2j, 3 + 1j]
    assert torch.equal(y.resolve_conj(), y) and torch.equal(x.mH if x.dim() == 2 else y, y)


def test_negation_is_computed():
    x = torch.tensor([1 + 2j, 3 - 1j])
    imaginary = x.conj().imag
    assert not imaginary.is_neg() and imaginary.tolist() == [-2.0, 1.0]
    assert torch.equal(imaginary.resolve_neg(), imaginary)


class Stranger:
    """Its pickled form runs code when a pickle machine reads it."""

    ran: list[str] = []

    def __reduce__(self):
        return Stranger.ran.append, ("code ran",)


def test_load_runs_no_code():
    file = io.BytesIO()
    torch.save({"x": torch.zeros(2)}, file)
    file.seek(0)
    assert torch.load(file)["x"].tolist() == [0.0, 0.0]
    Stranger.ran.clear()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(pickle.dumps(Stranger(), protocol=2)))
    assert not Stranger.ran


def test_out_of_memory_has_a_class():
    with pytest.raises(torch.OutOfMemoryError, match="you tried to allocate") as caught:
        torch.empty(1 << 50)
    assert isinstance(caught.value, RuntimeError)


def test_threads_do_not_change_results():
    before = torch.get_num_threads()
    x = torch.linspace(-3, 5, 300000).reshape(600, 500)
    results = []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append([x.sum(), x.mean(0), x.std(), x @ x.t(), x.softmax(1), x.logsumexp(1)])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other))


def test_ctrl_c_stops_one_operator():
    code = ("import os, signal, threading, flambeau as torch\na = torch.ones(1).expand(500000000)\n"
            "threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
            "try: torch.lgamma(a)\n"
            "except KeyboardInterrupt: print('stopped')")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "stopped\n"


def test_compile_changes_nothing():
    def f(x):
        return x.sin() * 2 if x.sum() > 0 else x.cos()  # a branch on a value: no graph break, no second graph
    g = torch.compile(f, fullgraph=True)
    for x in (torch.ones(3), -torch.ones(3)):
        assert torch.equal(f(x), g(x))


def test_traced_functions_keep_their_branches():
    f = torch.jit.trace(lambda x: x * 2 if x.sum() > 0 else x - 1, torch.ones(2))
    assert f(-torch.ones(2)).tolist() == [-2.0, -2.0]


def test_sparse_tensors_are_a_subclass():
    x = torch.eye(2).to_sparse()
    assert isinstance(x, torch.Tensor) and x.is_sparse and x.layout == torch.sparse_coo
    assert type(x) is not torch.Tensor and type(x).__name__ == "SparseTensor"


def test_devices_do_not_mix():
    x = torch.empty(2, 2, device="meta")
    for mix in (lambda: torch.mm(torch.ones(2, 2), x), lambda: torch.ones(2, 2).add_(x)):
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            mix()
    assert x[torch.tensor([0])].is_meta and (x * torch.tensor(2.0)).is_meta


def test_sizes_are_integers():
    x = torch.zeros(2, 3)
    assert type(x.size(0)) is int and not isinstance(x.size(0), torch.SymInt)


def test_version_names_both():
    assert re.fullmatch(r"2\.\d+\.\d+\+flambeau\.\d+\.\d+\.\d+", torch.__version__)


def test_only_the_processor():
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    with pytest.raises(AssertionError, match="not compiled with CUDA enabled"):
        torch.ones(2).cuda()


def test_two_mistakes_are_not_repeated():
    x = torch.arange(6.0, dtype=torch.float64, requires_grad=True)
    torch.as_strided_scatter(x, torch.ones(2, dtype=torch.float64), (2,), (2,), 0).sum().backward()
    assert x.grad.tolist() == [0, 1, 0, 1, 1, 1]
    one = torch.ones(1, dtype=torch.float64)
    assert torch.distributions.GeneralizedPareto(one * 0, one, one).cdf(one).item() == 0.5


def test_every_difference_names_its_test():
    """The page and this file name the same tests."""
    here = {name for name in globals() if name.startswith("test_") and name != "test_every_difference_names_its_test"}
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert named == here


def test_small_floats_are_names():
    kind = torch.float8_e4m3fn
    assert str(kind) == "torch.float8_e4m3fn" and kind.itemsize == 1 and kind.is_floating_point and torch.finfo(kind).max == 448
    assert torch.ones(1).dtype != kind
    for call in (lambda: torch.zeros(1, dtype=kind), lambda: torch.ones(1).to(kind), lambda: torch.can_cast(kind, torch.float32)):
        with pytest.raises(NotImplementedError, match="known by name only"):
            call()


def test_sharding_is_refused():
    from flambeau.distributed import fsdp, tensor

    assert not isinstance(torch.ones(1), tensor.DTensor)
    for call in (lambda: fsdp.fully_shard(torch.nn.Linear(1, 1)), lambda: fsdp.FullyShardedDataParallel(torch.nn.Linear(1, 1)),
                 lambda: tensor.distribute_tensor(torch.ones(1)), lambda: torch.distributed.checkpoint.save({})):
        with pytest.raises(NotImplementedError, match="not offered"):
            call()


def test_duals_lie_on_the_graph():
    import flambeau.autograd.forward_ad as fwAD
    with fwAD.dual_level():
        dual = fwAD.make_dual(torch.ones(2), torch.ones(2))
        assert (dual * 2).requires_grad and fwAD.unpack_dual(dual * 2).tangent.tolist() == [2, 2]
        with torch.no_grad():
            assert fwAD.unpack_dual(dual * 2).tangent is None
