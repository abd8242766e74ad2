"""The place where programs import InstanceNorm classes from; the code is in batchnorm.py."""

from .batchnorm import (  # noqa: F401
    InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d,
    _InstanceNorm,
)
