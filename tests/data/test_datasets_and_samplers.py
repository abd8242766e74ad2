"""Datasets, samplers and collating: contents, random orders (literal numbers of PyTorch's), errors."""
import collections
import warnings

import numpy
import pytest

import flambeau as torch
from flambeau.utils import data
from flambeau.utils.data import default_collate, default_convert


class Counting(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def test_datasets():
    ten = data.TensorDataset(torch.arange(10), torch.arange(10.0) * 2)
    assert len(ten) == 10 and ten[3] == (3, 6.0)
    both = data.ConcatDataset([range(3), range(10, 12)])
    assert [both[i] for i in (0, 2, 3, 4, -1, -5)] == [0, 2, 10, 11, 11, 0] and both.cumulative_sizes == [3, 5]
    part = data.Subset(range(10), [7, 3])
    assert part[1] == 3 and part.__getitems__([1, 0]) == [3, 7] and len(part) == 2
    assert data.StackDataset(range(3), range(5, 8))[1] == (1, 6)
    assert data.StackDataset(a=range(3)).__getitems__([2, 0]) == [{"a": 2}, {"a": 0}]
    assert list(data.ChainDataset([Counting(2), Counting(3)])) == [0, 1, 0, 1, 2]
    assert list(Counting(2) + Counting(1)) == [0, 1, 0] and len(ten + ten) == 20


def test_random_split():
    generator = torch.Generator().manual_seed(42)
    parts = data.random_split(range(10), [3, 7], generator=generator)
    assert [part.indices for part in parts] == [[2, 6, 1], [8, 4, 5, 0, 9, 3, 7]]
    assert [len(p) for p in data.random_split(range(10), [0.33, 0.33, 0.34])] == [4, 3, 3]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        data.random_split(range(10), [5, 3])


def test_orders_are_pytorchs():
    torch.manual_seed(0)
    ten = range(10)
    assert list(data.RandomSampler(ten)) == [6, 9, 0, 7, 3, 5, 4, 2, 1, 8]
    assert list(data.RandomSampler(ten, replacement=True, num_samples=40)) == [
        6, 3, 7, 0, 7, 1, 7, 9, 0, 6, 1, 8, 4, 1, 9, 3, 5, 2, 9, 2, 8, 9, 1, 7, 7, 4, 2, 7, 5, 7, 6, 3, 1, 8, 4, 7,
        9, 3, 3, 6]
    assert list(data.RandomSampler(ten, num_samples=25)) == [
        3, 5, 0, 6, 1, 2, 4, 9, 7, 8, 7, 3, 8, 4, 5, 1, 0, 2, 9, 6, 4, 9, 3, 6, 1]
    torch.manual_seed(0)
    assert list(data.SubsetRandomSampler([5, 6, 7, 8])) == [5, 6, 8, 7]
    assert list(data.WeightedRandomSampler([0.1, 0.4, 0.5], 10)) == [0, 0, 1, 0, 1, 1, 1, 1, 1, 1]
    torch.manual_seed(0)
    loader = data.DataLoader(data.TensorDataset(torch.arange(10)), batch_size=3, shuffle=True)
    assert [batch[0].tolist() for batch in loader] == [[6, 7, 1], [4, 2, 0], [9, 8, 3], [5]]
    assert torch.rand(1).item() == pytest.approx(0.3074, abs=1e-4)
    generator = torch.Generator().manual_seed(4)
    loader = data.DataLoader(range(10), batch_size=3, shuffle=True, generator=generator)
    assert [batch.tolist() for batch in loader] == [[1, 3, 0], [2, 9, 6], [8, 7, 5], [4]]


def test_distributed_sampler():
    shares = [list(data.DistributedSampler(range(10), 3, r, shuffle=False)) for r in range(3)]
    assert shares == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    shares = [list(data.DistributedSampler(range(10), 3, r, seed=3, drop_last=True)) for r in range(3)]
    assert shares == [[6, 7, 1], [0, 8, 9], [3, 5, 2]]
    sampler = data.DistributedSampler(range(10), 3, 0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first and len(sampler) == 4


def test_batch_sampler():
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(data.BatchSampler(range(5), 2, False)) == 3


def test_collate():
    point = collections.namedtuple("point", "x y")
    batch = default_collate([{"a": 1, "b": (1.5, "s"), "c": numpy.ones(2, "int16"), "p": point(True, b"b")}] * 2)
    assert batch["a"].dtype == torch.int64 and batch["b"][0].dtype == torch.float64
    assert batch["b"][1] == ("s", "s") and batch["c"].dtype == torch.int16 and batch["c"].shape == (2, 2)
    assert type(batch["p"]) is point and batch["p"].x.dtype == torch.bool and batch["p"].y == (b"b", b"b")
    assert default_collate([numpy.float32(1), numpy.float32(2)]).dtype == torch.float32
    assert type(default_collate([collections.OrderedDict(a=1)])) is collections.OrderedDict
    assert default_convert({"x": numpy.ones(1), "s": "s", "l": [numpy.zeros(1)]})["l"][0].dtype == torch.float64


@pytest.mark.parametrize("batch, error, text", [
    ([object()], TypeError, "must contain tensors, numpy arrays, numbers, dicts or lists; found <class 'object'>"),
    ([[1, 2], [1]], RuntimeError, "each element in list of batch should be of equal size"),
    ([{1: 2}, {3: 4}], KeyError, "1"),
    ([None], TypeError, "NoneType"),
])
def test_collate_errors(batch, error, text):
    with pytest.raises(error) as caught:
        default_collate(batch)
    assert text in str(caught.value)


@pytest.mark.parametrize("call, error, text", [
    (lambda: data.TensorDataset(torch.ones(2), torch.ones(3)), AssertionError, "Size mismatch between tensors"),
    (lambda: data.ConcatDataset([]), AssertionError, "should not be an empty iterable"),
    (lambda: data.Dataset()[0], NotImplementedError, "should implement __getitem__"),
    (lambda: data.RandomSampler([]), ValueError, "num_samples should be a positive integer value"),
    (lambda: data.BatchSampler([1], 0, False), ValueError, "batch_size should be a positive integer value"),
    (lambda: data.DataLoader([1], num_workers=-1), ValueError, "num_workers option should be non-negative"),
    (lambda: data.DataLoader([1], batch_size=0), ValueError, "batch_size should be a positive integer value"),
    (lambda: data.DataLoader([1], sampler=[0], shuffle=True), ValueError, "mutually exclusive with shuffle"),
    (lambda: data.DataLoader([1], prefetch_factor=2), ValueError, "could only be specified in multiprocessing"),
    (lambda: data.DataLoader(Counting(3), shuffle=True), ValueError, "expected unspecified shuffle option"),
    (lambda: len(data.DataLoader(Counting(3))), TypeError, "has no len()"),
])
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def test_loader_in_this_process():
    loader = data.DataLoader(range(5), batch_size=2)
    assert len(loader) == 3 and [b.tolist() for b in loader] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(range(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(data.DataLoader(["a", "b"], batch_size=None)) == ["a", "b"]
    assert [b.tolist() for b in data.DataLoader(range(5), batch_sampler=[[4, 0], [1]])] == [[4, 0], [1]]
    assert [b.tolist() for b in data.DataLoader(Counting(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 3
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert len(list(data.DataLoader([1, 2], pin_memory=True))) == 2
    assert torch.cuda.is_available() or "no accelerator is found" in str(seen[0].message)


def test_tensor_dataset_batches_are_fresh_and_checked():
    x = torch.arange(6.0).reshape(3, 2)
    loader = data.DataLoader(data.TensorDataset(x, torch.arange(3)), batch_sampler=[[2, -3], [1]])
    batches = list(loader)
    assert batches[0][0].tolist() == [[4.0, 5.0], [0.0, 1.0]] and batches[0][1].tolist() == [2, 0]
    batches[0][0].zero_()
    assert x[2, 1].item() == 5.0
    with pytest.raises(IndexError):
        list(data.DataLoader(data.TensorDataset(x), batch_sampler=[[3]]))
