"""Reading and writing by index: gather, scatter, index_*, masks, take and put, embeddings; gradients and errors."""

import pytest

import flambeau as torch
from flambeau.autograd import gradcheck, gradgradcheck

X = torch.arange(12.0).reshape(3, 4)
ROWS = torch.tensor([2, 0])


def test_gather_and_scatter():
    index = torch.tensor([[0, 1, 2, 0], [2, 2, 0, 1]])
    assert X.gather(0, index).tolist() == [[0, 5, 10, 3], [8, 9, 2, 7]]
    assert torch.zeros(3, 4).scatter(0, index, 1.0).sum(1).tolist() == [3, 2, 3]
    added = torch.zeros(3).scatter_add(0, torch.tensor([1, 1, 2]), torch.tensor([1.0, 2.0, 3.0]))
    assert added.tolist() == [0, 3, 3]
    source, at = torch.tensor([2.0, 4.0, 5.0]), torch.tensor([0, 0, 1])
    expected = {"sum": [7, 6, 1], "prod": [8, 5, 1], "mean": [7 / 3, 3, 1], "amax": [4, 5, 1], "amin": [1, 1, 1]}
    for how, values in expected.items():
        assert torch.allclose(torch.ones(3).scatter_reduce(0, at, source, how), torch.tensor(values, dtype=torch.float32))
    apart = torch.ones(3).scatter_reduce(0, at, source, "amin", include_self=False)
    assert apart.tolist() == [2, 5, 1]
    x = torch.ones(3)
    assert x.scatter_(0, at, source, reduce="multiply") is x and x.tolist() == [8, 5, 1]
    assert torch.tensor(3.0).gather(0, torch.tensor([0, 0])).tolist() == [3, 3]


def test_whole_slices():
    assert X.index_select(1, ROWS).tolist() == [[2, 0], [6, 4], [10, 8]]
    assert torch.zeros(3, 2).index_add(0, ROWS, torch.ones(2, 2), alpha=3).tolist() == [[3, 3], [0, 0], [3, 3]]
    assert torch.zeros(3, 1).index_copy(0, ROWS, torch.tensor([[1.0], [2.0]])).tolist() == [[2], [0], [1]]
    assert torch.zeros(3).index_fill(0, torch.tensor([-1]), 5).tolist() == [0, 0, 5]
    reduced = torch.full((3,), 2.0).index_reduce(0, torch.tensor([0, 0]), torch.tensor([3.0, 5.0]), "prod")
    assert reduced.tolist() == [30, 2, 2]
    assert torch.index_select(X, 0, ROWS, out=torch.empty(0)).tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]


def test_masks_and_flat_positions():
    mask = X % 2 == 0
    assert X.masked_select(mask).tolist() == [0, 2, 4, 6, 8, 10]
    assert X.masked_fill(mask, -1)[0].tolist() == [-1, 1, -1, 3]
    assert X.masked_scatter(mask, -torch.arange(12.0))[1].tolist() == [-2, 5, -3, 7]
    assert X.take(torch.tensor([[-1, 0]])).tolist() == [[11, 0]]
    assert torch.zeros(2, 2).put(torch.tensor([3, 3]), torch.ones(2), accumulate=True).tolist() == [[0, 0], [0, 2]]
    assert torch.zeros(2, 1).masked_fill(torch.tensor([True, False]), 1).tolist() == [[1, 0], [1, 0]]


def test_rearranging():
    assert torch.arange(4).roll(1).tolist() == [3, 0, 1, 2]
    assert X.roll((1, -1), (0, 1))[0].tolist() == [9, 10, 11, 8]
    assert X.tril(-1).tolist() == [[0, 0, 0, 0], [4, 0, 0, 0], [8, 9, 0, 0]]
    assert X.clone().triu_(2).tolist() == [[0, 0, 2, 3], [0, 0, 0, 7], [0, 0, 0, 0]]
    assert torch.tensor([[1, 2]]).repeat(2, 2).tolist() == [[1, 2, 1, 2], [1, 2, 1, 2]]
    assert torch.zeros(7, 3).fill_diagonal_(1, wrap=True).sum(1).tolist() == [1, 1, 1, 0, 1, 1, 1]
    assert torch.constant_pad_nd(torch.tensor([1, 2, 3]), (2, -1), 7).tolist() == [7, 7, 1, 2]


def test_embeddings():
    at = torch.tensor([[0, 2], [2, 2]])
    weight = X.clone().requires_grad_()
    torch.embedding(weight, at, padding_idx=0).sum().backward()
    assert weight.grad[:, 0].tolist() == [0, 0, 3]
    weight.grad = None
    torch.embedding(weight, at, scale_grad_by_freq=True).sum().backward()
    assert weight.grad[:, 0].tolist() == [1, 0, 1]
    indices, offsets = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 3])
    assert torch.embedding_bag(X, indices, offsets)[0].tolist() == [[12, 15, 18, 21], [8, 9, 10, 11]]
    assert torch.embedding_bag(X, indices, offsets, mode=1)[0][0].tolist() == [4, 5, 6, 7]
    assert torch.embedding_bag(X, indices, offsets, mode=2)[0][0].tolist() == [8, 9, 10, 11]
    table = torch.tensor([[3.0, 4.0], [0.1, 0.0]])
    torch.embedding_renorm_(table, torch.tensor([0, 1]), 1.0, 2.0)
    assert torch.allclose(table, torch.tensor([[0.6, 0.8], [0.1, 0.0]]))


