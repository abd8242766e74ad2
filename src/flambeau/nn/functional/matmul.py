"""Grouped matrix products."""

from __future__ import annotations

import enum

import flambeau as torch
from flambeau import Tensor
from flambeau.overrides import overridable


class ScalingType(enum.Enum):
    """How the scale factors of a scaled product lie over its operands."""

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5


class SwizzleType(enum.Enum):
    """The memory order of scale factors."""

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1


@overridable
def grouped_mm(mat_a: Tensor, mat_b: Tensor, *, offs: Tensor | None = None, bias: Tensor | None = None,
               out_dtype=None) -> Tensor:
    """Products of groups: of 3-D operands pairwise, or of slices of a 2-D operand that end at `offs`."""
    if bias is not None:
        raise RuntimeError("grouped_mm: bias is not supported yet")
    if (mat_a.dim() == 2 or mat_b.dim() == 2) != (offs is not None):
        raise RuntimeError("grouped_mm: offs must be given exactly if an operand is 2-D "
                           f"(got {mat_a.dim()}-D and {mat_b.dim()}-D)")
    if offs is None:
        out = torch.bmm(mat_a, mat_b)
    else:
        ends = offs.tolist()
        spans = list(zip([0, *ends[:-1]], ends))
        if mat_a.dim() == 2 and mat_b.dim() == 2:
            out = torch.stack([mat_a[:, i:j] @ mat_b[i:j] for i, j in spans])
        elif mat_a.dim() == 2:
            out = torch.cat([mat_a[i:j] @ mat_b[g] for g, (i, j) in enumerate(spans)])
        else:
            out = torch.cat([mat_a[g] @ mat_b[:, i:j] for g, (i, j) in enumerate(spans)], dim=1)
    return out if out_dtype is None else out.to(out_dtype)


def scaled_mm(mat_a: Tensor, mat_b: Tensor, scale_a, scale_recipe_a, scale_b, scale_recipe_b, swizzle_a=None,
              swizzle_b=None, bias: Tensor | None = None, output_dtype=torch.bfloat16, contraction_dim=(),
              use_fast_accum: bool = False) -> Tensor:
    """The product of matrices with scale factors, for whole tensors (TensorWise) and rows (RowWise)."""
    for recipe in (scale_recipe_a, scale_recipe_b):
        if recipe not in (ScalingType.TensorWise, ScalingType.RowWise):
            raise NotImplementedError(f"scaled_mm: scaling {recipe} is not supported on this device; "
                                      "use ScalingType.TensorWise or ScalingType.RowWise")
    out = (mat_a.float() * scale_a) @ (mat_b.float() * scale_b)
    if bias is not None:
        out = out + bias.float()
    return out.to(output_dtype)


def scaled_grouped_mm(mat_a: Tensor, mat_b: Tensor, scale_a, scale_recipe_a, scale_b, scale_recipe_b, swizzle_a=None,
                      swizzle_b=None, bias: Tensor | None = None, offs: Tensor | None = None,
                      output_dtype=torch.bfloat16, contraction_dim=(), use_fast_accum: bool = False) -> Tensor:
    """grouped_mm of operands with row-wise scale factors."""
    if scale_recipe_a is not ScalingType.RowWise or scale_recipe_b is not ScalingType.RowWise:
        raise NotImplementedError("scaled_grouped_mm: only ScalingType.RowWise is supported on this device")
    a = mat_a.float() * scale_a.unsqueeze(-1)
    b = mat_b.float() * scale_b.unsqueeze(-2)
    return grouped_mm(a, b, offs=offs, bias=bias, out_dtype=output_dtype)
