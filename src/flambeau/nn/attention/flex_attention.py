"""flex_attention: attention whose scores and mask are given as functions of (batch, head, query, key)."""
from __future__ import annotations

import math
from typing import Any, Callable, NamedTuple

import flambeau as torch

__all__ = ["AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks"]

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What flex_attention returns beside its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """The logarithm of the sum of exponentials, and the largest score, of each row; None where not asked for."""

    lse: Any = None
    max_scores: Any = None


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """Everything may attend to everything."""
    return torch.ones_like(token_q + token_kv, dtype=torch.bool)


def _combined(join: Callable, mask_mods: tuple) -> Callable:
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def mask(b: Any, h: Any, q: Any, kv: Any) -> Any:
        result = mask_mods[0](b, h, q, kv)
        for mod in mask_mods[1:]:
            result = join(result, mod(b, h, q, kv))
        return result

    return mask


def and_masks(*mask_mods: Callable) -> Callable:
    """Where all masks allow."""
    return _combined(lambda a, b: a & b, mask_mods)


def or_masks(*mask_mods: Callable) -> Callable:
    """Where one of the masks allows."""
    return _combined(lambda a, b: a | b, mask_mods)


def _over_all(function: Callable, scored: bool) -> Callable:
    """function of numbers as one of index vectors, over (batch, head, query, key); the score comes first if scored."""
    score = (0,) if scored else ()
    for dims in ((None, None, None, 0), (None, None, 0, None), (None, 0, None, None), (0, None, None, None)):
        function = torch.vmap(function, in_dims=(*score, *dims))
    return function


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = "cpu") -> Any:  # noqa: N803
    """mod_fn(batch, head, query, key) as a tensor of (B, H, Q_LEN, KV_LEN) booleans.

    >>> from flambeau.nn.attention.flex_attention import create_mask
    >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 3)
    tensor([[[[ True, False, False],
              [ True,  True, False]]]])
    """
    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    result = _over_all(mod_fn, scored=False)(*(torch.arange(n, device=device) for n in sizes))
    return result.to(torch.bool).expand(sizes)


class BlockMask:
    """A mask kept by blocks: which blocks of keys each block of queries needs, and the function that masks inside them."""

    def __init__(self, seq_lengths: tuple[int, int], kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any, full_kv_indices: Any,
                 BLOCK_SIZE: tuple[int, int], mask_mod: Callable) -> None:  # noqa: N803
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices

    @classmethod
    def from_kv_blocks(cls, kv_num_blocks: Any, kv_indices: Any, full_kv_num_blocks: Any = None, full_kv_indices: Any = None,
                       BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, mask_mod: Callable | None = None,  # noqa: N803
                       seq_lengths: tuple[int, int] | None = None) -> BlockMask:
        """A mask from the numbers and indices of its partly and its fully allowed blocks."""
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
        lengths = seq_lengths or (kv_indices.shape[-2] * size[0], kv_indices.shape[-1] * size[1])
        return cls(lengths, kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, size, mask_mod or noop_mask)

    @property
    def shape(self) -> tuple:
        """(batch, heads, queries, keys)."""
        return (*self.kv_num_blocks.shape[:-1], *self.seq_lengths)

    def numel(self) -> int:
        """The number of places."""
        return math.prod(self.shape)

    def to_dense(self) -> Any:
        """Which blocks are needed: (batch, heads, query blocks, key blocks), 0 or 1."""
        def dense(counts: Any, indices: Any) -> Any:
            result = torch.zeros(indices.shape, dtype=torch.int32)
            used = torch.arange(indices.shape[-1]) < counts.unsqueeze(-1)
            return result.scatter_add(-1, indices.long(), used.to(torch.int32))

        result = dense(self.kv_num_blocks, self.kv_indices)
        return result if self.full_kv_indices is None else result + dense(self.full_kv_num_blocks, self.full_kv_indices)

    def sparsity(self) -> float:
        """The part of the blocks, in per cent, that is skipped."""
        return 100.0 * (1 - self.to_dense().sum().item() * math.prod(self.BLOCK_SIZE) / self.numel())

    def to(self, device: Any) -> BlockMask:
        """The mask on a device."""
        moved = [t if t is None else t.to(device) for t in (self.kv_num_blocks, self.kv_indices, self.full_kv_num_blocks,
                                                           self.full_kv_indices)]
        return BlockMask(self.seq_lengths, *moved, self.BLOCK_SIZE, self.mask_mod)

    def __repr__(self) -> str:
        return f"BlockMask(shape={tuple(self.shape)}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(mask_mod: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = "cpu",  # noqa: N803
                      BLOCK_SIZE: Any = _DEFAULT_SPARSE_BLOCK_SIZE, _compile: bool = False, **options: Any) -> BlockMask:  # noqa: N803
    """The BlockMask of a function (batch, head, query, key) -> bool."""
    rows, columns = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    padded = torch.nn.functional.pad(mask.to(torch.uint8), (0, -KV_LEN % columns, 0, -Q_LEN % rows)).to(torch.int32)
    blocks = padded.unflatten(-2, (-1, rows)).unflatten(-1, (-1, columns)).sum((-3, -1))
    full = blocks == rows * columns
    partial = (blocks > 0) & ~full

    def listed(chosen: Any) -> tuple:
        order = torch.argsort(chosen.to(torch.int32), dim=-1, descending=True, stable=True)
        return chosen.sum(-1).to(torch.int32), order.to(torch.int32)

    return BlockMask((Q_LEN, KV_LEN), *listed(partial), *listed(full), (rows, columns), mask_mod)


