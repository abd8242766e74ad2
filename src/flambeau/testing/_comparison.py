"""assert_close: whether two results agree, with a message that says how far they are apart and where."""
from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import flambeau as torch

__all__ = ["assert_close", "assert_allclose"]

# Relative and absolute tolerance by name of the type; whole numbers and booleans must agree exactly.
_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
               "complex32": (1e-3, 1e-5), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def _name(dtype: Any) -> str:
    return str(dtype).rsplit(".", 1)[-1]


def default_tolerances(*inputs: Any) -> tuple[float, float]:
    """The loosest (rtol, atol) of the inputs' types."""
    pairs = [_TOLERANCES.get(_name(getattr(x, "dtype", x)), (0.0, 0.0)) for x in inputs]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


class _Mismatch(Exception):
    """A difference: the class of the error to raise, its text, and the place in the containers."""

    def __init__(self, message: str, kind: type = AssertionError, where: tuple = ()) -> None:
        super().__init__(message)
        self.message, self.kind, self.where = message, kind, where

    def to_error(self, msg: Any) -> Exception:
        text = self.message
        if self.where:
            text += "\n\nThe failure occurred for item " + "".join(f"[{key!r}]" for key in self.where)
        # Replacements are for disagreements, not for inputs that cannot be compared.
        if msg is not None and self.kind is AssertionError:
            text = msg(text) if callable(msg) else msg
        return self.kind(text)


class _Options:
    """The arguments of one assert_close call."""

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)

    rtol: Any
    atol: Any
    allow_subclasses: bool
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool

    def tolerances(self, *inputs: Any) -> tuple[float, float]:
        return default_tolerances(*inputs) if self.rtol is None else (self.rtol, self.atol)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, complex))


def _limit(value: float, exact: bool) -> str:
    return "" if exact else f" (up to {value} allowed)"


def _compare(actual: Any, expected: Any, o: _Options, where: tuple) -> None:
    if isinstance(actual, torch.Tensor) and isinstance(expected, torch.Tensor):
        if not o.allow_subclasses and type(actual) is not type(expected):
            raise _uncomparable(actual, expected, where)
        return _compare_tensors(actual, expected, o, where)
    if actual is None or expected is None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}", where=where)
        return None
    if isinstance(actual, str) or isinstance(expected, str):
        raise _uncomparable(actual, expected, where)
    if isinstance(actual, bool) and isinstance(expected, bool):
        if actual is not expected:
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}", where=where)
        return None
    if _is_number(actual) and _is_number(expected):
        return _compare_numbers(actual, expected, o, where)
    if isinstance(actual, Sequence) and isinstance(expected, Sequence):
        if len(actual) != len(expected):
            raise _Mismatch(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", where=where)
        for i, (a, b) in enumerate(zip(actual, expected)):
            _compare(a, b, o, (*where, i))
        return None
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, extra = set(expected) - set(actual), set(actual) - set(expected)
        if missing or extra:
            raise _Mismatch("The keys of the mappings do not match:\n"
                            f"Missing keys in the actual mapping: {_sorted(missing)}\n"
                            f"Additional keys in the actual mapping: {_sorted(extra)}", where=where)
        for key in _sorted(set(actual)):
            _compare(actual[key], expected[key], o, (*where, key))
        return None
    if o.allow_subclasses or type(actual) is type(expected):
        tensors = _array_pair(actual, expected)
        if tensors is not None:
            return _compare_tensors(*tensors, o, where)
    raise _uncomparable(actual, expected, where)


def _sorted(keys: set) -> list:
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)


def _uncomparable(actual: Any, expected: Any, where: tuple) -> _Mismatch:
    return _Mismatch(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.",
                     TypeError, where)


def _array_pair(actual: Any, expected: Any) -> tuple[Any, Any] | None:
    """Both values as tensors, where they are arrays of one library."""
    if isinstance(actual, torch.Tensor) or isinstance(expected, torch.Tensor):
        return None
    if type(actual) is not type(expected) or not hasattr(actual, "__array__"):
        return None
    return torch.as_tensor(actual), torch.as_tensor(expected)


def _compare_numbers(actual: Any, expected: Any, o: _Options, where: tuple) -> None:
    if o.check_dtype and type(actual) is not type(expected):
        raise _Mismatch(f"The (d)types do not match: {type(actual)} != {type(expected)}.", where=where)
    kinds = {int: torch.int64, bool: torch.bool, float: torch.float64, complex: torch.complex128}
    rtol, atol = o.tolerances(kinds[type(actual)], kinds[type(expected)])
    if actual == expected or (o.equal_nan and actual != actual and expected != expected):
        return
    difference = abs(actual - expected)
    if difference <= atol + rtol * abs(expected) and difference != float("inf"):
        return
    exact = rtol == 0 and atol == 0
    relative = float("inf") if expected == 0 else difference / abs(expected)
    raise _Mismatch(f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {expected} but got {actual}.\n"
                    f"Absolute difference: {difference}{_limit(atol, exact)}\n"
                    f"Relative difference: {relative}{_limit(rtol, exact)}", where=where)


