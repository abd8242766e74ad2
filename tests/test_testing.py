"""torch.testing: assert_close's verdicts and messages, make_tensor."""
import math

import flambeau as torch
import pytest
from flambeau.testing import assert_close, make_tensor


def message(*args, **kwargs):
    with pytest.raises(AssertionError) as info:
        assert_close(*args, **kwargs)
    return str(info.value)


def test_messages():
    assert message(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])) == (
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: 1.0 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.3333333432674408 at index (1,) (up to 1.3e-06 allowed)")
    assert message(1, 2) == "Scalars are not equal!\n\nExpected 2 but got 1.\nAbsolute difference: 1\n" \
        "Relative difference: 0.5"
    assert message({"a": [torch.tensor(1.0)]}, {"a": [torch.tensor(4.0)]}).endswith(
        "The failure occurred for item ['a'][0]")
    assert message(torch.tensor([1.0]), torch.tensor([1])) == \
        "The values for attribute 'dtype' do not match: torch.float32 != torch.int64."
    assert message([1.0], [1.0, 2.0]) == "The length of the sequences mismatch: 1 != 2"
    assert message(1.0, 2.0, msg=lambda text: "mine\n" + text).startswith("mine\nScalars are not close!")


def test_verdicts():
    assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    assert_close(torch.tensor([math.nan]), torch.tensor([math.nan]), equal_nan=True)
    assert_close(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64), check_dtype=False)
    assert_close([1.0, None, (True,)], [1.0, None, (True,)])
    with pytest.raises(ValueError, match="must be either specified or omitted"):
        assert_close(1.0, 1.0, rtol=1.0)
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close("a", "a")


def test_make_tensor():
    t = make_tensor(3, 4, dtype=torch.float32, device="cpu", low=-1, high=1, noncontiguous=True, requires_grad=True)
    assert t.shape == (3, 4) and not t.is_contiguous() and t.requires_grad and t.abs().max().item() <= 1
    assert make_tensor((2,), dtype=torch.int64, device="cpu", low=1, high=3).min().item() >= 1
    with pytest.raises(ValueError, match="`low` must be less than `high`"):
        make_tensor(2, dtype=torch.int64, device="cpu", low=3, high=1)
