"""einsum and other products against NumPy."""

import numpy
import pytest

import flambeau as torch


def random(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("i,j->ij", [(2,), (3,)]), ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]), ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 4, 5)]), ("...ij,...jk->...ik", [(4, 1, 2, 3), (5, 3, 2)]),
    ("i...,i...->...", [(2, 3, 4), (2, 4)]), ("a,ab,abc->abc", [(2,), (2, 3), (2, 3, 4)]),
    ("ij,kj->ik", [(2, 1), (3, 1)]),
    ("abc,abd,cd->a", [(2, 3, 4), (2, 3, 5), (4, 5)]), ("iij->j", [(3, 3, 2)]), ("ij , jk -> ki", [(2, 3), (3, 4)]),
    ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)]),
])
def test_einsum_equals_numpy(equation, shapes):
    arrays = [random(*shape, seed=i) for i, shape in enumerate(shapes)]
    result = torch.einsum(equation, *[torch.from_numpy(array) for array in arrays])
    numpy.testing.assert_allclose(result.numpy(), numpy.einsum(equation, *arrays), rtol=1e-10, atol=1e-12)


def test_einsum_sublists_and_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    y = torch.arange(3.0)
    assert torch.einsum(x, [0, 1], y, [1], [0]).tolist() == [3, 3]
    torch.einsum("ij,j->", x, y).backward()
    assert x.grad.tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(2, 3), (4, 5)]), ("ij->ijk", [(2, 3)]), ("ij,jk->ik", [(2, 3)]), ("ii->i", [(2, 3)]),
    ("i1->i", [(2, 3)]),
])
def test_einsum_errors(equation, shapes):
    with pytest.raises(RuntimeError, match=r"einsum\(\)"):
        torch.einsum(equation, *[torch.ones(shape) for shape in shapes])


def test_tensordot_and_kron():
    a, b = random(2, 3, 4), random(4, 3, 5)
    ours = torch.tensordot(torch.from_numpy(a), torch.from_numpy(b), dims=([1, 2], [1, 0]))
    numpy.testing.assert_allclose(ours.numpy(), numpy.tensordot(a, b, ([1, 2], [1, 0])), rtol=1e-10)
    ours = torch.kron(torch.from_numpy(a[0]), torch.from_numpy(b[0]))
    numpy.testing.assert_allclose(ours.numpy(), numpy.kron(a[0], b[0]))


def test_add_and_multiply():
    x = torch.full((2,), float("nan"))
    assert torch.addmv(x, torch.ones(2, 3), torch.ones(3), beta=0, alpha=2).tolist() == [6, 6]
    assert torch.addbmm(torch.ones(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1), beta=2).tolist() == [[8]]
    assert torch.addr(torch.zeros(1, 2), torch.tensor([2.0]), torch.tensor([1.0, 3.0])).tolist() == [[2, 6]]


def test_cross():
    x, y = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[3.0, 2.0, 1.0]])
    assert torch.linalg.cross(x, y).tolist() == [[-4, 8, -4]]
    with pytest.raises(RuntimeError, match="length 3"):
        torch.linalg.cross(torch.ones(2), torch.ones(2))
