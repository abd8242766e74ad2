"""Models on several devices or in several processes."""

from .data_parallel import DataParallel, data_parallel
from .scatter_gather import gather, parallel_apply, replicate, scatter

__all__ = [
    "DataParallel",
    "DistributedDataParallel",
    "data_parallel",
    "gather",
    "parallel_apply",
    "replicate",
    "scatter",
]


def __getattr__(name: str):
    if name in ("DistributedDataParallel", "distributed"):
        import importlib

        module = importlib.import_module(".distributed", __name__)
        return module if name == "distributed" else module.DistributedDataParallel
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
