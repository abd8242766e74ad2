"""CSR, CSC, BSR and BSC: making, printing, conversions, products. Literal values are PyTorch's."""
import pytest

import flambeau as torch

D = torch.tensor([[0.0, 0.0, 3.0], [4.0, 0.0, 5.0]])
E = torch.arange(12.0).reshape(3, 4)


def _c(**options):
    return torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3), **options)


def test_what_it_is():
    c = _c()
    assert c.is_sparse_csr and not c.is_sparse and c.layout is torch.sparse_csr and c._nnz() == 3
    assert c.crow_indices().tolist() == [0, 1, 3] and c.col_indices().tolist() == [2, 0, 2] and c.values().tolist() == [3, 4, 5]
    assert repr(c) == ("tensor(crow_indices=tensor([0, 1, 3]),\n       col_indices=tensor([2, 0, 2]),\n       values=tensor([3., 4., 5.]), "
                       "size=(2, 3), nnz=3,\n       layout=torch.sparse_csr)")
    assert torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0]).shape == (2, 3)
    for name, text in (("indices", "sparse coordinate"), ("ccol_indices", "sparse column compressed")):
        with pytest.raises(RuntimeError, match=f"{name} expected {text} tensor layout but got SparseCsr"):
            getattr(c, name)()


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_csc, torch.sparse_coo])
def test_conversions(layout):
    for source in (D, D.to_sparse(), _c(), D.to_sparse_csc()):
        made = source.to_sparse(layout=layout)
        assert made.layout is layout and made.to_dense().tolist() == D.tolist()


def test_blocks():
    a = torch.arange(1.0, 9.0).reshape(2, 4)
    b = a.to_sparse_bsr((1, 2))
    assert b.crow_indices().tolist() == [0, 2, 4] and b.values().tolist() == [[[1, 2]], [[3, 4]], [[5, 6]], [[7, 8]]]
    assert b.to_dense().tolist() == a.tolist() and b.t().layout is torch.sparse_bsc and b.t().to_dense().tolist() == a.t().tolist()
    assert a.to_sparse_bsc((2, 2)).to_dense().tolist() == a.tolist()
    assert (b @ torch.ones(4, 2)).tolist() == [[10, 10], [26, 26]]
    with pytest.raises(RuntimeError, match=r"tensor sparse size \(2,3\) must be divisible by given blocksize \(2,2\)"):
        D.to_sparse_bsr((2, 2))


def test_batches():
    a = torch.arange(1.0, 9.0).reshape(2, 2, 2)
    c = a.to_sparse_csr()
    assert c.crow_indices().tolist() == [[0, 2, 4], [0, 2, 4]] and c.to_dense().tolist() == a.tolist()


def test_products_and_arithmetic():
    c, want = _c(), [[24, 27, 30, 33], [40, 49, 58, 67]]
    assert (c @ E).tolist() == want and (D.to_sparse_csc() @ E).tolist() == want and c.mv(E[:, 0]).tolist() == [24, 40]
    assert (c @ c.t()).to_dense().tolist() == [[9, 15], [15, 41]] and (c @ c.t()).layout is torch.sparse_csr
    assert (c + c).values().tolist() == [6, 8, 10] and (c * 2).values().tolist() == [6, 8, 10] and (-c).values().tolist() == [-3, -4, -5]
    assert (D + c).tolist() == (D * 2).tolist() and (c * D).values().tolist() == [9, 16, 25]
    assert c.sum().item() == 12 and c.sum(0, keepdim=True).to_dense().tolist() == [[4, 0, 8]]
    assert c[1].to_dense().tolist() == [4, 0, 5] and c.t().layout is torch.sparse_csc
    assert torch.sparse.sampled_addmm(c, torch.ones(2, 2), torch.ones(2, 3)).values().tolist() == [5, 6, 7]
    with pytest.raises(RuntimeError, match="keepdim=False is unsupported"):
        c.sum(1)


def test_reduced_products():
    c = torch.sparse_csr_tensor([0, 2, 3], [0, 2, 1], [1.0, 2.0, 3.0], (2, 3))
    assert torch.sparse.mm(c, E, "mean").tolist() == [[8, 9.5, 11, 12.5], [12, 15, 18, 21]]
    assert torch.sparse.mm(c, E, "amax").tolist() == [[16, 18, 20, 22], [12, 15, 18, 21]]
    assert torch.sparse.mm(c, E, "amin").tolist() == [[0, 1, 2, 3], [12, 15, 18, 21]]


def test_checks_when_asked():
    for crow, text in (([1, 1, 3], r"crow_indices\[..., 0\] == 0"), ([0, 1, 2], r"crow_indices\[..., -1\] == nnz")):
        with pytest.raises(RuntimeError, match=text):
            torch.sparse_csr_tensor(crow, [2, 0, 1], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
    with pytest.raises(RuntimeError, match="sorted and distinct"):
        torch.sparse_csr_tensor([0, 1, 3], [2, 2, 0], [1.0, 2.0, 3.0], (2, 3), check_invariants=True)
