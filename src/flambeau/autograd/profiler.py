"""The names under torch.autograd.profiler; the profiler itself is flambeau.profiler."""
from flambeau.profiler import EventList, FunctionEvent, emit_itt, emit_nvtx, profile, record_function

__all__ = ["EventList", "FunctionEvent", "profile", "record_function", "emit_itt", "emit_nvtx"]
