"""COO tensors: making, printing, arithmetic, shape, products. Literal values are PyTorch's."""
import copy
import io
import pickle

import pytest

import flambeau as torch


def _x(**options):
    return torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3), **options)


def _repeated(**options):
    return torch.sparse_coo_tensor([[0, 0, 1], [2, 2, 0]], [3.0, 4.0, 5.0], (2, 3), **options)


D = torch.arange(6.0).reshape(2, 3)
E = torch.arange(12.0).reshape(3, 4)


def _parts(x):
    return x._indices().tolist(), x._values().tolist()


def test_what_it_is():
    x = _x()
    assert isinstance(x, torch.Tensor) and torch.is_tensor(x)
    assert x.is_sparse and not x.is_sparse_csr and x.layout is torch.sparse_coo
    assert x.shape == (2, 3) and x.dim() == 2 and x.numel() == 6 and len(x) == 2
    assert (x._nnz(), x.sparse_dim(), x.dense_dim()) == (3, 2, 0)
    assert x.dtype is torch.float32 and x.type() == "torch.sparse.FloatTensor"
    assert isinstance(x, torch.sparse.FloatTensor) and not isinstance(x, torch.FloatTensor)
    assert not x.is_coalesced() and x.coalesce().is_coalesced()
    assert (D.sparse_dim(), D.dense_dim(), D.is_sparse) == (0, 2, False)


def test_text():
    assert repr(_x()) == ("tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n       values=tensor([3., 4., 5.]),\n"
                          "       size=(2, 3), nnz=3, layout=torch.sparse_coo)")
    assert repr(torch.sparse_coo_tensor((2, 3))) == ("tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
                                                     "       size=(2, 3), nnz=0, layout=torch.sparse_coo)")
    assert repr(_x(dtype=torch.float64)).endswith("size=(2, 3), nnz=3, dtype=torch.float64, layout=torch.sparse_coo)")
    assert repr(_x(requires_grad=True)).endswith("layout=torch.sparse_coo, requires_grad=True)")
    assert "grad_fn=<MulBackward0>" in repr(_x(requires_grad=True) * 2)


@pytest.mark.parametrize(("arguments", "text"), [
    (([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3, 4)), "len(size) == sparse_dim + dense_dim"),
    (([[-1, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]), "found negative index -1 for dim 0"),
    (([0, 1, 1], [3.0, 4.0, 5.0]), "indices must be sparse_dim x nnz, but got: [3]"),
    (([[0, 1, 1], [2, 0, 2]], [3.0, 4.0]), "indices and values must have same nnz, but got nnz from indices: 3, nnz from values: 2"),
])
def test_refused(arguments, text):
    with pytest.raises(RuntimeError) as error:
        torch.sparse_coo_tensor(*arguments)
    assert text in str(error.value)


def test_checks_when_asked():
    with pytest.raises(RuntimeError, match="size is inconsistent with indices: for dim 0, size is 2 but found index 5"):
        torch.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (2,), check_invariants=True)
    with pytest.raises(RuntimeError, match="cannot set is_coalesced to true"):
        torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,), is_coalesced=True, check_invariants=True)
    with pytest.raises(IndexError):  # unchecked coordinates reach no memory
        torch.sparse.mm(torch.sparse_coo_tensor([[0, 7], [0, 1]], [1.0, 2.0], (2, 2)), torch.ones(2, 2))


def test_parts():
    x = _repeated()
    with pytest.raises(RuntimeError, match="Cannot get indices on an uncoalesced tensor"):
        x.indices()
    c = x.coalesce()
    assert c.indices().tolist() == [[0, 1], [2, 0]] and c.values().tolist() == [7.0, 5.0]
    assert c.coalesce() is c
    with pytest.raises(RuntimeError, match="indices expected sparse coordinate tensor layout but got Strided"):
        D.indices()
    with pytest.raises(NotImplementedError, match="Could not run 'aten::_nnz'"):
        D._nnz()


