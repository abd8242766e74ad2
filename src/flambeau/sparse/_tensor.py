"""The class of sparse tensors, whose parts lie in Python: indices and values. Every operator called with one arrives at
`__torch_function__`, which finds its sparse form in a table that the other files of this folder fill.

Gradients: `elements(x)` are the values as they take part in the graph, `assemble(...)` makes a tensor of such values. An
operator that computes its result's values from its arguments' values with dense operators needs no gradient of its own.
"""
from __future__ import annotations

import flambeau as torch

from .._C import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

COO, CSR, CSC, BSR, BSC = (getattr(torch._C, name) for name in
                           ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"))
STRIDED = torch._C.strided
_INTERNAL = {STRIDED: "Strided", COO: "Sparse", CSR: "SparseCsr", CSC: "SparseCsc", BSR: "SparseBsr", BSC: "SparseBsc"}
BY_ROW, BY_COLUMN, BLOCKED = (CSR, BSR), (CSC, BSC), (BSR, BSC)
# name -> sparse form, for operators as programs call them; filled by `handles`.
TABLE: dict[str, Callable] = {}


def handles(*names: str) -> Callable[[Callable], Callable]:
    """Enter the decorated function as the sparse form of operators."""
    def enter(function: Callable) -> Callable:
        for name in names:
            TABLE[name] = function
        return function
    return enter


def layout_name(x: Tensor) -> str:
    """Strided, Sparse, SparseCsr...: the layout as messages spell it."""
    return _INTERNAL[x.layout]


def backend(x: Tensor) -> str:
    """CPU, SparseCPU or SparseCsrCPU: where messages say that an operator lacks a kernel."""
    return "CPU" if x.layout is STRIDED else "SparseCPU" if x.layout is COO else "SparseCsrCPU"


def unsupported(name: str, x: Tensor, hint: str = "") -> NotImplementedError:
    """The error of an operator that has no form for x's layout."""
    return NotImplementedError(f"Could not run 'aten::{name}' with arguments from the '{backend(x)}' backend. {name}: this operator has no form "
                               f"for tensors of layout {x.layout}; {hint or 'x.to_dense() makes a strided tensor'}")


def _short(func: Callable) -> str:
    name = func.__name__
    space = getattr(func, "namespace", None) or (getattr(func, "__module__", None) or "").rpartition(".")[2]
    return f"{space}_{name}" if space in ("linalg", "special", "fft") else name


class SparseTensor(Tensor):
    """A tensor of layout sparse_coo, sparse_csr, sparse_csc, sparse_bsr or sparse_bsc. Made by torch.sparse_coo_tensor and its like."""

    __slots__ = ("_layout", "_compressed", "_plain", "_elements", "_coalesced")
    _layout: Any        # COO, CSR...
    _compressed: Any    # where each row (or column) of a compressed layout begins; None for COO
    _plain: Any         # COO: coordinates, (sparse_dim, nnz); compressed: the other index
    _elements: Any      # values without their graph
    _coalesced: bool    # COO: indices are sorted and unique

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        from . import _operators  # noqa: F401  (fills the table at the first call)
        name = _short(func)
        form = TABLE.get(name)
        if form is not None:
            return form(*args, **(kwargs or {}))
        raise unsupported(name.strip("_") if name.startswith("__") else name, _first(args, kwargs))

    # ------------------------------------------------------------------------------------------ what is asked of any tensor

    @property
    def layout(self) -> Any:
        return self._layout

    @property
    def is_sparse(self) -> bool:
        return self._layout is COO

    @property
    def is_sparse_csr(self) -> bool:
        return self._layout is CSR

    @property
    def data(self) -> SparseTensor:
        return sparse_form("detach")(self)

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, SparseTensor) or other._layout is not self._layout or other.dtype != self.dtype or other.shape != self.shape:
            raise RuntimeError("Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor type.")
        replace(self, other)

    @property
    def nbytes(self) -> int:
        if self._layout is not COO:
            return self.numel() * self.element_size()
        raise RuntimeError("nbytes is not defined for sparse tensors.  If you want the size of the constituent tensors, add the nbytes of the "
                           "indices and values.  If you want the size of the  equivalent dense tensor, multiply numel() by element_size()")

    @property
    def T(self) -> Tensor:
        return sparse_form("permute")(self, *reversed(range(self.dim())))

    @property
    def mT(self) -> Tensor:
        return self.transpose(-2, -1)

    @property
    def H(self) -> Tensor:
        return self.t().conj() if self.dtype.is_complex else self.t()

    mH = H
    real = property(lambda self: sparse_form("real")(self))
    imag = property(lambda self: sparse_form("imag")(self))

    def is_contiguous(self, memory_format: Any = None) -> bool:
        if self._layout is not COO:
            raise RuntimeError("Sparse CSR tensors do not have is_contiguous")
        return False

    def stride(self, dim: int | None = None) -> Any:
        if self._layout is not COO:
            raise RuntimeError("Sparse CSR tensors do not have strides")
        return (0,) * self.dim() if dim is None else 0

    def t_(self) -> Tensor:
        return sparse_form("transpose_")(self)

    def transpose_(self, dim0: int, dim1: int) -> Tensor:
        return sparse_form("transpose_")(self, dim0, dim1)

    swapaxes_ = swapdims_ = transpose_

    def _no_view(self, *args: Any, **kwargs: Any) -> Any:
        raise unsupported("as_strided_", self)

    squeeze_ = unsqueeze_ = as_strided_ = resize_as_ = _no_view

    def resize_as_sparse_(self, other: SparseTensor) -> Tensor:
        return sparse_form("sparse_resize_")(self, other.shape, other.sparse_dim(), other.dense_dim())

    def _no_storage(self, *args: Any, **kwargs: Any) -> Any:
        kind = "SparseTensorImpl" if self._layout is COO else "SparseCsrTensorImpl"
        raise NotImplementedError(f"Cannot access storage of {kind}")

    storage = untyped_storage = _typed_storage = __dlpack__ = set_ = share_memory_ = is_shared = _no_storage

    def _no_pointer(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    data_ptr = tolist = apply_ = map_ = _no_pointer

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(f"can't convert {layout_name(self)} layout tensor to numpy. Use Tensor.to_dense() first.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def resize_(self, *size: Any, **kwargs: Any) -> Any:
        raise unsupported("resize_", self, "use sparse_resize_")

    def type(self, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        if dtype is None:
            return Tensor.type(self).replace("torch.", "torch.sparse." if self._layout is COO else "torch.sparse_csr.")  # type: ignore[attr-defined]
        return self.to(dtype if isinstance(dtype, torch.dtype) else torch.storage.legacy_type(dtype).dtype)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        from .._tensor import _on_device, _parse_to
        device, dtype, _, copy, memory_format = _parse_to(args, kwargs)
        _on_device(device)
        if (dtype is None or dtype == self.dtype) and not copy:
            return self
        return like(self, elements(self).to(dtype or self.dtype, copy=copy), "ToCopy")

    def to_dense(self, dtype: Any = None, *, masked_grad: Any = None) -> Tensor:
        return sparse_form("to_dense")(self, dtype, masked_grad=masked_grad)

    def type_as(self, other: Tensor) -> Tensor:
        if other.layout is not self._layout:
            raise RuntimeError("to(options) doesn't support converting to a different layout, but got self.layout being "
                               f"{layout_name(self)} and options.layout set as {layout_name(other)}")
        return self.to(other)

    def cpu(self, memory_format: Any = None) -> Tensor:
        return self

    def pin_memory(self, device: Any = None) -> Tensor:
        raise RuntimeError("Cannot access accelerator device when none is available.")

    def backward(self, gradient: Any = None, *args: Any, **kwargs: Any) -> None:
        if gradient is None and self.requires_grad:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        torch.autograd._tensor_backward(self, gradient, *args, **kwargs)

    def as_subclass(self, cls: Any) -> Tensor:
        if cls is Tensor:
            return self
        raise RuntimeError(f"as_subclass: sparse tensors have no subclasses (got {cls.__name__})")

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from ._print import text
        return "Parameter containing:\n" + text(self) if getattr(self, "_is_param", False) else text(self)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def __len__(self) -> int:
        if not self.dim():
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.numel() != 1:
            some = "no values" if not self.numel() else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {some} is ambiguous")
        return bool(self.to_dense().item())

    def item(self) -> Any:
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return self.to_dense().item()

    def _number(self) -> Any:
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.to_dense().item()

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    __index__ = __int__

    def __contains__(self, item: Any) -> bool:
        raise unsupported("eq", self)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were "
                               "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
                               "https://github.com/pytorch/pytorch/pull/103001")
        with torch.no_grad():
            fresh = memo[id(self)] = torch.clone(self)
        fresh.requires_grad_(self.requires_grad)
        if self.grad is not None:
            fresh.grad = self.grad.__deepcopy__(memo)
        return fresh

    def __copy__(self) -> Tensor:
        return torch.detach(self).requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        from ._files import reduce
        return reduce(self)

    # ------------------------------------------------------------------------------------------ parts

    def _indices(self) -> Tensor:
        if self._layout is not COO:
            raise unsupported("_indices", self)
        return self._plain

    def _values(self) -> Tensor:
        if self._layout is not COO:
            raise unsupported("_values", self)
        return self._elements

    def indices(self) -> Tensor:
        self._require(COO, "indices", "sparse coordinate")
        if not self._coalesced:
            raise RuntimeError("Cannot get indices on an uncoalesced tensor, please call .coalesce() first")
        return self._plain.detach()

    def values(self) -> Tensor:
        if self._layout is COO and not self._coalesced:
            raise RuntimeError("Cannot get values on an uncoalesced tensor, please call .coalesce() first")
        values = elements(self)
        return values.detach() if values is self._elements else values

    def crow_indices(self) -> Tensor:
        self._require(BY_ROW, "crow_indices", "sparse row compressed")
        return self._compressed.detach()

    def col_indices(self) -> Tensor:
        self._require(BY_ROW, "col_indices", "sparse row compressed")
        return self._plain.detach()

    def ccol_indices(self) -> Tensor:
        self._require(BY_COLUMN, "ccol_indices", "sparse column compressed")
        return self._compressed.detach()

    def row_indices(self) -> Tensor:
        self._require(BY_COLUMN, "row_indices", "sparse column compressed")
        return self._plain.detach()

    def _require(self, layouts: Any, name: str, wanted: str) -> None:
        if self._layout not in (layouts if isinstance(layouts, tuple) else (layouts,)):
            raise RuntimeError(f"{name} expected {wanted} tensor layout but got {layout_name(self)}")

    def _nnz(self) -> int:
        return self._plain.shape[-1]

    def sparse_dim(self) -> int:
        return self._plain.shape[0] if self._layout is COO else 2

    def dense_dim(self) -> int:
        if self._layout is COO:
            return self.dim() - self._plain.shape[0]
        return self.dim() - 2 - (self._compressed.dim() - 1)

    _dimI, _dimV = sparse_dim, dense_dim

    def new(self, *size: Any, **kwargs: Any) -> Tensor:
        return sparse_form("new_zeros")(self, *size, **kwargs)

    def is_coalesced(self) -> bool:
        self._require(COO, "is_coalesced", "sparse coordinate")
        return self._coalesced

    def _coalesced_(self, flag: bool) -> Tensor:
        self._coalesced = flag
        return self


def _conversion(name: str, dtype: Any) -> None:
    def method(self: SparseTensor, memory_format: Any = None) -> Tensor:
        return self.to(dtype)
    method.__name__ = name
    setattr(SparseTensor, name, method)


for _name, _wanted in {"float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
                       "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool", "cfloat": "complex64", "cdouble": "complex128"}.items():
    _conversion(_name, getattr(torch._C, _wanted))


torch._C._set_sparse_type(SparseTensor)


def sparse_form(name: str) -> Callable:
    """The sparse form of an operator that certainly has one."""
    from . import _operators  # noqa: F401
    return TABLE[name]


def _first(args: Any, kwargs: Any = None) -> Tensor:
    """The first sparse tensor among arguments."""
    for value in (*args, *(kwargs or {}).values()):
        if isinstance(value, SparseTensor):
            return value
        if isinstance(value, (list, tuple)):
            found = _first(value)
            if found is not None:
                return found
    return None  # type: ignore[return-value]


# ---------------------------------------------------------------------------------------------------- making

def bare(layout: Any, compressed: Any, plain: Tensor, values: Tensor, size: Any, coalesced: bool = False, requires_grad: bool = False) -> SparseTensor:
    """A sparse tensor of parts that fit, outside any graph."""
    made = torch.Tensor._make_sparse(SparseTensor, tuple(size), values.dtype, requires_grad)
    made._layout, made._compressed, made._plain, made._coalesced = layout, compressed, plain, coalesced
    made._elements = values.detach() if values.requires_grad else values
    return made


def assemble(layout: Any, compressed: Any, plain: Tensor, values: Tensor, size: Any, coalesced: bool = False,
             node: str = "SparseCooTensorWithDimsAndTensors") -> SparseTensor:
    """A sparse tensor of parts that fit; gradients flow to values, from a node of the name."""
    if values.requires_grad and torch.is_grad_enabled():
        from ._gradients import Assemble, named
        return named(Assemble, node).apply(values, layout, compressed, plain, tuple(size), coalesced)
    return bare(layout, compressed, plain, values, size, coalesced)


def coo(indices: Tensor, values: Tensor, size: Any, coalesced: bool = False, node: str = "SparseCooTensorWithDimsAndTensors") -> SparseTensor:
    """A COO tensor of parts that fit; with fewer than two elements it is coalesced."""
    return assemble(COO, None, indices, values, size, coalesced or indices.shape[1] < 2, node)


def like(x: SparseTensor, values: Tensor, node: str = "") -> SparseTensor:
    """A tensor with x's pattern and other values."""
    return assemble(x._layout, x._compressed, x._plain, values, x.shape, x._coalesced, node or "SparseCooTensorWithDimsAndTensors")


def elements(x: SparseTensor) -> Tensor:
    """x's values, connected to x in the graph."""
    if x.requires_grad and torch.is_grad_enabled():
        from ._gradients import Elements, named
        return named(Elements, "Values").apply(x)
    return x._elements


def replace(x: SparseTensor, other: SparseTensor) -> SparseTensor:
    """x with other's parts: how a sparse tensor changes in place."""
    x._compressed, x._plain, x._elements, x._coalesced = other._compressed, other._plain, other._elements, other._coalesced
    torch._C._increment_version(x)
    return x


def writable(x: SparseTensor) -> None:
    """RuntimeError if recording forbids a change of x in place."""
    if x.requires_grad and torch.is_grad_enabled():
        if x.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        raise RuntimeError("in-place operation on a sparse tensor whose gradient is recorded is not supported; use the form without _")
