"""torch.func: derivatives of functions, vmap, modules as functions."""
import flambeau as torch
import pytest
from flambeau.func import functional_call, grad, grad_and_value, hessian, jacrev, jvp, stack_module_state, vjp, vmap


def numbers(*values):
    return torch.tensor([float(v) for v in values])


def test_gradients_nest():
    x, y = numbers(1, 2), numbers(3, 4)
    assert grad(lambda x: (x ** 3).sum())(x).tolist() == [3.0, 12.0]
    a, b = grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(x, y)
    assert a.tolist() == [3.0, 4.0] and b.tolist() == [1.0, 2.0]
    mixed = grad(lambda y: grad(lambda x: (x * x * y).sum())(x).sum())(y)
    assert mixed.tolist() == [2.0, 4.0] and not mixed.requires_grad
    w = torch.tensor([2.0, 5.0], requires_grad=True)
    outer = grad(lambda x: (x * x * w).sum())(x)
    assert outer.requires_grad
    outer.sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]
    g, (value, aux) = grad_and_value(lambda x: ((x ** 2).sum(), "aux"), has_aux=True)(x)
    assert (g.tolist(), value.item(), aux) == ([2.0, 4.0], 5.0, "aux")
    with pytest.raises(RuntimeError, match="scalar Tensor"):
        grad(lambda x: x)(x)


def test_products_and_jacobians():
    x, y = numbers(1, 2), numbers(3, 4)
    out, products = vjp(lambda x: (x ** 2, x.sum()), x)
    assert out[0].tolist() == [1.0, 4.0] and products((y, torch.tensor(1.0)))[0].tolist() == [7.0, 17.0]
    assert [t.tolist() for t in jvp(lambda x: x ** 2, (x,), (y,))] == [[1.0, 4.0], [6.0, 16.0]]
    assert jacrev(lambda d: {"o": d["a"] * 2})({"a": x})["o"]["a"].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert hessian(lambda x: (x ** 3).sum())(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_vmap():
    a = torch.arange(6.0).reshape(3, 2)
    assert vmap(torch.dot)(torch.ones(3, 2), a).tolist() == [1.0, 5.0, 9.0]
    assert vmap(lambda x: x.sum(), in_dims=1)(a).tolist() == [6.0, 9.0]
    one, two = vmap(lambda x: (x, x * 2), out_dims=(0, 1))(a)
    assert one.shape == (3, 2) and two.shape == (2, 3)
    rows = vmap(grad(lambda w, x: (w * x).sum()), in_dims=(None, 0))(numbers(1, 1), a)
    assert torch.equal(rows, a)
    with pytest.raises(ValueError, match="Expected all tensors to have the same size in the mapped dimension"):
        vmap(lambda x, y: x)(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="must only return Tensors"):
        vmap(lambda x: 1)(a)


def test_modules():
    m = torch.nn.Linear(2, 1)
    values = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    assert functional_call(m, values, numbers(1, 2)).tolist() == [3.0]
    params, buffers = stack_module_state([m, torch.nn.Linear(2, 1)])
    assert params["weight"].shape == (2, 1, 2) and buffers == {}
    out = vmap(lambda p: functional_call(m, p, numbers(1, 2)))(params)
    assert out.shape == (2, 1)