def _compare_tensors(actual: Any, expected: Any, o: _Options, where: tuple) -> None:
    def differ(name: str, a: Any, b: Any) -> _Mismatch:
        return _Mismatch(f"The values for attribute '{name}' do not match: {a} != {b}.", where=where)

    if actual.shape != expected.shape:
        raise differ("shape", actual.shape, expected.shape)
    if actual.layout != expected.layout and o.check_layout:
        raise differ("layout", actual.layout, expected.layout)
    if o.check_stride and actual.stride() != expected.stride():
        raise differ("stride()", actual.stride(), expected.stride())
    if o.check_device and actual.device != expected.device:
        raise differ("device", actual.device, expected.device)
    if o.check_dtype and actual.dtype != expected.dtype:
        raise differ("dtype", actual.dtype, expected.dtype)
    rtol, atol = o.tolerances(actual, expected)
    if rtol < 0 or atol < 0:
        raise _Mismatch(f"assert_close: tolerances must not be negative (got rtol={rtol}, atol={atol})", ValueError,
                        where)
    actual, expected = actual.detach(), expected.detach()
    if actual.device.type == "meta" or expected.device.type == "meta":
        return
    if actual.device != expected.device:
        actual, expected = actual.cpu(), expected.cpu()
    if actual.dtype != expected.dtype:
        dtype = torch.promote_types(actual.dtype, expected.dtype)
        actual, expected = actual.to(dtype), expected.to(dtype)
    matches = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=o.equal_nan)
    if not matches.all():
        raise _Mismatch(_tensor_report(actual, expected, matches, rtol, atol), where=where)


def _place(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A position in row-major order as a tuple of indices."""
    out = []
    for size in reversed(shape):
        out.append(index % size)
        index //= size
    return tuple(reversed(out))


def _tensor_report(actual: Any, expected: Any, matches: Any, rtol: float, atol: float) -> str:
    exact = rtol == 0 and atol == 0
    if matches.numel() == 1 and matches.dim() == 0:
        a, b = actual.item(), expected.item()
        difference = abs(a - b)
        relative = float("inf") if b == 0 else difference / abs(b)
        return (f"Scalars are not {'equal' if exact else 'close'}!\n\nExpected {b} but got {a}.\n"
                f"Absolute difference: {difference}{_limit(atol, exact)}\n"
                f"Relative difference: {relative}{_limit(rtol, exact)}")
    if not (actual.is_floating_point() or actual.is_complex()):
        # Small integer types would overflow in the difference.
        actual, expected = actual.to(torch.int64), expected.to(torch.int64)
    total, wrong = matches.numel(), int((~matches).sum())
    gap = (actual - expected).abs()
    gap = gap.masked_fill(matches, 0)
    ratio = gap / expected.abs()
    ratio = ratio.masked_fill(matches, 0)
    lines = []
    for what, values, limit in (("absolute", gap, atol), ("relative", ratio, rtol)):
        index = int(values.flatten().argmax())
        place = _place(index, tuple(values.shape))
        lines.append(f"Greatest {what} difference: {values.flatten()[index].item()} at index {place}"
                     f"{_limit(limit, exact)}")
    return (f"Tensor-likes are not {'equal' if exact else 'close'}!\n\nMismatched elements: {wrong} / {total} "
            f"({wrong / total:.1%})\n" + "\n".join(lines))


def assert_close(actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
                 atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
                 check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
                 msg: str | Callable[[str], str] | None = None) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere, in nested containers too.

    Without rtol and atol the types decide (float32: 1.3e-6 and 1e-5). msg replaces the message, or is a function of it.

    >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    >>> torch.testing.assert_close(1.0, 2.0)
    Traceback (most recent call last):
    AssertionError: Scalars are not close!
    <BLANKLINE>
    Expected 2.0 but got 1.0.
    Absolute difference: 1.0 (up to 1e-07 allowed)
    Relative difference: 0.5 (up to 1e-07 allowed)
    """
    if (rtol is None) != (atol is None):
        raise ValueError("Both 'rtol' and 'atol' must be either specified or omitted, but got no "
                         f"{'rtol' if rtol is None else 'atol'}.")
    options = _Options(allow_subclasses=allow_subclasses, rtol=rtol, atol=atol, equal_nan=equal_nan,
                       check_device=check_device, check_dtype=check_dtype, check_layout=check_layout,
                       check_stride=check_stride)
    try:
        _compare(actual, expected, options, ())
    except _Mismatch as mismatch:
        error = mismatch.to_error(msg)
    else:
        return
    raise error


def assert_allclose(actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None,
                    equal_nan: bool = True, msg: str = "") -> None:
    """Deprecated: assert_close without checks of device and type, after conversion to tensors."""
    warnings.warn("`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
                  "Please use `torch.testing.assert_close()` instead.", FutureWarning, stacklevel=2)
    if not isinstance(actual, torch.Tensor):
        actual = torch.tensor(actual)
    if not isinstance(expected, torch.Tensor):
        expected = torch.tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual, expected)
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_device=True, check_dtype=False,
                 check_stride=False, msg=msg or None)
