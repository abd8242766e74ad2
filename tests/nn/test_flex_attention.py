"""flex_attention and its masks, against plain attention."""
import flambeau as torch
import pytest
from flambeau.nn.attention.flex_attention import AuxRequest, and_masks, create_block_mask, create_mask, flex_attention, or_masks


def causal(b, h, q, k):
    return q >= k


def test_masks():
    near = and_masks(causal, lambda b, h, q, k: q - k < 2)
    assert create_mask(near, None, None, 3, 3)[0, 0].tolist() == [[True, False, False], [True, True, False], [False, True, True]]
    assert create_mask(or_masks(near, lambda b, h, q, k: k == 0), 1, 2, 3, 3).shape == (1, 2, 3, 3)
    block = create_block_mask(causal, None, None, 8, 8, BLOCK_SIZE=4)
    assert block.shape == (1, 1, 8, 8) and block.to_dense()[0, 0].tolist() == [[1, 0], [1, 1]] and block.sparsity() == 25
    assert block.kv_num_blocks.tolist() == [[[1, 1]]] and block.full_kv_num_blocks.tolist() == [[[0, 1]]]


def test_it_is_attention():
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 9, 8, requires_grad=True) for _ in range(3))
    mask = create_block_mask(causal, None, None, 9, 9, BLOCK_SIZE=4)
    found = flex_attention(q, k, v, block_mask=mask)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), q)[0], torch.autograd.grad(expected.sum(), q)[0])


def test_scores_heads_and_sums():
    q, k, v = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 5, 8), torch.randn(1, 2, 5, 6)
    with pytest.raises(ValueError, match="enable_gqa=True"):
        flex_attention(q, k, v)
    result, aux = flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + (h + 1) * (i - j), enable_gqa=True,
                                 return_aux=AuxRequest(lse=True, max_scores=True))
    h, i, j = torch.arange(4).view(4, 1, 1), torch.arange(3).view(3, 1), torch.arange(5)
    scores = q @ k.repeat_interleave(2, 1).mT * 8**-0.5 + (h + 1) * (i - j)
    torch.testing.assert_close(result, scores.softmax(-1) @ v.repeat_interleave(2, 1))
    torch.testing.assert_close(aux.lse, scores.logsumexp(-1))
    torch.testing.assert_close(aux.max_scores, scores.amax(-1))


def test_rows_that_see_nothing_are_zero():
    x = torch.randn(1, 1, 2, 4)
    mask = create_block_mask(lambda b, h, q, k: q + k > 1, None, None, 2, 2)
    assert flex_attention(x, x, x, block_mask=mask)[0, 0, 0].tolist() == [0, 0, 0, 0]
