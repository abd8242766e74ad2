"""Gradients of and through sparse tensors, and what optimisers do with them. Literal values are PyTorch's."""
import pytest

import flambeau as torch

F = torch.nn.functional
D = torch.arange(6.0).reshape(2, 3)
E = torch.arange(12.0).reshape(3, 4)


def _x():
    return torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3), requires_grad=True)


def _repeated():
    return torch.sparse_coo_tensor([[0, 0, 1], [2, 2, 0]], [3.0, 4.0, 5.0], (2, 3), requires_grad=True)


def _weights(y):
    return (y * (torch.arange(float(y.numel())).reshape(y.shape) + 1)).sum()


def test_product():
    x, e = _x(), E.clone().requires_grad_()
    _weights(torch.sparse.mm(x, e)).backward()
    assert x.grad.layout is torch.sparse_coo and x.grad._values().tolist() == [100, 44, 252]
    assert e.grad.tolist() == [[20, 24, 28, 32], [0, 0, 0, 0], [28, 36, 44, 52]]
    x = _x()
    _weights(torch.mm(x, E)).backward()  # strided, unlike torch.sparse.mm
    assert x.grad.tolist() == [[20, 60, 100], [44, 148, 252]]
    r = _repeated()
    _weights(torch.sparse.mm(r, E)).backward()
    assert r.grad.to_dense().tolist() == [[0, 0, 100], [44, 0, 0]]


def test_values_of_the_constructor():
    for make in (lambda v: torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3)), lambda v: torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], v, (2, 3))):
        v = torch.tensor([3.0, 4.0, 5.0], requires_grad=True)
        (make(v) @ E).pow(2).sum().backward()
        assert v.grad.tolist() == [2196, 732, 4156]


def test_dense_and_masks():
    for make, want in ((_x, [[0, 0, 2], [3, 0, 5]]), (_repeated, [[0, 0, 2], [3, 0, 0]])):
        x = make()
        (x.to_dense() * D).sum().backward()
        assert x.grad.is_sparse and x.grad.to_dense().tolist() == want
    d = D.clone().requires_grad_()
    d.to_sparse().to_dense().mul(2).sum().backward()
    assert d.grad.to_dense().tolist() == [[0, 2, 2], [2, 2, 2]]
    x = _x()
    _weights(x.coalesce().values()).backward()
    assert x.grad._values().tolist() == [1, 2, 3]


def test_accumulation_hooks_and_grad():
    x, seen = _x(), []
    x.register_hook(lambda g: seen.append(g.layout))
    for _ in range(2):
        (x.to_dense() * D).sum().backward()
    assert x.grad._values().tolist() == [4, 6, 10] and seen == [torch.sparse_coo] * 2
    [g] = torch.autograd.grad((x.to_dense() * D).sum(), x)
    assert g._values().tolist() == [2, 3, 5]
    y = x.detach().requires_grad_() * 2
    y.retain_grad()
    (y.to_dense() * D).sum().backward()
    assert y.grad.is_sparse and y.grad._values().tolist() == [2, 3, 5]
    x = _x()
    (x * 2).backward(_x().detach())
    assert x.grad._values().tolist() == [6, 8, 10]


@pytest.mark.parametrize("function", [
    lambda a: torch.sparse.sum(a, 0), lambda a: a.sin(), lambda a: a.t(), lambda a: a * 3, lambda a: a * a, lambda a: a.pow(3), lambda a: a[1],
    lambda a: torch.sparse.softmax(a, 1), lambda a: torch.sparse.log_softmax(a, 0), lambda a: torch.cat([a, a * 2]), lambda a: a + a.sin(),
    lambda a: a.index_select(1, torch.tensor([2, 0])), lambda a: a.norm(), lambda a: torch.sparse.mm(a, a.t()),
    lambda a: torch.sparse.mm(a, E.double()), lambda a: a.to_sparse_csr() @ E.double(),
])
def test_against_finite_differences(function):
    x = torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [0.3, 0.7, -0.5], (2, 3), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (x,), masked=True)
    assert torch.autograd.gradgradcheck(lambda v: function(torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3))).to_dense(),
                                        (torch.tensor([0.3, 0.7, -0.5], dtype=torch.float64, requires_grad=True),))


