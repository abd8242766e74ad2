"""torch.sparse_coo_tensor, sparse_csr_tensor and the other constructors, and the checks of what they are given."""
from __future__ import annotations

import flambeau as torch

from ._coordinates import flat, is_sorted
from ._tensor import BLOCKED, BSC, BSR, BY_ROW, COO, CSC, CSR, SparseTensor, assemble, bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from flambeau import Tensor

# Whether constructors check what they are given: torch.sparse.check_sparse_tensor_invariants.
checking = {"on": False}
_NAMES = {CSR: ("crow", "col"), BSR: ("crow", "col"), CSC: ("ccol", "row"), BSC: ("ccol", "row")}


def without_elements(layout: Any, size: Any, dtype: Any, sparse_dim: int) -> SparseTensor:
    """A sparse tensor of zeros."""
    size = tuple(size)
    sparse_dim = min(sparse_dim, len(size))
    if layout is COO:
        return bare(COO, None, torch.zeros((sparse_dim, 0), dtype=torch.int64), torch.zeros((0, *size[sparse_dim:]), dtype=dtype), size, True)
    if layout in BLOCKED or len(size) < 2:
        raise RuntimeError(f"zeros: a tensor of layout {layout} and size {list(size)} cannot be made without blocks")
    n = size[-2 if layout in BY_ROW else -1]
    batch = size[:-2]
    return bare(layout, torch.zeros((*batch, n + 1), dtype=torch.int64), torch.zeros((*batch, 0), dtype=torch.int64),
                torch.zeros((*batch, 0), dtype=dtype), size)


def _on_cpu(device: Any) -> None:
    from .._tensor import _on_device
    _on_device(None if device is None else torch.device(device))


def _values(values: Any, dtype: Any) -> Tensor:
    if isinstance(values, torch.Tensor):
        if isinstance(values, SparseTensor):
            raise TypeError("sparse tensors: values must be a strided tensor")
        return values if dtype is None or values.dtype == dtype else values.to(dtype)
    return torch.tensor(values, dtype=dtype)


def _index(given: Any) -> Tensor:
    index = given if isinstance(given, torch.Tensor) else torch.tensor(given)
    return (index if index.dtype is torch.int64 else index.to(torch.int64)).detach()


def _is_size(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(n, int) and not isinstance(n, bool) for n in value)


def sparse_coo_tensor(indices: Any = None, values: Any = None, size: Any = None, *, dtype: Any = None, device: Any = None, pin_memory: bool = False,
                      requires_grad: bool = False, check_invariants: bool | None = None, is_coalesced: bool | None = None) -> SparseTensor:
    """A tensor of the values at coordinates: indices (sparse_dim, nnz), values (nnz, ...). See torch.sparse_coo_tensor."""
    _on_cpu(device)
    if values is None:
        size = indices if size is None else size
        if not _is_size(size):
            raise TypeError("sparse_coo_tensor() received an invalid combination of arguments - expected one of:\n * (object indices, object values, "
                            "*, ...)\n * (object indices, object values, tuple of ints size, *, ...)\n * (tuple of ints size, *, ...)\n")
        made = without_elements(COO, _checked_size(size), dtype or torch.get_default_dtype(), len(size))
        return made.requires_grad_() if requires_grad else made
    if size is not None and not _is_size(size):
        got = ", ".join(type(a).__name__ for a in (indices, values, size))
        raise TypeError(f"sparse_coo_tensor() received an invalid combination of arguments - got ({got}), but expected one of:\n * (object indices, "
                        "object values, *, torch.dtype dtype = None, torch.device device = None, bool pin_memory = False, bool requires_grad = False, "
                        "bool check_invariants = None, bool is_coalesced = None)\n * (object indices, object values, tuple of ints size, *, ...)\n"
                        " * (tuple of ints size, *, ...)\n")
    values, indices = _values(values, dtype), _index(indices)
    if values.dim() == 0:
        values = values.unsqueeze(0)
    if indices.dim() != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    if size is None:
        size = _inferred(indices, values)
    size = _checked_size(size)
    if indices.shape[0] + values.dim() - 1 != len(size):
        raise RuntimeError(f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {indices.shape[0]}, "
                           f"dense_dim = {values.dim() - 1}")
    if indices.shape[1] != values.shape[0]:
        raise RuntimeError(f"indices and values must have same nnz, but got nnz from indices: {indices.shape[1]}, nnz from values: {values.shape[0]}")
    if tuple(values.shape[1:]) != size[indices.shape[0]:]:
        raise RuntimeError(f"values has incorrect size, expected {[values.shape[0], *size[indices.shape[0]:]]}, got {list(values.shape)}")
    if checking["on"] if check_invariants is None else check_invariants:
        check_coo(indices, values, size, bool(is_coalesced))
    coalesced = indices.shape[1] < 2 if is_coalesced is None else is_coalesced
    if requires_grad:
        return bare(COO, None, indices, values.detach(), size, coalesced, True)
    return assemble(COO, None, indices, values, size, coalesced)


