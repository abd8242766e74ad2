"""torch.__config__: texts about this build."""
from __future__ import annotations

import os

import flambeau as torch

__all__ = ["parallel_info", "show"]


def show() -> str:
    """What this build is and uses; for people to read.

    >>> "threads" in torch.__config__.show()
    True
    """
    return torch.show_config()


def parallel_info() -> str:
    """Threads in use and what set them."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    settings = "".join(f"\t{name} : {os.environ.get(name, '[not set]')}\n" for name in names)
    return (f"torch.get_num_threads() : {torch.get_num_threads()}\ntorch.get_num_interop_threads() : "
            f"{torch.get_num_interop_threads()}\nhardware threads : {os.cpu_count()}\nEnvironment variables:\n{settings}"
            "parallel backend: flambeau's thread pool\n")
