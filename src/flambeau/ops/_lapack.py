"""LAPACK and BLAS routines of the scipy-openblas32 wheel, called on tensors' memory through ctypes.

LAPACK wants matrices column after column. `columns(A)` copies A into memory of that order as a tensor whose last two
dims are exchanged; `.mT` of it is the matrix again. No function here records a gradient."""

from __future__ import annotations

from functools import lru_cache

import flambeau as torch

from ._common import dtype_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LETTERS = {"torch.float32": "s", "torch.float64": "d", "torch.complex64": "c", "torch.complex128": "z"}
_ALONE = 128 * 128  # elements up to which waking other threads costs more than it gains
_threads = [0]  # the number of threads that OpenBLAS was told to use
_kept: list = []  # ctypes objects whose addresses are handed out


@lru_cache(maxsize=1)
def library() -> Any:
    """The library, opened at the first use; its kernels are chosen by our own reading of the processor's features."""
    import ctypes
    import os
    import sys
    from importlib.util import find_spec

    package = find_spec("scipy_openblas32")  # not imported: that would open the library before its kernels are chosen
    if package is None or package.origin is None:
        raise RuntimeError("linalg: the package scipy-openblas32, which holds LAPACK, is not installed; "
                           "`pip install scipy-openblas32`")
    suffix = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    path = os.path.join(os.path.dirname(package.origin), "lib", f"libscipy_openblas.{suffix}")
    core = _core_type()
    if core is None or "OPENBLAS_CORETYPE" in os.environ:
        return ctypes.CDLL(path)
    os.environ["OPENBLAS_CORETYPE"] = core
    try:
        return ctypes.CDLL(path)
    finally:
        del os.environ["OPENBLAS_CORETYPE"]


def _core_type() -> str | None:
    """OpenBLAS's name of the newest kernels that this processor can run, where its own detection knows too little."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            flags = set(next((line for line in info if line.startswith("flags")), "").split())
    except OSError:
        return None
    if {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"} <= flags:
        return "SKYLAKEX"
    return None


@lru_cache(maxsize=4096)
def _routine(name: str, arguments: int) -> Any:
    from ctypes import c_void_p
    function = getattr(library(), f"scipy_{name}_")
    function.restype = None
    function.argtypes = [c_void_p] * arguments
    return function


@lru_cache(maxsize=4096)
def _constant(value: Any) -> int:
    """The address of a constant argument: a C int or a character."""
    import ctypes
    held = ctypes.c_int(value) if isinstance(value, int) else ctypes.c_char(value.encode())
    _kept.append(held)
    return ctypes.addressof(held)


def failed(info: torch.Tensor) -> bool:
    """Whether a routine reported a failure for some item. Nothing fails where nothing was computed: on meta."""
    return not info.is_meta and bool(info.any())


def routine_name(dtype: torch.dtype, real: str, complex: str | None = None) -> str:
    """The routine for a dtype: `real` (as "syevd") with its letter, or `complex` ("heevd") for complex dtypes."""
    letter = _LETTERS[str(dtype)]
    return letter + (complex if complex is not None and letter in "cz" else real)


def call(name: str, batch: int, *args: Any) -> None:
    """Call a routine for every item of a batch (none on meta, where there is nothing to compute). An argument is an int or str (constant), a tensor (work space or
    constant memory), a 1-tuple of a tensor (batched: one equal part per item) or None."""
    bases, steps, tensor = [], [], None
    characters = largest = 0
    for value in args:
        step = 0
        if type(value) is tuple:
            tensor = value[0]
            elements = tensor.numel() // batch
            largest = max(largest, elements)
            step = elements * tensor.element_size()
            bases.append(tensor.data_ptr())
        elif isinstance(value, (int, str)):
            characters += isinstance(value, str)
            bases.append(_constant(value))
        else:
            tensor = value
            bases.append(None if value is None else value.data_ptr())
        steps.append(step)
    if tensor is not None and tensor.is_meta:
        return
    threads = torch.get_num_threads() if largest > _ALONE else 1
    if _threads[0] != threads:
        library().scipy_openblas_set_num_threads(threads)
        _threads[0] = threads
    lengths = [1] * characters  # Fortran's hidden lengths of character arguments
    function = _routine(name, len(bases) + characters)
    if batch == 1:
        function(*bases, *lengths)
        return
    moving = [position for position, step in enumerate(steps) if step]
    current = bases + lengths
    for item in range(batch):
        for position in moving:
            current[position] = bases[position] + item * steps[position]
        function(*current)


def supported(name: str, tensor: torch.Tensor) -> None:
    """Raise unless LAPACK has routines for the tensor's dtype."""
    if str(tensor.dtype) not in _LETTERS:
        raise NotImplementedError(f"\"{name}\" not implemented for '{dtype_name(tensor.dtype)}'")


