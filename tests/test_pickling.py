"""pickle and copy of tensors and of the core's small types."""
import copy
import pickle

import pytest

import flambeau as torch
from flambeau import nn


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors(protocol):
    base = torch.arange(12.0).reshape(3, 4)
    marked = torch.ones(2)
    marked.note = "kept"
    for x in (base, base[1:, ::2], base.t(), torch.ones(1).expand(3), torch.empty(0, 2), torch.tensor(True),
              torch.tensor(1.5, dtype=torch.bfloat16), torch.tensor([1j]), torch.ones(1, requires_grad=True), marked):
        y = pickle.loads(pickle.dumps(x, protocol))
        assert y.dtype == x.dtype and y.shape == x.shape and y.stride() == x.stride() and y.tolist() == x.tolist()
        assert y.requires_grad == x.requires_grad and y.__dict__ == x.__dict__
    assert len(pickle.dumps(torch.zeros(1000, 1000)[0, :2], protocol)) < 1000


def test_buffers_beside_the_pickle():
    buffers = []
    x = torch.arange(1000)
    data = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(data) < 500 and len(buffers) == 1
    assert pickle.loads(data, buffers=buffers).tolist() == x.tolist()


def test_parameters_and_layers():
    p = nn.Parameter(torch.ones(2), requires_grad=False)
    q = pickle.loads(pickle.dumps(p))
    assert type(q) is nn.Parameter and not q.requires_grad and q.tolist() == [1, 1]
    layer = nn.Linear(2, 3)
    again = pickle.loads(pickle.dumps(layer))
    assert again.weight.tolist() == layer.weight.tolist() and isinstance(again.weight, nn.Parameter)


@pytest.mark.parametrize("value", [
    torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.device("cpu"), torch.device("cuda", 1),
    torch.Size([1, 2]), torch.strided, torch.contiguous_format, torch.channels_last, torch.Tensor, nn.Parameter])
def test_small_types(value):
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)):
        assert again == value and type(again) is type(value)


def test_generators_and_storages():
    g = torch.Generator().manual_seed(3)
    h = pickle.loads(pickle.dumps(g))
    assert torch.rand(3, generator=g).tolist() == torch.rand(3, generator=h).tolist()
    s = torch.arange(3, dtype=torch.uint8).untyped_storage()
    assert bytes(memoryview(pickle.loads(pickle.dumps(s)))) == b"\x00\x01\x02"
