"""CUDA's flags. They keep what is set; without CUDA nothing reads them."""
from __future__ import annotations

import contextlib
from typing import Any, Iterator


class _MatmulFlags:
    """torch.backends.cuda.matmul."""

    def __init__(self) -> None:
        self.allow_tf32 = False
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation = False
        self.fp32_precision = "none"


class _PlanCache:
    """torch.backends.cuda.cufft_plan_cache: no plans."""

    size = 0
    max_size = 0

    def clear(self) -> None:
        """Nothing to clear."""

    def __getitem__(self, device: Any) -> _PlanCache:
        return self


matmul = _MatmulFlags()
cufft_plan_cache = _PlanCache()
_SDP = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduction": False}


def is_built() -> bool:
    """False."""
    return False


def flash_sdp_enabled() -> bool:
    """Whether flash attention may be chosen."""
    return _SDP["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Allow or forbid flash attention."""
    _SDP["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention may be chosen."""
    return _SDP["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow or forbid memory-efficient attention."""
    _SDP["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Whether attention by plain products may be chosen."""
    return _SDP["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Allow or forbid attention by plain products."""
    _SDP["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention may be chosen."""
    return _SDP["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow or forbid cuDNN's attention."""
    _SDP["cudnn"] = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """Whether plain-product attention may sum in 16 bit."""
    return _SDP["reduction"]


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Allow or forbid 16-bit sums in plain-product attention."""
    _SDP["reduction"] = bool(enabled)


def is_flash_attention_available() -> bool:
    """False."""
    return False


@contextlib.contextmanager
def sdp_kernel(enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True,
               enable_cudnn: bool = True) -> Iterator[None]:
    """Which kinds of attention may be chosen, for the length of a with block."""
    old = dict(_SDP)
    _SDP.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        _SDP.update(old)


def preferred_linalg_library(backend: Any = None) -> str:
    """The library for linear algebra on CUDA: "default"."""
    return "default"


preferred_blas_library = preferred_linalg_library