def flex_attention(query: Any, key: Any, value: Any, score_mod: Callable | None = None, block_mask: BlockMask | None = None,
                   scale: float | None = None, enable_gqa: bool = False, return_lse: bool = False, kernel_options: Any = None,
                   *, return_aux: Any = None) -> Any:
    """softmax(score_mod(query @ key.T * scale)) @ value where block_mask allows; tensors of (batch, heads, length, size).

    score_mod(score, batch, head, query, key) gives the new score. enable_gqa lets several query heads share a key head. Rows that may
    see nothing are 0. return_aux (or return_lse) asks for an AuxOutput (or its lse) beside the result. ValueError for shapes that do not fit.

    >>> from flambeau.nn.attention.flex_attention import flex_attention
    >>> q = torch.zeros(1, 1, 2, 4)
    >>> flex_attention(q, q, torch.ones(1, 1, 2, 3), score_mod=lambda s, b, h, i, j: s - (i - j).abs()).shape
    torch.Size([1, 1, 2, 3])
    """
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if not enable_gqa and query.size(1) != key.size(1):
        raise ValueError(f"Expect query and key/value to have the same number of heads but got Hq={query.size(1)} and Hkv={key.size(1)}. "
                         "Try setting enable_gqa=True for GQA.")
    if query.size(1) % key.size(1):
        raise ValueError(f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={query.size(1)} and "
                         f"Hkv={key.size(1)}.")
    groups = query.size(1) // key.size(1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(-2, -1) * (scale if scale is not None else query.size(-1) ** -0.5)
    places = [torch.arange(n, device=query.device) for n in scores.shape]
    if score_mod is not None:
        scores = _over_all(score_mod, scored=True)(scores, *places).to(scores.dtype)
    if block_mask is not None:
        shape = block_mask.shape
        allowed = create_mask(block_mask.mask_mod, shape[0], shape[1], scores.shape[-2], scores.shape[-1], query.device)
        scores = scores.masked_fill(~allowed, -math.inf)
    lse = torch.logsumexp(scores.float() if scores.dtype != torch.float64 else scores, -1)
    weights = torch.exp(scores - torch.where(lse == -math.inf, 0.0, lse).unsqueeze(-1)).to(value.dtype)
    result = weights @ value
    if return_aux is not None:
        return result, AuxOutput(lse if return_aux.lse else None, scores.amax(-1).to(lse.dtype) if return_aux.max_scores else None)
    return (result, lse) if return_lse else result