def _checked_size(size: Any) -> tuple:
    if any(n < 0 for n in size):
        raise RuntimeError(f"sparse tensors: sizes must not be negative (got {list(size)}); numel: integer multiplication overflow")
    return tuple(size)


def _inferred(indices: Tensor, values: Tensor) -> tuple:
    if not indices.shape[1]:
        return (0,) * indices.shape[0] + tuple(values.shape[1:])
    least = indices.amin(1).tolist()
    for d, n in enumerate(least):
        if n < 0:
            raise RuntimeError(f"found negative index {n} for dim {d}")
    return tuple([n + 1 for n in indices.amax(1).tolist()]) + tuple(values.shape[1:])


def check_coo(indices: Tensor, values: Tensor, size: tuple, coalesced: bool) -> None:
    """RuntimeError unless coordinates lie within size (and are sorted and different, if they are said to be)."""
    if indices.numel():
        for d, (least, most) in enumerate(zip(indices.amin(1).tolist(), indices.amax(1).tolist())):
            if least < 0:
                raise RuntimeError(f"found negative index {least} for dim {d}")
            if most >= size[d]:
                raise RuntimeError(f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {most}")
    if coalesced and not is_sorted(flat(indices, size)):
        raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")


# ---------------------------------------------------------------------------------------------------- compressed layouts

def sparse_compressed_tensor(compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *, dtype: Any = None, layout: Any = None,
                             device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
                             check_invariants: bool | None = None) -> SparseTensor:
    """A tensor of one of the compressed layouts. See torch.sparse_compressed_tensor."""
    _on_cpu(device)
    if layout not in _NAMES:
        raise RuntimeError(f"sparse_compressed_tensor: layout must be one of sparse_csr, sparse_csc, sparse_bsr, sparse_bsc (got {layout})")
    values = _values(values, dtype)
    compressed, plain = (i.detach() if isinstance(i, torch.Tensor) else torch.tensor(i, dtype=torch.int64)
                         for i in (compressed_indices, plain_indices))
    batch = compressed.dim() - 1
    if size is None:
        main = compressed.shape[-1] - 1
        other = int(plain.max()) + 1 if plain.numel() else 0
        if layout in BLOCKED:
            high, wide = values.shape[batch + 1:batch + 3]
            main, other = (main * high, other * wide) if layout is BSR else (main * wide, other * high)
        pair = (main, other) if layout in BY_ROW else (other, main)
        size = (*compressed.shape[:-1], *pair, *values.shape[batch + (3 if layout in BLOCKED else 1):])
    size = _checked_size(size)
    if checking["on"] if check_invariants is None else check_invariants:
        check_compressed(layout, compressed, plain, values, size)
    if requires_grad:
        return bare(layout, compressed, plain, values.detach(), size, False, True)
    return assemble(layout, compressed, plain, values, size, node="SparseCompressedTensor")


def check_compressed(layout: Any, compressed: Tensor, plain: Tensor, values: Tensor, size: tuple) -> None:
    """RuntimeError unless the parts make a tensor of the layout and size."""
    main, other = _NAMES[layout]
    batch = compressed.dim() - 1
    if compressed.dtype is not plain.dtype or compressed.dtype not in (torch.int32, torch.int64):
        raise RuntimeError(f"{main}_indices and {other}_indices dtype must match and be int32 or int64 (got {compressed.dtype} and {plain.dtype})")
    if plain.dim() != compressed.dim() or len(size) < batch + 2:
        raise RuntimeError(f"size must have at least {batch + 2} dimensions, and {main}_indices and {other}_indices equally many (got {len(size)}, "
                           f"{compressed.dim()} and {plain.dim()})")
    if values.shape[:batch + 1] != plain.shape:
        raise RuntimeError(f"number of dimensions or elements of values and {other}_indices do not match (got {list(values.shape)} and "
                           f"{list(plain.shape)})")
    block = tuple(values.shape[batch + 1:batch + 3]) if layout in BLOCKED else (1, 1)
    sizes = [size[batch] // block[0], size[batch + 1] // block[1]]
    n, m = sizes if layout in BY_ROW else sizes[::-1]
    if compressed.shape[-1] != n + 1:
        raise RuntimeError(f"{main}_indices.shape[-1] must be equal to the number of {'rows' if layout in BY_ROW else 'columns'} + 1 "
                           f"(got {compressed.shape[-1]}, expected {n + 1})")
    if not bool((compressed[..., 0] == 0).all()):
        raise RuntimeError(f"`{main}_indices[..., 0] == 0` is not satisfied.")
    if not bool((compressed[..., -1] == plain.shape[-1]).all()):
        raise RuntimeError(f"`{main}_indices[..., -1] == nnz` is not satisfied.")
    steps = compressed[..., 1:] - compressed[..., :-1]
    if not bool(((steps >= 0) & (steps <= m)).all()):
        raise RuntimeError(f"`0 <= {main}_indices[..., 1:] - {main}_indices[..., :-1] <= {'ncols' if layout in BY_ROW else 'nrows'}` is not satisfied.")
    if plain.numel():
        if int(plain.min()) < 0 or int(plain.max()) >= m:
            raise RuntimeError(f"`0 <= {other}_indices < {'ncols' if layout in BY_ROW else 'nrows'}` is not satisfied.")
        from ._compressed import expanded
        for one, inner in zip(compressed.reshape(-1, n + 1), plain.reshape(-1, plain.shape[-1])):
            keys = expanded(one) * m + inner
            if not is_sorted(keys):
                raise RuntimeError(f"`{other}_indices[..., {main}_indices[..., i - 1]:{main}_indices[..., i]] for all i = 1, ..., n are sorted and "
                                   "distinct along the last dimension values` is not satisfied.")


def _compressed_of(layout: Any) -> Any:
    def construct(compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, **options: Any) -> SparseTensor:
        return sparse_compressed_tensor(compressed_indices, plain_indices, values, size, layout=layout, **options)

    main, other = (f"{n}_indices" for n in _NAMES[layout])

    def named(*args: Any, **options: Any) -> SparseTensor:
        for new, old in ((main, "compressed_indices"), (other, "plain_indices")):
            if new in options:
                options[old] = options.pop(new)
        return construct(*args, **options)
    return named


sparse_csr_tensor, sparse_csc_tensor, sparse_bsr_tensor, sparse_bsc_tensor = (_compressed_of(layout) for layout in (CSR, CSC, BSR, BSC))


def legacy(dtype: Any, args: tuple) -> SparseTensor:
    """torch.sparse.FloatTensor(indices, values, size), (*size) or ()."""
    if len(args) >= 2 and isinstance(args[1], torch.Tensor):
        return sparse_coo_tensor(args[0], args[1], *args[2:3])
    size = tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args
    return without_elements(COO, size or (0,), dtype, len(size) or 1)
