"""Tensors as text: repr(), str() and format() of a tensor, and set_printoptions.

A large tensor is cut down to its edges first, so the cost depends on what is shown and not on what is stored.
"""
from __future__ import annotations

import contextlib
from math import ceil, inf, isfinite

import flambeau as torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

__all__ = ["set_printoptions", "get_printoptions", "printoptions"]

_PROFILES = {
    "default": {"precision": 4, "threshold": 1000.0, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000.0, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": inf, "edgeitems": 3, "linewidth": 80},
}


class _PrintOptions:
    """The settings in force; sci_mode None means that the values decide."""

    __slots__ = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")

    def __init__(self) -> None:
        self.precision: int = 4
        self.threshold: float = 1000
        self.edgeitems: int = 3
        self.linewidth: int = 80
        self.sci_mode: bool | None = None


PRINT_OPTS = _PrintOptions()


def set_printoptions(precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
                     linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None) -> None:
    """Set how tensors are printed; what is not given stays as it is, but sci_mode goes back to automatic.

    precision: digits after the point. threshold: number of elements above which only edges are shown.
    edgeitems: items shown at either end of a summarised dimension. linewidth: characters a line.
    profile: "default", "short" or "full". sci_mode: True or False forces or forbids scientific notation.

    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1 / 3])
    tensor([0.33])
    >>> torch.set_printoptions(profile="default")
    """
    if profile is not None:
        for key, value in _PROFILES.get(profile, {}).items():
            setattr(PRINT_OPTS, key, value)
    for key, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems),
                       ("linewidth", linewidth)):
        if value is not None:
            setattr(PRINT_OPTS, key, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as a dict that set_printoptions takes.

    >>> torch._tensor_str.get_printoptions()["precision"]
    4
    """
    return {name: getattr(PRINT_OPTS, name) for name in _PrintOptions.__slots__}


@contextlib.contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """set_printoptions for the length of a with block.

    >>> with torch._tensor_str.printoptions(precision=1):
    ...     print(torch.tensor([0.25]))
    tensor([0.2])
    """
    old = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**old)


class _PlainFormatter:
    """Integers and booleans: str(value), right-aligned to the widest."""

    def __init__(self, values: list) -> None:
        self.width = max([1] + [len(str(v)) for v in values])

    def format(self, value: Any) -> str:
        return str(value).rjust(self.width)


class _FloatFormatter:
    """One of three notations for all values of a tensor: `2.`, `2.5000` or `2.5000e+00`.

    Whole numbers are written without digits after the point. Scientific notation is taken where the values span more
    than three decades, exceed 1e8 or (unless whole) fall below 1e-4. Zeros, infinities and nans have no say.
    """

    def __init__(self, values: list[float]) -> None:
        self.width = 1
        self.whole = True
        self.scientific = False
        precision = self.precision = PRINT_OPTS.precision
        told = [v for v in values if v != 0 and isfinite(v)]
        if not told:
            return
        self.whole = all(v == ceil(v) for v in told)
        largest, smallest = max(map(abs, told)), min(map(abs, told))
        self.scientific = (largest / smallest > 1000.0 or largest > 1.0e8 or (not self.whole and smallest < 1.0e-4))
        if PRINT_OPTS.sci_mode is not None:
            self.scientific = PRINT_OPTS.sci_mode
        if self.scientific:
            self.whole = False
            self.width = max(len(f"{v:.{precision}e}") for v in told)
        elif self.whole:
            self.width = max(len(f"{v:.0f}") for v in told) + 1
        else:
            self.width = max(len(f"{v:.{precision}f}") for v in told)

    def format(self, value: float) -> str:
        if self.scientific:
            text = f"{value:.{self.precision}e}"
        elif self.whole:
            text = f"{value:.0f}."
            if not isfinite(value):
                text = text[:-1]
        else:
            text = f"{value:.{self.precision}f}"
        return text.rjust(self.width)


class _ComplexFormatter:
    """real+imagj, both parts in a notation of their own."""

    def __init__(self, values: list[complex]) -> None:
        self.real = _FloatFormatter([v.real for v in values])
        self.imag = _FloatFormatter([v.imag for v in values])
        self.width = self.real.width + self.imag.width + 1

    def format(self, value: complex) -> str:
        imag = self.imag.format(value.imag).lstrip() + "j"
        return self.real.format(value.real) + (imag if imag[0] in "+-" else "+" + imag)


def _flat(values: Any, dim: int) -> list:
    """The innermost values of a nested list of the given depth."""
    if dim == 0:
        return [values]
    for _ in range(dim - 1):
        values = [v for row in values for v in row]
    return values


def _edges(tensor: Any) -> Any:
    """The tensor with every long dimension cut to its first and last edgeitems."""
    edge = PRINT_OPTS.edgeitems
    for d in sorted(range(tensor.dim()), key=lambda d: -tensor.size(d)):
        n = tensor.size(d)
        if n > 2 * edge:
            tensor = torch.cat((tensor.narrow(d, 0, edge), tensor.narrow(d, n - edge, edge)), d)
    return tensor


def _render(values: Any, shape: tuple[int, ...], cut: bool, indent: int, formatter: Any) -> str:
    """Nested lists as bracketed text. `shape` holds the sizes before cutting; `indent` is the column of the bracket."""
    edge = PRINT_OPTS.edgeitems
    dim = len(shape)
    if dim == 0:
        return formatter.format(values)
    elided = cut and shape[0] > 2 * edge
    if dim == 1:
        items = [formatter.format(v) for v in values]
        if elided:
            items[edge:edge] = [" ..."]
        per_line = max(1, (PRINT_OPTS.linewidth - indent) // (formatter.width + 2))
        lines = [", ".join(items[i:i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = [_render(v, shape[1:], cut, indent + 1, formatter) for v in values]
    if elided:
        blocks[edge:edge] = ["..."]
    return "[" + ("," + "\n" * (dim - 1) + " " * (indent + 1)).join(blocks) + "]"


def _contents(tensor: Any, indent: int) -> str:
    """The bracketed values of a tensor that holds at least one element."""
    cut = tensor.numel() > PRINT_OPTS.threshold
    shape = tuple(tensor.shape)
    dtype = tensor.dtype
    shown = _edges(tensor) if cut else tensor
    values = shown.tolist()
    flat = _flat(values, len(shape))
    formatter: Any
    if dtype.is_complex:
        formatter = _ComplexFormatter(flat)
    elif dtype.is_floating_point:
        formatter = _FloatFormatter(flat)
    else:
        formatter = _PlainFormatter(flat)
    return _render(values, shape, cut, indent, formatter)


_tensor_str = _contents  # the name that libraries know


def _join(prefix: str, text: str, suffixes: list[str], apart: bool = False) -> str:
    """prefix + text + suffixes + ')', a suffix starting a new line where it would pass the line width (apart: the first does)."""
    parts = [prefix + text]
    column = len(parts[0]) - parts[0].rfind("\n") + 1
    for suffix in suffixes:
        if apart or column + len(suffix) + 2 > PRINT_OPTS.linewidth:
            apart = False
            parts.append(",\n" + " " * len(prefix) + suffix)
            column = len(prefix) + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    parts.append(")")
    return "".join(parts)


def _grad_name(tensor: Any) -> str | None:
    """The name of the node that made the tensor, or None."""
    try:
        node = tensor.grad_fn
    except RuntimeError:
        # A view that was changed in place under no_grad has no node that could be shown.
        return "Invalid"
    if node is None:
        return None
    name = type(node).__name__
    return name.rsplit("::", 1)[-1] if name != "CppFunction" else node.name().rsplit("::", 1)[-1]


def _str(self: Any, *, tensor_contents: str | None = None) -> str:
    """The text of a tensor, as repr() and str() give it; tensor_contents replaces the values.

    >>> torch._tensor_str._str(torch.tensor([1.5, 2.0]))
    'tensor([1.5000, 2.0000])'
    """
    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
        return _str_plain(self, tensor_contents)


def _str_plain(self: Any, tensor_contents: str | None) -> str:
    is_plain = type(self) is torch.Tensor or type(self) is torch.nn.Parameter
    prefix = "tensor(" if is_plain else type(self).__name__ + "("
    suffixes: list[str] = []
    device = self.device
    if device.type != "cpu":
        suffixes.append(f"device='{device}'")
    dtype = self.dtype
    default = torch.get_default_dtype()
    usual = dtype in (default, torch.int64, torch.bool) or (
        dtype.is_complex and default == dtype.to_real())
    shown: Any = self.detach() if type(self) is torch.Tensor else self.detach().as_subclass(torch.Tensor)
    if device.type == "meta":
        suffixes.append("size=" + str(tuple(self.shape)))
        if dtype != default:
            suffixes.append(f"dtype={dtype}")
        text = "..." if tensor_contents is None else tensor_contents
    elif self.numel() == 0:
        if self.dim() != 1:
            suffixes.append("size=" + str(tuple(self.shape)))
        if dtype != default:
            suffixes.append(f"dtype={dtype}")
        text = "[]" if tensor_contents is None else tensor_contents
    else:
        if not usual:
            suffixes.append(f"dtype={dtype}")
        text = _contents(shown, len(prefix)) if tensor_contents is None else tensor_contents
    if self.layout != torch.strided:
        suffixes.append(f"layout={self.layout}")
    name = _grad_name(self)
    if name is not None:
        suffixes.append(f"grad_fn=<{name}>")
    elif self.requires_grad:
        suffixes.append("requires_grad=True")
    return _join(prefix, text, suffixes)


def _format(self: Any, spec: str) -> str:
    """format(tensor, spec): a number's format for 0-dim tensors, the text of the tensor otherwise."""
    if self.dim() == 0 and self.device.type != "meta" and type(self) is torch.Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)
