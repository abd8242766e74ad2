"""The place where programs import Fold, Unfold from; the code is in shape.py."""

from .shape import Fold, Unfold  # noqa: F401