def columns(matrix: torch.Tensor) -> torch.Tensor:
    """A fresh copy of (..., m, n) matrices in column order: contiguous, of shape (..., n, m)."""
    return matrix.transpose(-2, -1).resolve_conj().clone(memory_format=torch.contiguous_format)


def _batch(matrix: torch.Tensor) -> int:
    batch = 1
    for size in matrix.shape[:-2]:
        batch *= size
    return batch


def _real(dtype: torch.dtype) -> torch.dtype:
    return {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)


def _info(matrix: torch.Tensor) -> torch.Tensor:
    return torch.zeros(matrix.shape[:-2], dtype=torch.int32)


def getrf(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """LU in one matrix, pivots (1-based rows exchanged), info."""
    m, n = matrix.shape[-2:]
    work, info = columns(matrix), _info(matrix)
    pivots = torch.empty((*matrix.shape[:-2], min(m, n)), dtype=torch.int32)
    batch = _batch(matrix)
    if batch and m and n:
        call(routine_name(matrix.dtype, "getrf"), batch, m, n, (work,), max(m, 1), (pivots,), (info,))
    return work.mT, pivots, info


def gesv(matrix: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The solution of matrix @ X = right with its LU, pivots and info."""
    n, count = right.shape[-2:]
    work, result, info = columns(matrix), columns(right), _info(matrix)
    pivots = torch.empty(matrix.shape[:-1], dtype=torch.int32)
    batch = _batch(matrix)
    if batch and n:
        call(routine_name(matrix.dtype, "gesv"), batch, n, count, (work,), n, (pivots,), (result,), n, (info,))
    return result.mT, work.mT, pivots, info


def getri(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The inverse and info."""
    n = matrix.shape[-1]
    work, info = columns(matrix), _info(matrix)
    batch = _batch(matrix)
    if batch and n:
        pivots = torch.empty(matrix.shape[:-1], dtype=torch.int32)
        call(routine_name(matrix.dtype, "getrf"), batch, n, n, (work,), n, (pivots,), (info,))
        if not failed(info):
            scratch = torch.empty(n * 64, dtype=matrix.dtype)
            call(routine_name(matrix.dtype, "getri"), batch, n, (work,), n, (pivots,), scratch, n * 64, (info,))
    return work.mT, info


def potrf(matrix: torch.Tensor, upper: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The Cholesky factor, its other triangle zero, and info."""
    n = matrix.shape[-1]
    work, info = columns(matrix), _info(matrix)
    batch = _batch(matrix)
    if batch and n:
        call(routine_name(matrix.dtype, "potrf"), batch, "U" if upper else "L", n, (work,), n, (info,))
    factor = work.tril_() if upper else work.triu_()
    return factor.mT, info


def potri(factor: torch.Tensor, upper: bool) -> torch.Tensor:
    """The inverse of the matrix with this Cholesky factor; one triangle only is meaningful."""
    n = factor.shape[-1]
    work, info = columns(factor), _info(factor)
    batch = _batch(factor)
    if batch and n:
        call(routine_name(factor.dtype, "potri"), batch, "U" if upper else "L", n, (work,), n, (info,))
    return work.mT


def trsm(matrix: torch.Tensor, right: torch.Tensor, upper: bool, left: bool, unit: bool) -> torch.Tensor:
    """The solution of matrix @ X = right (or X @ matrix = right) for triangular matrices."""
    m, n = right.shape[-2:]
    result = columns(right)
    batch = _batch(result)
    if batch and m and n:
        size = matrix.shape[-1]
        one = torch.ones(1, dtype=matrix.dtype)
        plain = matrix.resolve_conj()
        if plain.is_contiguous():  # row order is the transpose in column order
            source, triangle, operation = plain, "L" if upper else "U", "T"
        else:
            source, triangle, operation = columns(matrix), "U" if upper else "L", "N"
        call(routine_name(matrix.dtype, "trsm"), batch, "L" if left else "R", triangle, operation,
             "U" if unit else "N", m, n, one, (source,), size, (result,), m)
    return result.mT


def geqrf(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """R above the diagonal with Householder vectors below, and their factors tau."""
    m, n = matrix.shape[-2:]
    work, info = columns(matrix), _info(matrix)
    tau = torch.zeros((*matrix.shape[:-2], min(m, n)), dtype=matrix.dtype)
    batch = _batch(matrix)
    if batch and m and n:
        scratch = torch.empty(n * 64, dtype=matrix.dtype)
        call(routine_name(matrix.dtype, "geqrf"), batch, m, n, (work,), m, (tau,), scratch, n * 64, (info,))
    return work.mT, tau


def orgqr(vectors: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    """The first columns of the product of Householder reflectors."""
    m, n = vectors.shape[-2:]
    work, info = columns(vectors), _info(vectors)
    batch = _batch(vectors)
    if batch and m and n:
        scratch = torch.empty(n * 64, dtype=vectors.dtype)
        factors = tau.resolve_conj().contiguous()
        count = tau.shape[-1]
        call(routine_name(vectors.dtype, "orgqr", "ungqr"), batch, m, n, count, (work,), m, (factors,) if count
             else factors, scratch, n * 64, (info,))
    return work.mT


def ormqr(vectors: torch.Tensor, tau: torch.Tensor, other: torch.Tensor, left: bool, transpose: bool) -> torch.Tensor:
    """The product of Householder reflectors (or its conjugate transpose) times other, or other times it."""
    m, n = other.shape[-2:]
    result, source, info = columns(other), columns(vectors[..., :tau.shape[-1]]), _info(other)
    batch = _batch(other)
    if batch and m and n:
        scratch = torch.empty(max(m, n) * 64, dtype=other.dtype)
        adjoint = "C" if other.is_complex() else "T"
        factors = tau.resolve_conj().contiguous()
        count = tau.shape[-1]
        call(routine_name(other.dtype, "ormqr", "unmqr"), batch, "L" if left else "R", adjoint if transpose else "N",
             m, n, count, (source,) if count else source, m if left else n, (factors,) if count else factors,
             (result,), m, scratch, max(m, n) * 64, (info,))
    return result.mT


def syevd(matrix: torch.Tensor, triangle: str, vectors: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Eigenvalues in ascending order, eigenvectors as columns, info, of symmetric or Hermitian matrices."""
    n = matrix.shape[-1]
    work, info = columns(matrix), _info(matrix)
    values = torch.empty(matrix.shape[:-1], dtype=_real(matrix.dtype))
    batch = _batch(matrix)
    if batch and n:
        job = "V" if vectors else "N"
        integers = torch.empty(3 + 5 * n, dtype=torch.int32)
        if matrix.is_complex():
            size, real_size = 2 * n + n * n + 64 * n, 1 + 5 * n + 2 * n * n
            scratch = torch.empty(size, dtype=matrix.dtype)
            reals = torch.empty(real_size, dtype=values.dtype)
            call(routine_name(matrix.dtype, "", "heevd"), batch, job, triangle, n, (work,), n, (values,), scratch, size,
                 reals, real_size, integers, 3 + 5 * n, (info,))
        else:
            size = 1 + 6 * n + 2 * n * n + 64 * n
            scratch = torch.empty(size, dtype=matrix.dtype)
            call(routine_name(matrix.dtype, "syevd"), batch, job, triangle, n, (work,), n, (values,), scratch, size,
                 integers, 3 + 5 * n, (info,))
    return values, work.mT, info


def geev(matrix: torch.Tensor, vectors: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Complex eigenvalues and right eigenvectors (as columns) of general matrices, and info."""
    n = matrix.shape[-1]
    work, info = columns(matrix), _info(matrix)
    kind = matrix.dtype if matrix.is_complex() else {"torch.float32": torch.complex64}.get(
        str(matrix.dtype), torch.complex128)
    job, size = "V" if vectors else "N", 64 * n + 4 * n
    batch = _batch(matrix)
    right = torch.empty_like(work) if vectors else torch.empty(1, dtype=matrix.dtype)
    part = (right,) if vectors else right
    scratch = torch.empty(max(size, 1), dtype=matrix.dtype)
    if matrix.is_complex():
        values = torch.empty(matrix.shape[:-1], dtype=kind)
        reals = torch.empty(2 * n, dtype=_real(kind))
        if batch and n:
            call(routine_name(matrix.dtype, "geev"), batch, "N", job, n, (work,), n, (values,), None, 1, part, n,
                 scratch, size, reals, (info,))
        return values, right.mT if vectors else right, info
    real, imaginary = (torch.empty(matrix.shape[:-1], dtype=matrix.dtype) for _ in range(2))
    if batch and n:
        call(routine_name(matrix.dtype, "geev"), batch, "N", job, n, (work,), n, (real,), (imaginary,), None, 1, part,
             n, scratch, size, (info,))
    values = torch.complex(real, imaginary)
    if not vectors:
        return values, right, info
    return values, _paired(right.mT, imaginary), info


def _paired(vectors: torch.Tensor, imaginary: torch.Tensor) -> torch.Tensor:
    """Complex eigenvectors of a real matrix: for a conjugate pair LAPACK gives real and imaginary part side by side."""
    following = torch.cat([vectors[..., 1:], torch.zeros_like(vectors[..., :1])], -1)
    previous = torch.cat([torch.zeros_like(vectors[..., :1]), vectors[..., :-1]], -1)
    sign = imaginary.sign().unsqueeze(-2)
    real = torch.where(sign < 0, previous, vectors)
    other = torch.where(sign > 0, following, torch.where(sign < 0, -vectors, torch.zeros_like(vectors)))
    return torch.complex(real.contiguous(), other.contiguous())


def gesdd(matrix: torch.Tensor, full: bool, vectors: bool) -> tuple[torch.Tensor, ...]:
    """U, singular values in descending order, V^H, info; U and V^H are empty unless vectors are wanted."""
    m, n = matrix.shape[-2:]
    small = min(m, n)
    batch, lead = _batch(matrix), matrix.shape[:-2]
    work, info = columns(matrix), _info(matrix)
    values = torch.empty((*lead, small), dtype=_real(matrix.dtype))
    if vectors:
        u = torch.empty((*lead, m if full else small, m), dtype=matrix.dtype)
        vh = torch.empty((*lead, n, n if full else small), dtype=matrix.dtype)
    else:
        u = vh = torch.empty(0, dtype=matrix.dtype)
    if batch and small:
        job = ("A" if full else "S") if vectors else "N"
        large = max(m, n)
        size = 4 * small * small + 7 * small + 64 * (large + small) + large
        scratch = torch.empty(size, dtype=matrix.dtype)
        reals = [torch.empty(max(5 * small * small + 7 * small, 2 * large * small + 2 * small * small + small),
                             dtype=values.dtype)] if matrix.is_complex() else []
        integers = torch.empty(8 * small, dtype=torch.int32)
        call(routine_name(matrix.dtype, "gesdd"), batch, job, m, n, (work,), m, (values,), (u,) if vectors else u, m,
             (vh,) if vectors else vh, vh.shape[-1] if vectors else 1, scratch, size, *reals, integers, (info,))
    elif vectors:
        for square in (u, vh):
            if square.numel():
                square.copy_(torch.eye(square.shape[-2], square.shape[-1], dtype=matrix.dtype))
    return u.mT if vectors else u, values, vh.mT if vectors else vh, info


def sytrf(matrix: torch.Tensor, hermitian: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """L D L^T (or L D L^H) of symmetric matrices in one matrix, pivots, info."""
    n = matrix.shape[-1]
    work, info = columns(matrix), _info(matrix)
    pivots = torch.empty(matrix.shape[:-1], dtype=torch.int32)
    batch = _batch(matrix)
    if batch and n:
        scratch = torch.empty(64 * n, dtype=matrix.dtype)
        call(routine_name(matrix.dtype, "sytrf", "hetrf" if hermitian else "sytrf"), batch, "L", n, (work,), n,
             (pivots,), scratch, 64 * n, (info,))
    return work.mT.tril(), pivots, info


def sytrs(factor: torch.Tensor, pivots: torch.Tensor, right: torch.Tensor, hermitian: bool) -> torch.Tensor:
    """The solution of the system whose matrix sytrf factored."""
    n, count = right.shape[-2:]
    work, result, info = columns(factor), columns(right), _info(right)
    batch = _batch(right)
    if batch and n and count:
        call(routine_name(factor.dtype, "sytrs", "hetrs" if hermitian else "sytrs"), batch, "L", n, count, (work,), n,
             (pivots.contiguous(),), (result,), n, (info,))
    return result.mT


def least_squares(matrix: torch.Tensor, right: torch.Tensor, driver: str, rcond: float) -> tuple[torch.Tensor, ...]:
    """Solution (in the first n rows), rank, singular values, info by xGELS, xGELSY, xGELSD or xGELSS."""
    m, n = matrix.shape[-2:]
    count, lead, batch = right.shape[-1], matrix.shape[:-2], _batch(matrix)
    large, small = max(m, n), min(m, n)
    work, info = columns(matrix), _info(matrix)
    result = torch.zeros((*lead, count, large), dtype=matrix.dtype)
    result[..., :m] = right.mT
    rank = torch.zeros(lead, dtype=torch.int32)
    values = torch.zeros((*lead, small), dtype=_real(matrix.dtype))
    if not (batch and m and n and count):
        return result.mT, rank, values, info
    name, size = routine_name(matrix.dtype, driver), 64 * (large + count + small) + 16 * large + 4096
    cut = torch.tensor([rcond], dtype=values.dtype)
    if driver == "gels":
        scratch = torch.empty(size, dtype=matrix.dtype)
        call(name, batch, "N", m, n, count, (work,), m, (result,), large, scratch, size, (info,))
    elif driver == "gelsy":
        scratch = torch.empty(size, dtype=matrix.dtype)
        reals = [torch.empty(2 * n, dtype=values.dtype)] if matrix.is_complex() else []
        for item in range(batch):  # every call needs its pivots zeroed
            pivots = torch.zeros(n, dtype=torch.int32)
            parts = [one.reshape(batch, -1)[item] for one in (work, result, rank, info)]
            call(name, 1, m, n, count, parts[0], m, parts[1], large, pivots, cut, parts[2], scratch, size, *reals,
                 parts[3])
    else:
        divided = driver == "gelsd"
        levels = 32
        size += small * (2 * 25 + 8 * levels + count) + 26 * 26 + 12 * large + 3 * small
        scratch = torch.empty(size, dtype=matrix.dtype)
        integers = [torch.empty(3 * small * levels + 11 * small + 16, dtype=torch.int32)] if divided else []
        real_size = (10 * large + 2 * large * 25 + 8 * large * levels + 3 * 25 * count + 26 * 26 * max(1, count)
                     + large * (1 + count) + 2 * count) if divided else 5 * small
        reals = [torch.empty(real_size, dtype=values.dtype)] if matrix.is_complex() else []
        call(name, batch, m, n, count, (work,), m, (result,), large, (values,), cut, (rank,), scratch, size, *reals,
             *integers, (info,))
    return result.mT, rank, values, info