def test_dense_and_back():
    assert _x().to_dense().tolist() == [[0, 0, 3], [4, 0, 5]]
    assert _repeated().to_dense().tolist() == [[0, 0, 7], [5, 0, 0]]
    assert _parts(D.to_sparse()) == ([[0, 0, 1, 1, 1], [1, 2, 0, 1, 2]], [1, 2, 3, 4, 5])
    h = D.to_sparse(1)
    assert (h.sparse_dim(), h.dense_dim()) == (1, 1) and h.to_dense().tolist() == D.tolist()
    assert torch.tensor(5.0).to_sparse()._values().tolist() == [5.0]
    with pytest.raises(RuntimeError, match="sparse_dim argument must be in"):
        D.to_sparse(3)


def test_sums():
    x, r = _x(), _repeated()
    assert _parts(x + x)[1] == [6, 8, 10]
    assert _parts(x + r) == ([[0, 0, 1, 1], [2, 2, 0, 2]], [6, 4, 9, 5])
    assert (x.coalesce() + x.coalesce()).is_coalesced()
    assert (D + x).tolist() == [[0, 1, 5], [7, 4, 10]] and (D - x).tolist() == [[0, 1, -1], [-1, 4, 0]]
    assert D.clone().add_(x, alpha=2).tolist() == [[0, 1, 8], [11, 4, 15]]
    assert _parts(x.clone().sub_(x))[1] == [0, 0, 0]
    for bad in (lambda: x + D, lambda: x + 1):
        with pytest.raises(RuntimeError, match=r"add\(sparse, dense\) is not supported"):
            bad()
    with pytest.raises(RuntimeError, match="expected sizes of 'self' and 'other' to match"):
        x + torch.sparse_coo_tensor((4, 3))


