"""Named results such as torch.return_types.max(values=..., indices=...): tuples whose items have names."""

from __future__ import annotations

from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

_VALUES_INDICES = ("values", "indices")
_FIELDS = {
    **dict.fromkeys(("cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"),
                    _VALUES_INDICES),
    "aminmax": ("min", "max"), "frexp": ("mantissa", "exponent"), "geqrf": ("a", "tau"), "qr": ("Q", "R"),
    "histogram": ("hist", "bin_edges"), "histogramdd": ("hist", "bin_edges"), "slogdet": ("sign", "logabsdet"),
    "svd": ("U", "S", "V"), "lu_unpack": ("P", "L", "U"), "triangular_solve": ("solution", "cloned_coefficient"),
    "linalg_cholesky_ex": ("L", "info"), "linalg_eig": ("eigenvalues", "eigenvectors"),
    "linalg_eigh": ("eigenvalues", "eigenvectors"), "linalg_inv_ex": ("inverse", "info"),
    "linalg_ldl_factor": ("LD", "pivots"), "linalg_ldl_factor_ex": ("LD", "pivots", "info"),
    "linalg_lstsq": ("solution", "residuals", "rank", "singular_values"), "linalg_lu": ("P", "L", "U"),
    "linalg_lu_factor": ("LU", "pivots"), "linalg_lu_factor_ex": ("LU", "pivots", "info"), "linalg_qr": ("Q", "R"),
    "linalg_slogdet": ("sign", "logabsdet"), "linalg_solve_ex": ("result", "info"), "linalg_svd": ("U", "S", "Vh"),
}
_made: dict[str, type] = {}


class Named(tuple):
    """A tuple with named items: base of every class in this module."""

    __slots__ = ()
    n_fields = n_sequence_fields = n_unnamed_fields = 0
    __match_args__: tuple[str, ...] = ()

    def __new__(cls, values: Iterable = (), fields: dict | None = None) -> Any:
        try:
            self = tuple.__new__(cls, values)
        except TypeError:
            raise TypeError("constructor requires a sequence") from None
        if len(self) != cls.n_fields:
            raise TypeError(f"{cls.__module__}.{cls.__name__}() takes a {cls.n_fields}-sequence "
                            f"({len(self)}-sequence given)")
        return self

    def __repr__(self) -> str:
        items = ",\n".join(f"{name}={value!r}" for name, value in zip(self.__match_args__, self))
        return f"{type(self).__module__}.{type(self).__name__}(\n{items})"

    def __reduce__(self) -> tuple:
        return _rebuild, (type(self).__name__, tuple(self))


def make(name: str, fields: Iterable[str]) -> type:
    """The class NAME with these fields, made at its first use."""
    kind = _made.get(name)
    if kind is None:
        names = tuple(fields)
        body: dict[str, Any] = {field: property(itemgetter(i)) for i, field in enumerate(names)}
        body.update(__slots__=(), __match_args__=names, n_fields=len(names), n_sequence_fields=len(names),
                    __module__="torch.return_types")
        kind = _made[name] = type(name, (Named,), body)
    return kind


named_tuple_type = make  # the name by which the core asks for the class of a schema's results


def _rebuild(name: str, values: tuple) -> Any:
    return __getattr__(name)(values)


def __getattr__(name: str) -> Any:
    fields = _FIELDS.get(name) or _FIELDS.get(name.removesuffix("_out"))
    if fields is None:
        raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")
    return make(name, fields)


def __dir__() -> list[str]:
    return sorted(_FIELDS)
