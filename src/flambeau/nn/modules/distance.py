"""The place where programs import CosineSimilarity, PairwiseDistance from; the code is in shape.py."""

from .shape import CosineSimilarity, PairwiseDistance  # noqa: F401
