"""Order and search: sort, topk, kthvalue, median, mode, unique, searchsorted, histograms."""

import pytest

import flambeau as torch

NAN = float("nan")
X = torch.tensor([[3.0, 1.0, 2.0], [NAN, 5.0, 4.0]])


def test_sort():
    values, indices = torch.sort(X)
    assert str(values.tolist()) == "[[1.0, 2.0, 3.0], [4.0, 5.0, nan]]" and indices.tolist() == [[1, 2, 0], [2, 1, 0]]
    named = X.sort(0, descending=True)
    assert named.indices.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert torch.argsort(X, descending=True).tolist() == [[0, 2, 1], [0, 1, 2]]
    ties = torch.tensor([1, 0, 1, 0])
    assert torch.sort(ties, stable=True).indices.tolist() == [1, 3, 0, 2]
    assert torch.msort(torch.tensor([[2, 1], [1, 2]])).tolist() == [[1, 1], [2, 2]]
    out = torch.empty(0), torch.empty(0, dtype=torch.int64)
    torch.sort(X[0], out=out)
    assert out[0].tolist() == [1, 2, 3]
    x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    (torch.sort(x).values * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [3, 1, 2]


def test_selection():
    top = torch.topk(torch.tensor([1, 5, 3, 4]), 2)
    assert top.values.tolist() == [5, 4] and top.indices.tolist() == [1, 3]
    assert torch.topk(torch.tensor([1, 5, 3, 4]), 2, largest=False).values.tolist() == [1, 3]
    assert torch.kthvalue(torch.tensor([4, 1, 3]), 2).values.item() == 3
    assert torch.median(torch.tensor([4, 1, 3, 2])).item() == 2
    assert str(torch.median(X, 1).values.tolist()) == "[2.0, nan]"
    assert torch.nanmedian(X, 1).values.tolist() == [2, 4]
    assert torch.mode(torch.tensor([2, 1, 2, 1, 3])).values.item() == 1
    x = torch.tensor([1.0, 5.0, 3.0], requires_grad=True)
    torch.topk(x, 2).values.sum().backward()
    assert x.grad.tolist() == [0, 1, 1]
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        torch.topk(torch.ones(3), 4)
    with pytest.raises(IndexError, match="Dimension out of range"):
        torch.sort(X, 2)


def test_unique():
    x = torch.tensor([3, 1, 3, 2, 2])
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    assert (values.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 3], [2, 0, 2, 1, 1], [1, 2, 2])
    assert torch.unique(torch.tensor([[1, 2], [0, 5], [1, 2]]), dim=0).tolist() == [[0, 5], [1, 2]]
    values, counts = torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_counts=True)
    assert values.tolist() == [1, 2, 1] and counts.tolist() == [2, 1, 1]
    assert x.unique().tolist() == [1, 2, 3]


def test_search_and_counts():
    edges = torch.tensor([1.0, 3.0, 5.0])
    assert torch.searchsorted(edges, torch.tensor([0.0, 3.0, 9.0])).tolist() == [0, 1, 3]
    assert torch.searchsorted(edges, torch.tensor([3.0]), right=True).tolist() == [2]
    assert torch.searchsorted(edges, 4.0).item() == 2
    assert torch.bucketize(torch.tensor([[2.0, 5.0]]), edges, out_int32=True).dtype == torch.int32
    assert torch.histc(torch.tensor([0.0, 1.0, 1.0, 3.0]), 3, 0, 3).tolist() == [1, 2, 1]
    assert torch.bincount(torch.tensor([0, 2, 2]), minlength=4).tolist() == [1, 0, 2, 0]
    assert torch.bincount(torch.tensor([0, 1, 1]), torch.tensor([0.5, 1.0, 2.0])).tolist() == [0.5, 3.0]
    assert torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 4])).tolist() == [False, True, False]
    with pytest.raises(RuntimeError, match="bincount only supports 1-d non-negative integral inputs"):
        torch.bincount(torch.tensor([-1]))
    with pytest.raises(RuntimeError, match="boundaries tensor should be 1 dimension or the first N-1 dimensions"):
        torch.searchsorted(torch.ones(3, 4), torch.ones(2, 4))
    with pytest.raises(RuntimeError, match="max must be larger than min"):
        torch.histc(edges, 4, 3, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int16])
@pytest.mark.parametrize("k", [1, 7, 40])
def test_topk_of_long_lines_is_the_start_of_a_stable_sort(dtype, k):
    torch.manual_seed(0)
    x = torch.randint(-300, 300, (5, 700)).to(dtype)
    if dtype.is_floating_point:
        x[0, ::11], x[1, 3], x[2], x[3, ::2], x[3, 1::2] = NAN, float("inf"), NAN, -0.0, 0.0
    for largest in (True, False):
        values, indices = torch.topk(x, k, -1, largest)
        ordered, places = torch.sort(x, dim=-1, descending=largest, stable=True)
        assert torch.equal(indices, places[:, :k])
        assert torch.equal(values.nan_to_num(1e3), ordered[:, :k].nan_to_num(1e3))
