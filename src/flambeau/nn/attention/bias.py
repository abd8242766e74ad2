"""Causal masks as light objects for scaled_dot_product_attention."""

from __future__ import annotations

import enum

import flambeau as torch
from flambeau import Tensor

__all__ = ["causal_upper_left", "causal_lower_right", "CausalVariant", "CausalBias"]


class CausalVariant(enum.IntEnum):
    """Where the diagonal of a causal mask starts, if queries and keys are not equally many."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(Tensor):
    """A causal mask that is made only when somebody needs it."""

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv
        if seq_len_q > seq_len_kv and variant == CausalVariant.LOWER_RIGHT:
            import warnings

            warnings.warn("Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!",
                          stacklevel=2)

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int):
        return Tensor._make_subclass(cls, torch.empty(0), False)

    def _materialize(self, device=None) -> Tensor:
        offset = 0 if self.variant == CausalVariant.UPPER_LEFT else self.seq_len_kv - self.seq_len_q
        return torch.tril(torch.ones(self.seq_len_q, self.seq_len_kv, device=device, dtype=torch.bool), diagonal=offset)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        attend = torch.nn.functional.scaled_dot_product_attention
        if func is not attend and getattr(func, "__name__", "") != "scaled_dot_product_attention":
            return super().__torch_function__(func, types, args, kwargs)
        args = list(args)
        if len(args) > 3:
            kwargs["attn_mask"] = args.pop(3)
            for name in ("dropout_p", "is_causal"):
                if len(args) > 3:
                    kwargs[name] = args.pop(3)
        mask = kwargs.pop("attn_mask")
        if kwargs.pop("is_causal", False):
            raise ValueError("CausalBias should not be used with causal=True")
        if mask.seq_len_q == mask.seq_len_kv or mask.variant == CausalVariant.UPPER_LEFT:
            return attend(*args, attn_mask=None, is_causal=True, **kwargs)
        return attend(*args, attn_mask=mask._materialize(args[0].device if args else None), is_causal=False, **kwargs)

    def __repr__(self) -> str:
        return repr(self._materialize())


def causal_upper_left(*size: int) -> CausalBias:
    """The mask with its diagonal through the upper left corner, of shape (L, S)."""
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size: int) -> CausalBias:
    """The mask with its diagonal through the lower right corner, of shape (L, S)."""
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
