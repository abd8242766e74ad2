"""Loads every file that enters sparse forms in the table."""
from . import (_arithmetic, _compressed, _coordinates, _lookup, _masking, _matmul, _reduce, _shape,  # noqa: F401
               _unary)
