"""torch.utils.checkpoint: the same gradients with less kept, in both forms."""
import flambeau as torch
import pytest
from flambeau.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def block(x):
    return (x.exp().sin() * x).tanh()


@pytest.mark.parametrize("options", [{"use_reentrant": False}, {"use_reentrant": True},
                                     {"use_reentrant": False, "early_stop": False}])
def test_same_gradient(options):
    x = torch.tensor([0.1, 0.5, -0.3], requires_grad=True)
    block(x).sum().backward()
    want, x.grad = x.grad.clone(), None
    checkpoint(block, x, **options).sum().backward()
    assert torch.allclose(x.grad, want)


def test_runs_twice_and_counts():
    runs = []

    def counted(x):
        runs.append(1)
        return x.sin()

    x = torch.ones(2, requires_grad=True)
    y = checkpoint(counted, x, use_reentrant=False)
    assert len(runs) == 1
    y.sum().backward()
    assert len(runs) == 2


def test_random_state_is_repeated():
    x = torch.ones(20, requires_grad=True)
    torch.manual_seed(0)
    y = checkpoint(lambda x: torch.nn.functional.dropout(x, 0.5) * x, x, use_reentrant=False)
    y.sum().backward()
    assert torch.allclose(x.grad, 2 * y.detach())


def test_nested_and_sequential():
    x = torch.tensor([0.3], requires_grad=True)
    inner = checkpoint(lambda x: checkpoint(lambda y: y.exp(), x.sin(), use_reentrant=False).cos(), x,
                       use_reentrant=False)
    assert torch.allclose(inner, x.sin().exp().cos())
    inner.backward()
    y = checkpoint_sequential([torch.sin, torch.cos, torch.exp], 2, x, use_reentrant=False)
    assert torch.allclose(y, x.sin().cos().exp())


def test_errors():
    x = torch.ones(2, requires_grad=True)
    runs = []

    def changes(x):
        runs.append(1)
        return (x if len(runs) == 1 else x[:1]).sin()

    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(changes, x, use_reentrant=False).sum().backward()
    with pytest.raises(ValueError, match="Unexpected keyword arguments: b"):
        checkpoint(lambda a, b: a, x, use_reentrant=True, b=2)
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(torch.sin, x)