def test_products_of_elements():
    x = _x()
    assert _parts(x * 2)[1] == [6, 8, 10] and _parts(x * D)[1] == [6, 12, 25] and _parts(D * x)[1] == [6, 12, 25]
    assert _parts(x * _repeated()) == ([[0, 0, 1], [2, 2, 0]], [9, 12, 20])
    assert _parts(x / 2)[1] == [1.5, 2, 2.5] and _parts(x // 2)[1] == [1, 2, 2] and _parts(x ** 2)[1] == [9, 16, 25]
    with pytest.raises(RuntimeError, match="Sparse division requires a scalar or zero-dim dense tensor divisor"):
        x / D
    with pytest.raises(RuntimeError, match="zeroth power"):
        x.pow(0)


def test_functions_that_keep_zero():
    r = _repeated()
    assert _parts(r.abs()) == ([[0, 1], [2, 0]], [7, 5]) and _parts(-r)[1] == [-3, -4, -5]
    assert _parts(torch.nn.functional.relu(_x() * -1))[1] == [0, 0, 0]
    assert r.clone().neg_()._values().tolist() == [-3, -4, -5]
    with pytest.raises(RuntimeError, match="sin_ requires coalesced input"):
        r.clone().sin_()
    for name in ("cos", "exp", "sigmoid", "maximum"):
        with pytest.raises(NotImplementedError, match=f"Could not run 'aten::{name}' with arguments from the 'SparseCPU' backend"):
            getattr(r, name)(*[r] * (name == "maximum"))


def test_reductions():
    x = _x()
    assert x.sum().item() == 12 and _parts(x.sum(0)) == ([[0, 2]], [4, 8]) and _parts(torch.sparse.sum(x, 1)) == ([[0, 1]], [3, 9])
    assert torch.sparse.sum(x, (0, 1)).item() == 12 and torch.sparse.sum(D.to_sparse(1), 0).tolist() == [3, 5, 7]
    assert x.norm(1).item() == 12 and x.norm().item() == pytest.approx(50 ** 0.5)
    assert _parts(torch.sparse.softmax(x, 1))[1] == pytest.approx([1, 0.26894142, 0.73105858])
    assert _parts(torch.sparse.log_softmax(x, 1))[1] == pytest.approx([0, -1.3132617, -0.3132617])
    with pytest.raises(NotImplementedError):
        x.mean()


def test_matrix_products():
    x, want = _x(), [[24, 27, 30, 33], [40, 49, 58, 67]]
    for product in (x @ E, torch.mm(x, E), torch.sparse.mm(x, E), torch.spmm(x, E), torch.addmm(torch.zeros(2, 4), x, E), x.coalesce() @ E):
        assert product.tolist() == want
    assert (x @ E[:, 0]).tolist() == [24, 40] and (E.t() @ x.t()).tolist() == [list(column) for column in zip(*want)]
    assert _parts(torch.sparse.mm(x, x.t())) == ([[0, 0, 1, 1], [0, 1, 0, 1]], [9, 15, 15, 41])
    assert torch.sparse.addmm(torch.ones(2, 4), x, E, beta=2.0, alpha=3.0).tolist() == [[74, 83, 92, 101], [122, 149, 176, 203]]
    assert torch.bmm(torch.stack([D, D]).to_sparse(), torch.stack([E, E]))[1].tolist() == [[20, 23, 26, 29], [56, 68, 80, 92]]
    assert _parts(torch.hspmm(x, E)) == ([[0, 1]], want)
    assert (x.int() @ E.int()).tolist() == want and (x.to(torch.complex64) @ E.to(torch.complex64)).real.tolist() == want
    with pytest.raises(RuntimeError, match="Expected dim 0 size 3, got 2"):
        torch.mm(x, D)


def test_autocast_narrows_products():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.sparse.mm(_x(), E).dtype is torch.bfloat16


def test_wide_products_agree_with_dense():
    torch.manual_seed(0)
    for n in (1, 5, 16, 17, 64, 100):
        for dtype in (torch.float32, torch.float64):
            dense = torch.randn(37, 29, dtype=dtype) * (torch.rand(37, 29) < 0.2)
            b = torch.randn(29, n, dtype=dtype)
            s = dense.to_sparse()
            for a in (s, s.t().t(), torch.cat([s, s]).narrow_copy(0, 37, 37), dense.to_sparse_csr()):
                assert torch.allclose(torch.sparse.mm(a, b), dense @ b, atol=1e-5)
            assert torch.allclose(torch.randn(3, 37, dtype=dtype).mul(0).add(1) @ s, torch.ones(3, 37, dtype=dtype) @ dense, atol=1e-5)


def test_shape():
    x = _x()
    assert _parts(x.t()) == ([[2, 0, 2], [0, 1, 1]], [3, 4, 5]) and x.T.shape == (3, 2)
    assert _parts(x.index_select(0, torch.tensor([1, 0]))) == ([[0, 0, 1], [0, 2, 2]], [4, 5, 3])
    assert _parts(x[1]) == ([[0, 2]], [4, 5]) and x[0, 2].item() == 3 and x[0, 0].item() == 0
    assert [_parts(row)[1] for row in x] == [[3], [4, 5]]
    assert _parts(torch.cat([x, x], 1)) == ([[0, 1, 1, 0, 1, 1], [2, 0, 2, 5, 3, 5]], [3, 4, 5, 3, 4, 5])
    assert torch.stack([x, x]).shape == (2, 2, 3) and x.unsqueeze(2).shape == (2, 3, 1)
    assert _parts(x.narrow_copy(0, 1, 1)) == ([[0, 0], [0, 2]], [4, 5])
    h = D.to_sparse(1)
    assert h[1].tolist() == [3, 4, 5] and _parts(h[:, 1])[1] == [1, 4]
    with pytest.raises(RuntimeError, match="reshape is not implemented for sparse tensors"):
        x.reshape(6)
    with pytest.raises(NotImplementedError, match="as_strided"):
        x[0:1]
    with pytest.raises(RuntimeError, match="Concatenating sparse tensors, but a dense tensor was found at position 1"):
        torch.cat([x, D])
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 2"):
        x[5]


def test_copies():
    x = _x()
    assert x.double().dtype is torch.float64 and x.to("cpu") is x
    y = x.clone()
    y._values().zero_()
    assert x._values().tolist() == [3, 4, 5] and x.detach()._values().data_ptr() == x._values().data_ptr()
    assert x.clone().copy_(_repeated())._values().tolist() == [3, 4, 5] and x.clone().zero_()._nnz() == 0
    assert torch.zeros_like(x)._nnz() == 0 and x.new_zeros(2).layout is torch.sparse_coo
    with pytest.raises(RuntimeError, match=r"copy_\(\) between dense and sparse Tensors is not implemented"):
        x.copy_(D)
    assert x.clone().sparse_resize_((3, 3), 2, 0).shape == (3, 3)
    assert _parts(D.sparse_mask(_repeated())) == ([[0, 0, 1], [2, 2, 0]], [2, 2, 3])


@pytest.mark.parametrize("through", ["pickle", "deepcopy", "save"])
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
def test_files(through, layout):
    x = _x().to_sparse(layout=layout)
    if through == "pickle":
        y = pickle.loads(pickle.dumps(x))
    elif through == "deepcopy":
        y = copy.deepcopy(x)
    else:
        file = io.BytesIO()
        torch.save({"x": x}, file)
        file.seek(0)
        y = torch.load(file)["x"]
    assert y.layout is layout and y.to_dense().tolist() == x.to_dense().tolist() and y.shape == x.shape


def test_a_file_with_wrong_coordinates_is_refused():
    file = io.BytesIO()
    torch.save(torch.sparse_coo_tensor([[0, 9]], [1.0, 2.0], (2,)), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        torch.load(file)


def test_no_memory():
    x = _x()
    with pytest.raises(TypeError, match="can't convert Sparse layout tensor to numpy"):
        x.numpy()
    with pytest.raises(RuntimeError, match="Cannot access data pointer"):
        x.data_ptr()
    with pytest.raises(NotImplementedError, match="Cannot access storage"):
        x.untyped_storage()
    with torch._C.DisableTorchFunctionSubclass():  # sparse forms are no override
        assert (x * 2)._values().tolist() == [6, 8, 10] and torch.relu(x)._nnz() == 3


def test_in_modules_and_loaders():
    module = torch.nn.Module()
    module.register_buffer("adjacency", _x())
    assert module.double().adjacency.dtype is torch.float64 and module.state_dict()["adjacency"].is_sparse
    with pytest.raises(RuntimeError, match="Batches of sparse tensors are not currently supported"):
        next(iter(torch.utils.data.DataLoader([_x(), _x()], batch_size=2)))


def test_nothing_takes_it_for_zeros():
    x = _x()
    assert torch.tensor(x).to_dense().tolist() == torch.as_tensor(x, dtype=torch.float64).to_dense().tolist() == x.to_dense().tolist()
    strided = torch.zeros(2, 3)
    for wrong in (lambda: setattr(strided, "data", x), lambda: strided.set_(x), lambda: x.as_subclass(torch.nn.Parameter)):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(NotImplementedError):
        torch.zeros(3)[torch.sparse_coo_tensor([[0]], [1], (1,))]
    assert x.sum(0).layout is torch.sparse_coo and torch.zeros(2, 3, layout=torch.sparse_coo)._nnz() == 0


def test_names_of_nodes():
    x = _x(requires_grad=True)
    made = {"CloneBackward0": x.clone(), "SinBackward0": x.sin(), "SubBackward0": x - x, "TBackward0": x.t(), "MulBackward0": x * x,
            "ToDenseBackward0": x.to_dense(), "ValuesBackward0": x.coalesce().values(), "MmBackward0": x @ E, "MvBackward0": x @ E[:, 0],
            "SparseSoftmaxBackward0": torch.sparse.softmax(x, 0), "ToCopyBackward0": x.double(), "CoalesceBackward0": x.coalesce()}
    assert [type(y.grad_fn).__name__ for y in made.values()] == list(made)
    assert all(str(y.grad_fn).startswith(f"<{name} object") for name, y in made.items())
