"""Scaled dot-product attention: the kernel against its definition, gradients of both orders, masks, shared heads, errors."""

import math

import pytest

import flambeau as torch

attend = torch.nn.functional.scaled_dot_product_attention


def define(q, k, v, mask=None, causal=False, scale=None):
    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        mask = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1) @ v


def heads(*shape, seed):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize("option", [{}, {"is_causal": True}, {"scale": 0.3}, {"scale": -0.5}])
def test_definition_and_gradients(batch, option):
    q, k, v = heads(*batch, 4, 5, seed=0), heads(*batch, 6, 5, seed=1), heads(*batch, 6, 2, seed=2)
    expected = define(q, k, v, causal=option.get("is_causal", False), scale=option.get("scale"))
    result = attend(q, k, v, **option)
    torch.testing.assert_close(result, expected)
    g = torch.ones_like(result).cumsum(-1)
    for create in (False, True):
        ours = torch.autograd.grad(result, (q, k, v), g, create_graph=create, retain_graph=True)
        theirs = torch.autograd.grad(expected, (q, k, v), g, create_graph=create, retain_graph=True)
        torch.testing.assert_close(ours, theirs)
    second = torch.autograd.grad(sum(x.square().sum() for x in ours), (q, k, v))
    torch.testing.assert_close(second, torch.autograd.grad(sum(x.square().sum() for x in theirs), (q, k, v)))


@pytest.mark.parametrize("shape", [(4, 6), (1, 6), (2, 1, 1, 6), (3, 4, 6), (2, 3, 4, 6)])
@pytest.mark.parametrize("kind", ["bool", "float", "learned"])
def test_masks(shape, kind):
    q, k, v = heads(2, 3, 4, 5, seed=0), heads(2, 3, 6, 5, seed=1), heads(2, 3, 6, 5, seed=2)
    mask = heads(*shape, seed=3)
    if kind != "learned":
        mask = mask.detach() > -0.8 if kind == "bool" else mask.detach()
    inputs = (q, k, v, mask) if kind == "learned" else (q, k, v)
    result, expected = attend(q, k, v, mask), define(q, k, v, mask)
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(torch.autograd.grad(result.sin().sum(), inputs),
                               torch.autograd.grad(expected.sin().sum(), inputs))


def test_queries_that_see_nothing_give_zeros():
    q, k, v = heads(2, 3, 4, 5, seed=0), heads(2, 3, 6, 5, seed=1), heads(2, 3, 6, 5, seed=2)
    mask = torch.ones(4, 6, dtype=torch.bool)
    mask[1] = False
    result = attend(q, k, v, mask)
    assert (result[:, :, 1] == 0).all() and (result[:, :, 0] != 0).all()
    for g in torch.autograd.grad(result.sum(), (q, k, v), create_graph=True):
        assert g.isfinite().all()


def test_shared_heads():
    q, k, v = heads(2, 6, 4, 5, seed=0), heads(2, 2, 3, 5, seed=1), heads(2, 2, 3, 5, seed=2)
    result = attend(q, k, v, enable_gqa=True)
    expected = define(q, k.repeat_interleave(3, 1), v.repeat_interleave(3, 1))
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(torch.autograd.grad(result.sin().sum(), (q, k, v), create_graph=True),
                               torch.autograd.grad(expected.sin().sum(), (q, k, v)))
    with pytest.raises(RuntimeError, match="Number of heads in key and value must divide"):
        attend(q, k[:, :1].expand(2, 4, 3, 5), v[:, :1].expand(2, 4, 3, 5), enable_gqa=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_types(dtype):
    q, k, v = (heads(2, 3, 40, 16, seed=s).detach().to(dtype) for s in range(3))
    mask = torch.zeros(40, 40).masked_fill(torch.ones(40, 40, dtype=torch.bool).triu(1), -math.inf)
    tolerance = {"rtol": 2e-2, "atol": 2e-2}
    expected = define(q.double(), k.double(), v.double(), causal=True).to(dtype)
    torch.testing.assert_close(attend(q, k, v, is_causal=True), expected, **tolerance)
    torch.testing.assert_close(attend(q, k, v, mask), expected, **tolerance)


def test_layout_follows_the_query():
    q, k, v = (torch.randn(2, 7, 3, 4).transpose(1, 2) for _ in range(3))
    assert attend(q, k, v).transpose(1, 2).is_contiguous()
    assert attend(q.contiguous(), k, v).is_contiguous()


def test_dropout():
    q, k, v = (torch.ones(1, 2, 50, 4) for _ in range(3))
    assert (attend(q, k, v, dropout_p=1.0) == 0).all()
    torch.manual_seed(0)
    first = attend(q, k, v, dropout_p=0.5)
    torch.manual_seed(0)
    assert (attend(q, k, v, dropout_p=0.5) == first).all()
    assert abs(float(first.mean()) - 1) < 0.2 and (first != 1).any()


def test_errors():
    q = torch.ones(1, 2, 3, 4)
    with pytest.raises(RuntimeError, match="to have the same dtype, but got query.dtype: double key.dtype: float"):
        attend(q.double(), q, q)
    with pytest.raises(RuntimeError, match="at least 2 dimensional"):
        attend(q[0, 0, 0], q, q)
    with pytest.raises(RuntimeError, match="Expected attn_mask dtype to be bool or float"):
        attend(q, q, q, torch.ones(3, 3, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="dropout probability has to be between 0 and 1"):
        attend(q, q, q, dropout_p=1.5)
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        attend(q, q, q, torch.ones(3, 5))
