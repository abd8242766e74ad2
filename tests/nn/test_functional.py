"""torch.nn.functional: values, options and errors of what is composed in Python."""
import math

import flambeau as torch
import pytest
from flambeau.nn import functional as F


def test_every_public_name_resolves():
    assert all(callable(getattr(F, name)) for name in F.__all__ if not name.startswith("GRID"))
    assert F.linear is torch._C._nn.linear and F.conv2d is torch.conv2d


def test_weighted_losses():
    a, b, w = torch.tensor([1.0, 4.0]), torch.zeros(2), torch.tensor([1.0, 3.0])
    assert F.mse_loss(a, b, weight=w).item() == 49 / 4
    assert F.l1_loss(a, b, weight=w, reduction="sum").item() == 13
    assert F.huber_loss(a, b, weight=w).item() == pytest.approx((0.5 + 10.5) / 2)
    with pytest.raises(ValueError, match="Weights and input must have the same size"):
        F.l1_loss(a, b, weight=torch.ones(1))


def test_old_reduction_flags():
    x, y = torch.tensor([1.0, 3.0]), torch.zeros(2)
    with pytest.warns(UserWarning, match="please use reduction='sum'"):
        assert F.mse_loss(x, y, size_average=False).item() == 10
    with pytest.raises(ValueError, match="abc is not a valid value for reduction"):
        F.l1_loss(x, y, reduction="abc")


def test_sizes_that_broadcast_warn():
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(torch.ones(2, 2), torch.ones(2))
    with pytest.raises(ValueError, match="Target size"):
        F.binary_cross_entropy_with_logits(torch.ones(2), torch.ones(3))


def test_linear_cross_entropy_is_its_parts():
    x, w = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(0, 1, 12).view(4, 3)
    y = torch.tensor([1, 3])
    assert torch.equal(F.linear_cross_entropy(x, w, y), F.cross_entropy(F.linear(x, w), y))
    deep = F.linear_cross_entropy(x, w.view(2, 2, 3), torch.tensor([[0, 1], [1, 0]]), reduction="none")
    assert deep.shape == (2, 2)


def test_gaussian_nll():
    value = F.gaussian_nll_loss(torch.zeros(2), torch.ones(2), torch.tensor([1.0, 4.0]), full=True)
    expected = 0.5 * ((0 + 1) + (math.log(4) + 0.25)) / 2 + 0.5 * math.log(2 * math.pi)
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_softmax_without_dim_warns():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert F.softmax(torch.zeros(2, 4)).sum().item() == 2


def test_gumbel_softmax_hard():
    torch.manual_seed(0)
    logits = torch.zeros(5, 3, requires_grad=True)
    y = F.gumbel_softmax(logits, hard=True)
    assert torch.equal(y.detach().sum(1), torch.ones(5)) and set(y.detach().flatten().tolist()) <= {0.0, 1.0}
    y[:, 0].sum().backward()
    assert logits.grad.abs().sum() > 0


def test_unpool_inverts_pool():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    y, i = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(y, i, 2)
    assert back.flatten().nonzero().squeeze(1).tolist() == [5, 7, 13, 15]
    with pytest.raises(ValueError, match="invalid output_size"):
        F.max_unpool2d(y, i, 2, output_size=(9, 9))


def test_lp_pool_is_a_norm():
    x = torch.tensor([[3.0, 4.0, 6.0, 8.0]])
    assert F.lp_pool1d(x, 2, 2).tolist() == [[5.0, 10.0]]


def test_interpolate():
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert F.interpolate(x, size=(1, 4), mode="bilinear", align_corners=True)[0, 0, 0].tolist() == pytest.approx(
        [1, 4 / 3, 5 / 3, 2])
    assert F.interpolate(x, scale_factor=(1, 2), mode="area")[0, 0].tolist() == [[1, 1, 2, 2]]
    for kwargs, text in (({}, "either size or scale_factor"), ({"size": 2, "scale_factor": 2}, "only one of size"),
                         ({"size": 2, "align_corners": True}, "align_corners option")):
        with pytest.raises(ValueError, match=text):
            F.interpolate(x, **kwargs)
    with pytest.raises(NotImplementedError, match="Got 4D input, but trilinear mode needs 5D"):
        F.interpolate(x, 2, mode="trilinear")


def test_identity_grid_samples_the_image():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    grid = F.affine_grid(torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 3, 3), align_corners=False)
    assert torch.allclose(F.grid_sample(x, grid, align_corners=False), x, atol=1e-6)


def test_fold_adds_what_unfold_takes():
    x = torch.ones(1, 2, 3, 3)
    counts = F.fold(F.unfold(x, 2), (3, 3), 2)
    assert counts[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_embedding_padding_and_max_norm():
    weight = torch.tensor([[3.0, 4.0], [1.0, 0.0]], requires_grad=True)
    F.embedding(torch.tensor([0, 1, 1]), weight, padding_idx=-1).sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0]]
    plain = weight.detach().clone()
    F.embedding(torch.tensor([0]), plain, max_norm=1.0)
    assert plain[0].tolist() == pytest.approx([0.6, 0.8], abs=1e-5)
    with pytest.raises(ValueError, match="offsets has to be a 1D Tensor but got None"):
        F.embedding_bag(torch.tensor([0]), plain)


@pytest.mark.parametrize("call, error, text", [
    (lambda: F.dropout(torch.ones(2), 1.5), ValueError, "between 0 and 1, but got 1.5"),
    (lambda: F.dropout1d(torch.ones(2)), RuntimeError, "Expected 2D or 3D input"),
    (lambda: F.batch_norm(torch.ones(2, 3), torch.ones(3), torch.ones(3), eps=0.0), ValueError, "eps must be positive"),
    (lambda: F.group_norm(torch.ones(2), 1), RuntimeError, "Expected at least 2 dimensions"),
    (lambda: F.hardtanh(torch.ones(2), 2, 1), ValueError, "min_val cannot be greater than max_val"),
    (lambda: F.triplet_margin_loss(*[torch.ones(2)] * 3, margin=0), ValueError, "margin must be greater than 0"),
    (lambda: F.glu(torch.tensor(1.0)), RuntimeError, "halving size must be even"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_torch_function_sees_the_public_function():
    class Odd:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__

    assert F.relu(Odd()) == "relu" and F.cross_entropy(Odd(), torch.ones(1)) == "cross_entropy"
    assert torch.nn.init.uniform_(Odd()) == "uniform_"
