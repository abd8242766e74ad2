"""profile, schedule and record_function."""
from __future__ import annotations

import enum
import functools
import os
import time
from typing import Any, Callable

import flambeau as torch
from flambeau.profiler._events import EventList, FunctionEvent

__all__ = ["profile", "schedule", "record_function", "ProfilerAction", "ProfilerActivity", "DeviceType",
           "supported_activities", "kineto_available", "tensorboard_trace_handler"]


class ProfilerActivity(enum.Enum):
    """What can be profiled; only the CPU is."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3
    HPU = 4


class DeviceType(enum.Enum):
    """Devices of events."""

    CPU = 0
    CUDA = 1


class ProfilerAction(enum.Enum):
    """What to do in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set:
    """{ProfilerActivity.CPU}."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: the profiler is flambeau's own."""
    return False


def schedule(*, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0,
             skip_first_wait: int = 0) -> Callable[[int], ProfilerAction]:
    """Steps in cycles: wait, then warmup, then active ones that are recorded; repeat cycles (0: without end).

    >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=1)
    >>> [plan(i).name for i in range(3)]
    ['NONE', 'WARMUP', 'RECORD_AND_SAVE']
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def plan(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat and step // cycle >= repeat:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == cycle - 1 else ProfilerAction.RECORD

    return plan


class _Recorder:
    """Collects events: a stack of open ones and the list of all."""

    def __init__(self, shapes: bool) -> None:
        self.events: list[FunctionEvent] = []
        self.open: list[FunctionEvent] = []
        self.shapes = shapes

    def begin(self, name: str, shapes: list | None = None, user: bool = False) -> FunctionEvent:
        event = FunctionEvent(name, time.perf_counter_ns() / 1e3, len(self.open), shapes, user)
        self.events.append(event)
        self.open.append(event)
        return event

    def end(self, event: FunctionEvent) -> None:
        event.end = time.perf_counter_ns() / 1e3
        while self.open and self.open.pop() is not event:
            pass
        if self.open:
            self.open[-1].inner += event.cpu_time_total


_recorders: list[_Recorder] = []


def _operator_watch(recorder: _Recorder) -> Any:
    """A mode in which every operator called becomes an event."""
    class Watch(torch.overrides.TorchFunctionMode):
        """Times each call."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", str(func))
            if name == "__get__":
                return func(*args, **(kwargs or {}))
            shapes = [list(a.shape) for a in args if isinstance(a, torch.Tensor)] if recorder.shapes else None
            event = recorder.begin("aten::" + name.strip("_"), shapes)
            try:
                return func(*args, **(kwargs or {}))
            finally:
                recorder.end(event)

    return Watch()


class record_function:
    """A named range in the profile: a with block or a decorator.

    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function("mine"):
    ...         _ = torch.ones(2) + 1
    >>> "mine" in [e.key for e in prof.key_averages()]
    True
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list = []

    def __enter__(self) -> record_function:
        self._open = [(r, r.begin(self.name, user=True)) for r in _recorders]
        return self

    def __exit__(self, *args: object) -> None:
        for recorder, event in self._open:
            recorder.end(event)

    def __call__(self, fn: Callable) -> Callable:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return fn(*args, **kwargs)

        return wrapper


class profile:
    """with torch.profiler.profile() as prof: what runs inside is timed; prof.key_averages().table() shows it.

    schedule: which steps (prof.step()) to record; on_trace_ready(prof): called at the end of each recorded cycle.

    >>> with torch.profiler.profile() as prof:
    ...     _ = torch.ones(10) @ torch.ones(10)
    >>> len(prof.events()) > 0
    True
    """

    def __init__(self, *args: Any, activities: Any = None, schedule: Callable | None = None,
                 on_trace_ready: Callable | None = None, record_shapes: bool = False, profile_memory: bool = False,
                 with_stack: bool = False, with_flops: bool = False, with_modules: bool = False, enabled: bool = True,
                 **kwargs: Any) -> None:
        self.enabled = enabled if not args else bool(args[0])
        self.schedule, self.on_trace_ready, self.record_shapes = schedule, on_trace_ready, record_shapes
        self.step_num = 0
        self._recorder: _Recorder | None = None
        self._watch: Any = None
        self._finished = EventList()
        self.current_action = schedule(0) if schedule else ProfilerAction.RECORD_AND_SAVE

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin."""
        if self.enabled and self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE):
            self._record()

    def stop(self) -> None:
        """End; calls on_trace_ready for what was recorded."""
        if self._recorder is not None:
            self._collect()
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def _record(self) -> None:
        self._recorder = _Recorder(self.record_shapes)
        _recorders.append(self._recorder)
        self._watch = _operator_watch(self._recorder)
        self._watch.__enter__()

    def _collect(self) -> None:
        if self._recorder is None:
            return
        self._watch.__exit__(None, None, None)
        _recorders.remove(self._recorder)
        self._finished = EventList(self._recorder.events)
        self._recorder = None

    def step(self) -> None:
        """The next step of the schedule begins."""
        previous = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num) if self.schedule else ProfilerAction.RECORD
        recording = self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if previous is ProfilerAction.RECORD_AND_SAVE and self.schedule and self._recorder is not None:
            self._collect()
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if self.enabled and recording and self._recorder is None:
            self._record()

    def events(self) -> EventList:
        """All events of the latest recording."""
        return EventList(self._recorder.events) if self._recorder is not None else self._finished

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """The events by name."""
        return self.events().key_averages(group_by_input_shape)

    def total_average(self) -> Any:
        """The events together."""
        return self.events().total_average()

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as text."""
        return self.events().table(*args, **kwargs)

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, in microseconds."""
        return self.events().self_cpu_time_total

    def export_chrome_trace(self, path: str) -> None:
        """Write a file for Chrome's trace viewer."""
        self.events().export_chrome_trace(path)


def tensorboard_trace_handler(dir_name: str, worker_name: str | None = None, use_gzip: bool = False) -> Callable:
    """An on_trace_ready that writes each trace into a folder."""
    def handler(prof: profile) -> None:
        import socket
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}.pt.trace.json"))

    return handler


class ExecutionTraceObserver:
    """Not offered: registering a file raises NotImplementedError."""

    def register_callback(self, output_file_path: str) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError("ExecutionTraceObserver: execution traces are not recorded; use "
                                  "torch.profiler.profile")


class emit_nvtx:
    """NVIDIA's markers need CUDA: entering raises RuntimeError."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> emit_nvtx:
        if self.enabled:
            raise RuntimeError(f"{type(self).__name__}: the markers' library is not available")
        return self

    def __exit__(self, *args: object) -> None:
        pass


class emit_itt(emit_nvtx):
    """Intel's markers are not available: entering raises RuntimeError."""
