"""Joining, splitting, moving and scattering: values, views and errors."""

import pytest

import flambeau as torch


def test_stack_family():
    a, b = torch.tensor([1, 2]), torch.tensor([3, 4])
    assert torch.stack([a, b], -1).tolist() == [[1, 3], [2, 4]]
    assert torch.hstack([a, b]).tolist() == [1, 2, 3, 4]
    assert torch.vstack([a, b]).tolist() == [[1, 2], [3, 4]]
    assert torch.dstack([a, b]).tolist() == [[[1, 3], [2, 4]]]
    assert torch.column_stack([a, b]).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(RuntimeError, match=r"equal size, but got \[2\] at entry 0 and \[3\] at entry 1"):
        torch.stack([a, torch.ones(3)])
    with pytest.raises(RuntimeError, match="non-empty"):
        torch.stack([])


def test_splits_are_views():
    x = torch.arange(6)
    parts = torch.tensor_split(x, 4)
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3], [4], [5]]
    parts[0].fill_(9)
    assert x.tolist() == [9, 9, 2, 3, 4, 5]
    assert [part.tolist() for part in torch.tensor_split(x, [1, -2])] == [[9], [9, 2, 3], [4, 5]]
    with pytest.raises(RuntimeError, match="not divisible"):
        torch.hsplit(x, 4)


def test_meshgrid_orders():
    x, y = torch.tensor([1, 2]), torch.tensor([3, 4, 5])
    assert [grid.shape for grid in torch.meshgrid(x, y, indexing="ij")] == [(2, 3), (2, 3)]
    first, second = torch.meshgrid([x, y], indexing="xy")
    assert first.tolist() == [[1, 2]] * 3 and second.tolist() == [[3, 3], [4, 4], [5, 5]]


def test_products_of_sets():
    assert torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([5])).tolist() == [[1, 5], [2, 5]]
    assert torch.combinations(torch.arange(3), 2, True).tolist() == [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]
    assert torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3)).tolist() == [[1, 2, 0], [0, 0, 3]]


def test_repeat_interleave():
    x = torch.tensor([[1, 2], [3, 4]])
    assert x.repeat_interleave(2).tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert x.repeat_interleave(torch.tensor([1, 2]), 0).tolist() == [[1, 2], [3, 4], [3, 4]]
    assert torch.repeat_interleave(torch.tensor([0, 2, 1])).tolist() == [1, 1, 2]


def test_moves():
    x = torch.zeros(2, 3, 4)
    assert x.movedim(0, -1).shape == (3, 4, 2)
    assert x.movedim((0, 1), (1, 2)).shape == (4, 2, 3)
    assert x.unflatten(2, (2, -1)).shape == (2, 3, 2, 2)
    assert x.flatten(1).shape == (2, 12)
    with pytest.raises(RuntimeError, match="multiply up to"):
        x.unflatten(2, (3, 2))


def test_rotations():
    x = torch.tensor([[1, 2], [3, 4]])
    assert x.rot90().tolist() == [[2, 4], [1, 3]]
    assert x.rot90(-1).tolist() == [[3, 1], [4, 2]]
    assert x.rot90(2, [0, 1]).tolist() == [[4, 3], [2, 1]]


def test_diagonals():
    assert torch.diag(torch.tensor([1, 2]), 1).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert torch.diag_embed(torch.tensor([[1, 2]]), offset=-1).shape == (1, 3, 3)
    x = torch.zeros(2, 2, requires_grad=True)
    src = torch.ones(2, requires_grad=True)
    (torch.diagonal_scatter(x, src) * torch.tensor([[1., 2.], [3., 4.]])).sum().backward()
    assert x.grad.tolist() == [[0, 2], [3, 0]] and src.grad.tolist() == [1, 4]


def test_index_grids():
    assert torch.tril_indices(2, 3, -1).tolist() == [[1], [0]]
    assert torch.triu_indices(2, 2).tolist() == [[0, 0, 1], [0, 1, 1]]


def test_isin_and_unravel():
    x = torch.arange(30)
    few, many = torch.tensor([3, 5]), torch.arange(0, 30, 2)
    assert torch.isin(x, few).nonzero().flatten().tolist() == [3, 5]
    assert torch.isin(x, many, invert=True).sum() == 15
    assert [part.tolist() for part in torch.unravel_index(torch.tensor([5, 7]), (2, 4))] == [[1, 1], [1, 3]]


def test_take_along_dim_accepts_negative_positions():
    x = torch.tensor([[10, 20, 30]])
    assert torch.take_along_dim(x, torch.tensor([[-1]]), 1).tolist() == [[30]]