def test_results_and_versions():
    x = X.clone()
    version = x._version
    x.scatter_(0, torch.zeros(1, 4, dtype=torch.int64), 1.0).index_fill_(0, ROWS, 2.0).masked_fill_(X > 3, 0.0)
    assert x._version == version + 3
    before = x.clone()
    for bad in (lambda: x.scatter_(0, torch.full((1, 4), 9), 1.0), lambda: x.index_add_(0, ROWS + 5, X[:2]),
                lambda: x.put_(torch.tensor([0, 99]), torch.ones(2))):
        with pytest.raises((RuntimeError, IndexError)):
            bad()
    assert torch.equal(x, before)
    assert X.t().gather(0, torch.zeros(4, 3, dtype=torch.int64)).stride() == (3, 1)


D = torch.float64
I = torch.tensor([[0, 2, 1, 1], [2, 2, 0, 0]])  # noqa: E741
M = torch.tensor([[True, False, True, False]])
GRADIENTS = [
    lambda a, b: a.gather(0, I), lambda a, b: a.scatter_add(0, I, b), lambda a, b: a.scatter(1, I[:, :2] * 0 + torch.tensor([3, 1]), b),
    lambda a, b: a.index_select(0, ROWS), lambda a, b: a.index_add(0, ROWS, b, alpha=2), lambda a, b: a.index_copy(0, ROWS, b),
    lambda a, b: a.index_fill(0, ROWS, 1.0), lambda a, b: a.take(I), lambda a, b: a.put(I[1:, 1:3] + torch.tensor([0, 1]), b[:1, :2]),
    lambda a, b: a.masked_fill(M, 2.0), lambda a, b: a.masked_select(M), lambda a, b: a[:2].masked_scatter(M, b),
    lambda a, b: a.roll((1, 1), (0, 1)), lambda a, b: a.tril(), lambda a, b: a.triu(1), lambda a, b: a.repeat(2, 1, 2),
    lambda a, b: torch.constant_pad_nd(a, (1, -1), 2.0), lambda a, b: torch.embedding(a, I),
    *(lambda a, b, how=how, own=own: a.scatter_reduce(0, I, b, how, include_self=own)
      for how in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)),
    *(lambda a, b, how=how: a.index_reduce(0, ROWS, b, how) for how in ("prod", "mean", "amax")),
]


@pytest.mark.parametrize("case", range(len(GRADIENTS)))
def test_gradients(case):
    torch.manual_seed(case)
    a, b = torch.randn(3, 4, dtype=D, requires_grad=True), torch.randn(2, 4, dtype=D, requires_grad=True)
    assert gradcheck(GRADIENTS[case], (a, b))
    assert gradgradcheck(lambda a, b: GRADIENTS[case](a, b) ** 2, (a, b))


ERRORS = [
    (lambda: X.gather(0, I.float()), RuntimeError, "Expected dtype int32/int64 for index"),
    (lambda: X.gather(0, I + 7), RuntimeError, "index 7 is out of bounds for dimension 0 with size 3"),
    (lambda: X.gather(5, I), IndexError, "Dimension out of range"),
    (lambda: X.scatter(0, I, X.double()), RuntimeError, "Expected self.dtype to be equal to src.dtype"),
    (lambda: X.scatter(0, I, X, reduce="pow"), RuntimeError, "reduce argument must be either add or multiply"),
    (lambda: X.scatter_reduce(0, I, X, "pow"), RuntimeError, "sum, prod, mean, amax or amin"),
    (lambda: X.index_select(0, ROWS + 9), IndexError, "index out of range in self"),
    (lambda: X.index_select(0, I), IndexError, "Index is supposed to be a vector"),
    (lambda: X.index_add(0, ROWS, X), RuntimeError, "should be equal to source.size"),
    (lambda: X.index_copy(0, ROWS.int(), X[:2]), RuntimeError, "Expected a long tensor for index"),
    (lambda: X.index_fill(0, ROWS + 9, 1.0), IndexError, "out of bounds"),
    (lambda: X.take(ROWS + 99), IndexError, "out of range: tried to access index 101 on a tensor of 12 elements"),
    (lambda: X.masked_fill(I.bool()[:, :3], 1), RuntimeError, "must match the size"),
    (lambda: X.masked_fill(X, 1), RuntimeError, "only supports boolean masks"),
    (lambda: X.long().masked_fill(X > 3, 2j), RuntimeError, "without overflow"),
    (lambda: X.masked_select(I), RuntimeError, "expected BoolTensor for mask"),
    (lambda: X.masked_scatter(X >= 0, torch.ones(2)), RuntimeError, "Number of elements of source < number of ones in mask"),
    (lambda: torch.take(X, ROWS, out=X), RuntimeError, "unsupported operation"),
    (lambda: torch.ones(1, 4).expand(3, 4).scatter_(0, I, 1.0), RuntimeError, "more than one element"),
    (lambda: X[0].tril(), RuntimeError, "at least 2 dimensions"),
    (lambda: X.roll((1, 2), (0,)), RuntimeError, "shifts and dimensions must align"),
    (lambda: X.repeat(2), RuntimeError, "can not be smaller than number of dimensions"),
    (lambda: torch.embedding(X, I + 5), IndexError, "index out of range in self"),
    (lambda: torch.embedding(X, I.float()), RuntimeError, "one of the following scalar types: Long, Int"),
    (lambda: torch.embedding_bag(X, ROWS, torch.tensor([1])), RuntimeError, r"offsets\[0\] has to be 0"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
