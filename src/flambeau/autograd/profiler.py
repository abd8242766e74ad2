"""The names under torch.autograd.profiler; the profiler itself is flambeau.profiler."""
from flambeau.profiler import emit_itt, emit_nvtx, profile, record_function

__all__ = ["profile", "record_function", "emit_itt", "emit_nvtx"]
