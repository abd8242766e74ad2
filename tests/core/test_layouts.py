"""Strides of results: memory formats of tensors with sizes of 1 or 0, and what elementwise operators make of them."""

import flambeau as torch

LAST = torch.channels_last
# shape: strides of empty(memory_format=channels_last); of .to(channels_last); of y + 1, y + x, x + y, clone, relu, sum over
# channels, where x is contiguous and y is channels_last.
CASES = {
    (2, 1, 3, 3): ((9, 1, 3, 1), (9, 1, 3, 1), (9, 1, 3, 1), (9, 9, 3, 1), (9, 9, 3, 1), (9, 1, 3, 1), (9, 9, 3, 1),
                   (9, 9, 3, 1)),
    (2, 4, 1, 1): ((4, 1, 4, 4), (4, 1, 4, 4), (4, 1, 4, 4), (4, 1, 1, 1), (4, 1, 1, 1), (4, 1, 4, 4), (4, 1, 1, 1),
                   (1, 1, 1, 1)),
    (2, 3, 1, 4): ((12, 1, 12, 3), (12, 1, 12, 3), (12, 1, 12, 3), (12, 1, 12, 3), (12, 4, 12, 1), (12, 1, 12, 3),
                   (12, 1, 12, 3), (4, 4, 4, 1)),
    (2, 0, 2, 2): ((0, 1, 0, 0), (0, 1, 0, 0), (4, 4, 2, 1), (4, 4, 2, 1), (4, 4, 2, 1), (0, 1, 0, 0), (4, 4, 2, 1),
                   (4, 4, 2, 1)),
}


def test_channels_last_of_small_sizes():
    for shape, expected in CASES.items():
        x, y = torch.zeros(shape), torch.empty(shape, memory_format=LAST)
        got = [y, x.to(memory_format=LAST), y + 1, y + x, x + y, y.clone(), y.relu(), y.sum(1, keepdim=True)]
        assert tuple(one.stride() for one in got) == expected, shape


def test_to_lays_out_what_contiguous_leaves():
    x = torch.zeros(2, 1, 3, 3)
    assert x.is_contiguous(memory_format=LAST) and x.contiguous(memory_format=LAST) is x
    assert x.to(memory_format=LAST).stride() == (9, 1, 3, 1)
    assert x.to(torch.float64, memory_format=LAST).stride() == (9, 1, 3, 1)
    assert torch.nn.functional.interpolate(x.to(memory_format=LAST), scale_factor=2).stride() == (36, 1, 6, 1)
    t = torch.zeros(3, 4).t()
    assert t.to(memory_format=torch.contiguous_format) is t  # it is not channels-last, so it will do
    assert t.to(torch.float64, memory_format=torch.contiguous_format).stride() == (3, 1)


def test_strides_of_single_elements_are_kept_by_copies_only():
    for shape, strides, plus_one in (((1, 5), (77, 1), (5, 1)), ((5, 1), (1, 77), (1, 5)), ((3, 1, 2), (2, 9, 1), (2, 6, 1))):
        x = torch.empty_strided(shape, strides)
        plain = torch.empty(shape).stride()
        assert x.clone().stride() == torch.zeros_like(x).stride() == x.to(torch.float64).stride() == strides
        assert (x + 1).stride() == (1 + x).stride() == (x + torch.ones(1)).stride() == plus_one
        assert (x + x).stride() == x.relu().stride() == x.exp().stride() == x.clone(
            memory_format=torch.contiguous_format).stride() == plain


def test_conversions_name_their_node():
    x = torch.ones(2, 3, 4, 5, requires_grad=True)
    for y in (x.to(torch.float64), x.to(memory_format=LAST), x.to(copy=True)):
        assert y.grad_fn.name() == "ToCopyBackward0"


def test_bytes_seen_as_another_type_are_no_part_of_the_graph():
    x = torch.ones(2, dtype=torch.float64, requires_grad=True) * 2
    y = x.view(torch.float32)
    assert not y.requires_grad and not y._is_view() and y.data_ptr() == x.data_ptr()
    y.neg_()
    assert x._version == y._version == 1 and x.grad_fn.name() == "MulBackward0"
    assert torch.arange(3, dtype=torch.int32).view(torch.float32).stride() == (1,)


def test_arange_of_whole_numbers_counts_with_the_integer_parts():
    assert torch.arange(0, 6, 1.5, dtype=torch.int64).tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.arange(0, 6, 1.5, dtype=torch.int32).tolist() == [0, 1, 2, 3]
    import pytest
    with pytest.raises(ValueError, match="step must be nonzero"):
        torch.arange(0, 4, 0.5, dtype=torch.int64)
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        torch.arange(3, dtype=torch.bool)
