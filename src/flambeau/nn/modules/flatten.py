"""The place where programs import Flatten, Unflatten from; the code is in shape.py."""

from .shape import Flatten, Unflatten  # noqa: F401
