"""torch.masked: reductions where a mask is true."""

import math

import pytest

import flambeau as torch

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
MASK = torch.tensor([[True, False, True], [False, False, False]])
NAN = pytest.approx(math.nan, nan_ok=True)


@pytest.mark.parametrize("name, rows, everything", [
    ("sum", [4, 0], 4), ("prod", [3, 1], 3), ("amax", [3, -math.inf], 3), ("amin", [1, math.inf], 1),
    ("mean", [2, NAN], 2), ("var", [2, NAN], 2), ("norm", [math.sqrt(10), 0], math.sqrt(10)),
    ("logsumexp", [3 + math.log(1 + math.exp(-2)), -math.inf], 3 + math.log(1 + math.exp(-2))),
])
def test_reductions(name, rows, everything):
    reduce = getattr(torch.masked, name)
    order = (2.0,) if name == "norm" else ()
    got = reduce(X, *order, 1, mask=MASK).tolist()
    assert all(one == (NAN if want is NAN else pytest.approx(want)) for one, want in zip(got, rows))
    assert reduce(X, *order, mask=MASK).item() == pytest.approx(everything)


def test_normalisations():
    soft = torch.masked.softmax(X, 1, mask=MASK)
    assert soft[0].tolist() == pytest.approx([0.1192029, 0, 0.8807971]) and soft[1].isnan().all()
    assert torch.masked.cumsum(X, 1, mask=MASK).tolist() == [[1, 1, 4], [0, 0, 0]]
    assert torch.masked.median(X, 1, mask=MASK)[0] == 1
    assert torch.masked.argmax(X, 1, mask=MASK).tolist() == [2, 0]


def test_a_mask_must_broadcast():
    with pytest.raises(IndexError):
        torch.masked.sum(X, mask=torch.ones(1, 2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="floating point"):
        torch.masked.mean(X.long())
