"""torch.profiler: how long operators and marked ranges take.

A profile sees every operator called from Python, and every record_function range; times are wall-clock times.
"""
from __future__ import annotations

from flambeau.profiler._events import EventList, FunctionEvent, FunctionEventAvg
from flambeau.profiler._profile import (
    DeviceType,
    ExecutionTraceObserver,
    ProfilerAction,
    ProfilerActivity,
    emit_itt,
    emit_nvtx,
    kineto_available,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)

__all__ = ["profile", "schedule", "supported_activities", "tensorboard_trace_handler", "ProfilerAction",
           "ProfilerActivity", "kineto_available", "DeviceType", "record_function", "ExecutionTraceObserver",
           "EventList", "FunctionEvent", "FunctionEventAvg", "emit_itt", "emit_nvtx"]
