"""Composite operators: one file a family, each operator one decorated function over the native primitives.

`load(namespace)` imports the files that define a namespace's operators; torch's own ("") are needed at import."""

from __future__ import annotations

from importlib import import_module

FILES = {
    "": ("calculus", "combine", "ctc", "distance", "einsum", "linalg_legacy", "losses", "neural", "pointwise",
         "products", "segments", "shape", "signal", "statistics"),
    "linalg": ("linalg_factor", "linalg_solve", "linalg_spectral", "products"),
    "fft": ("fourier",),
    "special": ("specials",),
    "signal.windows": ("signal",),
    "_foreach": ("foreach",),
}
# Further names of operators, most of them native: {alias: name}.
ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "concat": "cat", "concatenate": "cat",
    "divide": "div", "fix": "trunc", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "subtract": "sub", "true_divide": "div", "moveaxis": "movedim", "ger": "outer",
    "trapz": "trapezoid",
}
SPECIAL_ALIASES = {
    "digamma": "digamma", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "exp2": "exp2", "expit": "sigmoid",
    "expm1": "expm1", "gammainc": "igamma", "gammaincc": "igammac", "gammaln": "lgamma", "i0": "i0", "log1p": "log1p",
    "logit": "logit", "logsumexp": "logsumexp", "multigammaln": "mvlgamma", "polygamma": "polygamma",
    "psi": "digamma", "round": "round", "sinc": "sinc", "xlogy": "xlogy",
}


def load(namespace: str) -> None:
    """Import the files of a namespace, which enters their operators in the registry."""
    for name in FILES[namespace]:
        import_module(f"{__name__}.{name}")
