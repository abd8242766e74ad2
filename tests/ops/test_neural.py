"""Padding, windows, unpooling, shuffles, dropouts."""

import pytest

import flambeau as torch


def test_pads():
    x = torch.arange(1.0, 5.0).reshape(1, 4)
    pad = torch._C._nn.pad
    assert pad(x, (1, -1)).tolist() == [[0, 1, 2, 3]]
    assert pad(x, (2, 1), "reflect").tolist() == [[3, 2, 1, 2, 3, 4, 3]]
    assert pad(x, (2, 1), "replicate").tolist() == [[1, 1, 1, 2, 3, 4, 4]]
    assert pad(x, (2, 1), "circular").tolist() == [[3, 4, 1, 2, 3, 4, 1]]
    with pytest.raises(RuntimeError, match="Padding size should be less"):
        pad(x, (4, 0), "reflect")


def test_pad_gradients():
    x = torch.ones(1, 3, requires_grad=True)
    (torch._C._nn.pad(x, (1, 1), "reflect") * torch.arange(5.0)).sum().backward()
    assert x.grad.tolist() == [[1, 6, 3]]
    x.grad = None
    (torch.constant_pad_nd(x, (1, -1), 7) * torch.arange(3.0)).sum().backward()
    assert x.grad.tolist() == [[1, 2, 0]]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("amounts", [(1, 2, 3, 1), (0, 3, 0, 0), (3, 3, 2, 0), (-1, 2, 1, 1)])
def test_pads_repeat_elements(mode, amounts):
    x = torch.arange(40.0, dtype=torch.float64).reshape(1, 2, 4, 5).transpose(2, 3).requires_grad_()
    y = torch._C._nn.pad(x, amounts, mode)
    left, right, top, bottom = amounts
    chosen = {}
    for d, before, after in ((3, left, right), (2, top, bottom)):
        size = x.shape[d]
        kept = list(range(max(-before, 0), size + min(after, 0)))
        at = {"replicate": [min(max(k, 0), size - 1) for k in range(-before, size + after)],
              "reflect": [size - 1 - abs(size - 1 - abs(k)) for k in range(-before, size + after)],
              "circular": [kept[k % len(kept)] for k in range(-max(before, 0), len(kept) + max(after, 0))]}[mode]
        chosen[d] = at
    assert torch.equal(y, x[:, :, chosen[2]][..., chosen[3]])
    assert torch.autograd.gradcheck(lambda t: torch._C._nn.pad(t, amounts, mode), x)
    assert torch.autograd.gradgradcheck(lambda t: torch._C._nn.pad(t, amounts, mode), x)


def test_windows_and_their_sum():
    x = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    columns = torch._C._nn.im2col(x, (2, 2), (1, 1), (0, 0), (2, 2))
    assert columns[0, :, 1].tolist() == [2, 3, 6, 7]
    back = torch._C._nn.col2im(columns, (4, 4), (2, 2), (1, 1), (0, 0), (2, 2))
    assert torch.equal(back, x)
    back.sum().backward()
    assert x.grad.eq(1).all()


def test_unpool():
    x, where = torch.tensor([[[5.0, 6.0]]]), torch.tensor([[[3, 0]]])
    assert torch._C._nn.max_unpool2d(x, where, (2, 2)).tolist() == [[[6, 0], [0, 5]]]
    with pytest.raises(RuntimeError, match="invalid max index"):
        torch._C._nn.max_unpool2d(x, where + 1, (2, 2))


def test_shuffles_are_inverse():
    x = torch.arange(32.0).reshape(1, 8, 2, 2)
    assert torch.equal(torch.pixel_unshuffle(torch.pixel_shuffle(x, 2), 2), x)
    assert torch.channel_shuffle(x, 2)[0, :, 0, 0].tolist() == [0, 16, 4, 20, 8, 24, 12, 28]


def test_activations():
    x = torch.tensor([-1.0, 2.0])
    assert torch.prelu(x, torch.tensor([0.25])).tolist() == [-0.25, 2]
    assert torch.rrelu(x, 0.25, 0.75).tolist() == [-0.5, 2]
    drawn = torch.rrelu(torch.full((1000,), -1.0), 0.25, 0.75, True)
    assert drawn.min() >= -0.75 and drawn.max() <= -0.25 and drawn.std() > 0.1
    assert torch._C._nn.glu(torch.tensor([3.0, 0.0])).tolist() == [1.5]
    with pytest.raises(RuntimeError, match="Halving dimension must be even"):
        torch._C._nn.glu(torch.ones(3))


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(0)
    y = torch.alpha_dropout(torch.randn(100000), 0.3, True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02
    channels = torch.feature_dropout(torch.ones(2, 50, 3), 0.5, True)
    assert ((channels == 0).all(-1) | (channels == 2).all(-1)).all()


def test_one_hot():
    one_hot = torch._C._nn.one_hot
    assert one_hot(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        one_hot(torch.tensor([3]), 3)


def test_bilinear():
    weight = torch.arange(6.0).reshape(1, 2, 3)
    assert torch.bilinear(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0, 1.0]]), weight).tolist() == [[18]]


def test_segment_reduce():
    data, lengths = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([2, 0, 1])
    assert torch.segment_reduce(data, "sum", lengths=lengths).tolist() == [3, 0, 4]
    assert torch.segment_reduce(data, "max", lengths=lengths, initial=0).tolist() == [2, 0, 4]


def test_foreach():
    x = [torch.ones(2), torch.full((1,), 4.0)]
    assert [one.tolist() for one in torch._foreach_add(x, [1, 2])] == [[2, 2], [6]]
    torch._foreach_mul_(x, 3)
    assert torch._foreach_sqrt(x)[0].tolist() == pytest.approx([3 ** 0.5] * 2)
    assert torch._foreach_norm(x)[1] == 12
