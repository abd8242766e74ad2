"""Sparse tensors as text: their parts, then size, number of elements, dtype and layout."""
from __future__ import annotations

import flambeau as torch
from flambeau._tensor_str import _contents, _grad_name, _join

from ._tensor import BY_ROW, COO, SparseTensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flambeau import Tensor

_INDENT = " " * len("tensor(")


def _part(name: str, x: Tensor) -> str:
    """NAME=tensor(...), without dtype."""
    head = f"{name}=tensor("
    if not x.numel():
        return f"{head}[], size={tuple(x.shape)})"
    return head + _contents(x.detach(), len(_INDENT) + len(head)) + ")"


def text(x: SparseTensor) -> str:
    """What repr() and str() give."""
    if x._layout is COO:
        parts = [_part("indices", x._plain), _part("values", x._elements)]
    else:
        names = ("crow_indices", "col_indices") if x._layout in BY_ROW else ("ccol_indices", "row_indices")
        parts = [_part(names[0], x._compressed), _part(names[1], x._plain), _part("values", x._elements)]
    suffixes = [f"size={tuple(x.shape)}", f"nnz={x._nnz()}"]
    if x.dtype not in (torch.get_default_dtype(), torch.int64, torch.bool) and not (
            x.dtype.is_complex and x.dtype.to_real() == torch.get_default_dtype()):
        suffixes.append(f"dtype={x.dtype}")
    suffixes.append(f"layout={x._layout}")
    node = _grad_name(x)
    if node is not None:
        suffixes.append(f"grad_fn=<{node}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    return _join("tensor(", (",\n" + _INDENT).join(parts), suffixes, x._layout is COO)
