"""Losses: values, gradients at special points, checks."""

import math

import pytest

import flambeau as torch


def value(loss, *args, **kwargs):
    return loss(*args, **kwargs).item()


def test_regression_losses():
    x, y = torch.tensor([0.0, 0.5, 3.0]), torch.zeros(3)
    nn = torch._C._nn
    assert value(nn.mse_loss, x, y, 2) == 9.25
    assert value(nn.l1_loss, x, y, 2) == 3.5
    assert nn.smooth_l1_loss(x, y, 0).tolist() == [0, 0.125, 2.5]
    assert nn.huber_loss(x, y, 0, 2.0).tolist() == [0, 0.125, 4]


def test_binary_cross_entropy_is_finite_at_the_ends():
    p = torch.tensor([0.0, 1.0, 0.5], requires_grad=True)
    t = torch.tensor([1.0, 0.0, 1.0])
    loss = torch._C._nn.binary_cross_entropy(p, t, None, 0)
    assert loss.tolist() == pytest.approx([100, 100, math.log(2)])
    loss.sum().backward()
    assert p.grad.tolist() == pytest.approx([-1e12, 1e12, -2])
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        torch._C._nn.binary_cross_entropy(torch.tensor([2.0]), torch.tensor([1.0]))


def test_logits_do_not_overflow():
    x = torch.tensor([1000.0, -1000.0])
    assert torch.binary_cross_entropy_with_logits(x, torch.tensor([0.0, 1.0]), None, None, 0).tolist() == [1000, 1000]
    assert torch._C._nn.soft_margin_loss(-x, torch.tensor([1.0, 1.0]), 0).tolist() == [1000, 0]


def test_margin_losses():
    x = torch.tensor([[0.1, 0.2, 0.4, 0.8]])
    assert value(torch._C._nn.multi_margin_loss, x, torch.tensor([3])) == pytest.approx(0.325)
    assert value(torch._C._nn.multilabel_margin_loss, x, torch.tensor([[3, 0, -1, 1]])) == pytest.approx(0.85)
    assert value(torch.margin_ranking_loss, torch.ones(1), torch.zeros(1), -torch.ones(1), 0.5) == 1.5
    assert value(torch.hinge_embedding_loss, torch.tensor([0.25, 2.0]), torch.tensor([-1.0, 1.0])) == 1.375
    assert value(torch.triplet_margin_loss, torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) == 0


def test_cosine():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert value(torch.cosine_similarity, a, b) == pytest.approx(math.sqrt(0.5))
    assert torch.cosine_similarity(torch.zeros(1, 2), b).item() == 0
    assert value(torch.cosine_embedding_loss, a, b, torch.tensor([-1])) == pytest.approx(math.sqrt(0.5))


def test_kl_div_of_zero_probability():
    assert torch.kl_div(torch.tensor([-1.0, -1.0]), torch.tensor([0.0, 1.0]), 0).tolist() == [0, 1]


def brute_force(log_probs, target, blank=0):
    """The likelihood of target summed over every path, collapsed."""
    import itertools
    steps, classes = log_probs.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        collapsed = [c for i, c in enumerate(path) if c != blank and (i == 0 or c != path[i - 1])]
        if collapsed == list(target):
            total += math.exp(sum(log_probs[t, c].item() for t, c in enumerate(path)))
    return -math.log(total) if total else math.inf


@pytest.mark.parametrize("target", [[1], [1, 2], [1, 1], [2, 1, 2], []])
def test_ctc_equals_the_sum_over_paths(target):
    torch.manual_seed(0)
    log_probs = torch.randn(5, 3, dtype=torch.float64).log_softmax(1)
    loss = torch.ctc_loss(log_probs.unsqueeze(1), torch.tensor([target], dtype=torch.long), [5], [len(target)], 0, 0)
    assert loss.item() == pytest.approx(brute_force(log_probs, target))


def test_ctc_gradient_and_batches():
    torch.manual_seed(0)
    x = torch.randn(6, 2, 4, dtype=torch.float64, requires_grad=True)
    targets, lengths = torch.tensor([[1, 2, 2], [3, 0, 0]]), torch.tensor([3, 1])

    def loss(x):
        return torch.ctc_loss(x.log_softmax(2), targets, torch.tensor([6, 4]), lengths, 0, 2)

    loss(x).backward()
    step = torch.zeros_like(x)
    for place in ((0, 0, 1), (5, 0, 2), (3, 1, 3), (5, 1, 1)):
        step.zero_()[place] = 1e-6
        slope = (loss(x.detach() + step) - loss(x.detach() - step)) / 2e-6
        assert x.grad[place].item() == pytest.approx(slope.item(), abs=1e-6)


def test_ctc_impossible_target():
    log_probs = torch.zeros(1, 1, 2).log_softmax(2).requires_grad_()
    args = torch.tensor([[1, 1]]), torch.tensor([1]), torch.tensor([2])
    assert torch.ctc_loss(log_probs, *args).item() == math.inf
    loss = torch.ctc_loss(log_probs, *args, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and not log_probs.grad.any()
