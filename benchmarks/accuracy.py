"""How exact the elementwise functions are, in units in the last place: `python benchmarks/accuracy.py`.

float32 is compared with NumPy's float64, float64 with NumPy's 80-bit long double, at points drawn evenly from the floating-point
numbers of the function's domain (all magnitudes alike), and evenly from the stretch where it matters most.
"""
from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np

import flambeau as torch

Wide = Callable[[np.ndarray], np.ndarray]


def vectorised(function: Callable[[float], float]) -> Wide:
    """A function of Python's math module on arrays; float64 at best."""
    return lambda x: np.vectorize(function, otypes=[np.float64])(x.astype(np.float64))


erf, erfc, lgamma = vectorised(math.erf), vectorised(math.erfc), vectorised(math.lgamma)

# name: (reference, domain, the stretch that matters, whether the reference is good enough for float64)
FUNCTIONS: dict[str, tuple[Wide, tuple[float, float], tuple[float, float], bool]] = {
    "exp": (np.exp, (-103, 88.7), (-10, 10), True),
    "exp2": (np.exp2, (-149, 127.9), (-10, 10), True),
    "expm1": (np.expm1, (-100, 88.7), (-2, 2), True),
    "log": (np.log, (1e-45, 3e38), (0.5, 2), True),
    "log2": (np.log2, (1e-45, 3e38), (0.5, 2), True),
    "log10": (np.log10, (1e-45, 3e38), (0.5, 2), True),
    "log1p": (np.log1p, (-0.999999, 3e38), (-0.5, 2), True),
    "sin": (np.sin, (-1e30, 1e30), (-7, 7), True),
    "cos": (np.cos, (-1e30, 1e30), (-7, 7), True),
    "tan": (np.tan, (-1e30, 1e30), (-7, 7), True),
    "asin": (np.arcsin, (-1, 1), (-1, 1), True),
    "acos": (np.arccos, (-1, 1), (-1, 1), True),
    "atan": (np.arctan, (-3e38, 3e38), (-3, 3), True),
    "sinh": (np.sinh, (-88, 88), (-2, 2), True),
    "cosh": (np.cosh, (-88, 88), (-2, 2), True),
    "tanh": (np.tanh, (-3e38, 3e38), (-3, 3), True),
    "asinh": (np.arcsinh, (-3e38, 3e38), (-3, 3), True),
    "acosh": (np.arccosh, (1, 3e38), (1, 3), True),
    "atanh": (np.arctanh, (-0.9999999, 0.9999999), (-0.9, 0.9), True),
    "sqrt": (np.sqrt, (0, 3e38), (0.5, 2), True),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (1e-38, 3e38), (0.5, 2), True),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-87, 88), (-5, 5), True),
    "erf": (erf, (-3e38, 3e38), (-4, 4), False),
    "erfc": (erfc, (-10, 10), (-3, 3), False),
    "lgamma": (lgamma, (3, 1e36), (3, 30), False),
}


def points(low: float, high: float, dtype: type, count: int) -> np.ndarray:
    """Numbers of all magnitudes between low and high."""
    generator = np.random.default_rng(0)
    bits = np.int32 if dtype is np.float32 else np.int64
    parts = []
    for sign, bound in ((1, high), (-1, -low)):
        if bound > 0:
            first = low if sign == 1 and low > 0 else 0.0
            ends = np.array([max(first, 0.0), bound], dtype).view(bits)
            parts.append(sign * generator.integers(ends[0], ends[1], count, dtype=bits, endpoint=True).view(dtype))
    return np.concatenate(parts)


def ulps(name: str, dtype: type, count: int) -> tuple[float, float]:
    """The largest error over all magnitudes, and over the stretch that matters."""
    reference, domain, stretch, _ = FUNCTIONS[name]
    wide = np.float64 if dtype is np.float32 else np.longdouble
    worst = []
    for x in (points(*domain, dtype, count), np.linspace(*stretch, count, dtype=dtype)):
        got = getattr(torch, name)(torch.from_numpy(x)).numpy()
        with np.errstate(all="ignore"):
            want = reference(x.astype(wide))
            rounded = want.astype(dtype)
            usable = np.isfinite(rounded) & np.isfinite(got) & (np.abs(rounded) >= np.finfo(dtype).tiny)
            error = np.abs(got.astype(wide) - want) / np.spacing(np.abs(rounded)).astype(wide)
        if not np.array_equal(np.isnan(got), np.isnan(rounded)):
            raise SystemExit(f"accuracy: {name}: NaN in the wrong places")
        worst.append(float(error[usable].max()))
    return worst[0], worst[1]


def main() -> None:
    """Print the table of docs/numerics.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="points a stretch")
    parser.add_argument("--only", help="one function")
    options = parser.parse_args()
    print("| function | float32, all magnitudes | float32, usual arguments | from | to | float64, all magnitudes |")
    print("|---|---|---|---|---|---|")
    for name, (_, _, stretch, exact) in FUNCTIONS.items():
        if options.only in (None, name):
            count = options.count if exact else options.count // 10
            everywhere, usual = ulps(name, np.float32, count)
            double = f"{ulps(name, np.float64, count)[0]:.2f}" if exact else "not measured"
            print(f"| {name} | {everywhere:.2f} | {usual:.2f} | {stretch[0]:g} | {stretch[1]:g} | {double} |", flush=True)


if __name__ == "__main__":
    main()