def test_embedding():
    w = torch.arange(15.0).reshape(5, 3).requires_grad_()
    F.embedding(torch.tensor([[1, 2], [1, 4]]), w, sparse=True).sum().backward()
    assert w.grad.is_sparse and not w.grad.is_coalesced() and w.grad._indices().tolist() == [[1, 2, 1, 4]]
    assert w.grad.to_dense().tolist() == [[0] * 3, [2] * 3, [1] * 3, [0] * 3, [1] * 3]
    F.embedding(torch.tensor([[1, 2], [1, 4]]), w, sparse=True).sum().backward()
    assert w.grad._indices().tolist() == [[1, 2, 1, 4]] and w.grad._values()[:, 0].tolist() == [2, 2, 2, 2]
    w.sum().backward()  # a strided gradient makes the sum strided
    assert not w.grad.is_sparse and w.grad[:, 0].tolist() == [1, 5, 3, 1, 3]
    w.grad = None
    F.embedding(torch.tensor([1, 3]), w, padding_idx=1, sparse=True).sum().backward()
    assert w.grad._indices().tolist() == [[3]]
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse gradients"):
        F.embedding(torch.tensor([1]), w, scale_grad_by_freq=True, sparse=True).sum().backward()


def test_embedding_bag():
    w, p = torch.ones(5, 2, requires_grad=True), torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    at, offsets = torch.tensor([1, 2, 1, 4]), torch.tensor([0, 3])
    F.embedding_bag(at, w, offsets, mode="sum", sparse=True, per_sample_weights=p).sum().backward()
    assert w.grad.is_sparse and w.grad.to_dense()[:, 0].tolist() == [0, 4, 2, 0, 4] and p.grad.tolist() == [2, 2, 2, 2]
    w.grad = None
    F.embedding_bag(at, w, offsets, mode="mean", sparse=True).sum().backward()
    assert w.grad.to_dense()[:, 0].tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0, 1])


@pytest.mark.parametrize(("name", "options", "want"), [
    ("SGD", {"lr": 0.1}, [1.0, 0.512, 0.512, 0.8]),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [1.0, 0.062, 0.062, 0.458]),
    ("Adagrad", {"lr": 0.1}, [1.0, 0.780456, 0.780456, 0.9]),
    ("SparseAdam", {"lr": 0.1}, [1.0, 0.701586, 0.701586, 0.9]),
])
def test_optimisers(name, options, want):
    w = torch.nn.Parameter(torch.ones(4, 1))
    optimizer = getattr(torch.optim, name)([w], **options)
    for step in range(3):
        optimizer.zero_grad()
        F.embedding(torch.tensor([1, 2] + [3] * (step == 0)), w, sparse=True).pow(2).sum().backward()
        optimizer.step()
    assert w.flatten().tolist() == pytest.approx(want, abs=2e-6)


def test_optimisers_that_refuse():
    w = torch.nn.Parameter(torch.ones(4, 1))
    F.embedding(torch.tensor([1]), w, sparse=True).sum().backward()
    with pytest.raises(RuntimeError, match="Adam does not support sparse gradients"):
        torch.optim.Adam([w]).step()
    optimizer = torch.optim.SGD([w], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad._nnz() == 0


def test_a_graph_network_learns():
    torch.manual_seed(0)
    edges = torch.randint(0, 20, (2, 60))
    adjacency = torch.sparse_coo_tensor(edges, torch.ones(60), (20, 20)).coalesce()
    labels, inputs = torch.arange(20) % 2, torch.randn(20, 8)
    layers = torch.nn.Linear(8, 16), torch.nn.Linear(16, 2)
    optimizer = torch.optim.Adam([p for layer in layers for p in layer.parameters()], lr=0.05)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        hidden = torch.relu(torch.spmm(adjacency, layers[0](inputs)))
        loss = F.cross_entropy(torch.sparse.mm(adjacency, layers[1](hidden)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
