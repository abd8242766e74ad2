"""The place where programs import ChannelShuffle from; the code is in shape.py."""

from .shape import ChannelShuffle  # noqa: F401
