"""What a profile holds: events, their averages by name, the table and the trace file."""
from __future__ import annotations

import json
from typing import Any

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg"]


def _time(us: float) -> str:
    """A time in microseconds as text with a unit."""
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


class FunctionEvent:
    """One call: its name, start, length and the time its own calls took, in microseconds."""

    def __init__(self, name: str, start: float, depth: int, shapes: list | None, user: bool) -> None:
        self.name = self.key = name
        self.start, self.end, self.depth = start, start, depth
        self.input_shapes = shapes or []
        self.inner = 0.0
        self.is_user_annotation = user
        self.count = 1

    @property
    def cpu_time_total(self) -> float:
        """The whole time."""
        return self.end - self.start

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """The time without that of inner calls."""
        return self.cpu_time_total - self.inner

    def __repr__(self) -> str:
        return f"<FunctionEvent name={self.name} cpu_time={_time(self.cpu_time_total)}>"


class FunctionEventAvg:
    """All calls of one name together."""

    def __init__(self, key: str, shapes: list) -> None:
        self.key = key
        self.input_shapes = shapes
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0
        self.is_user_annotation = False
        self.device_time_total = self.self_device_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0

    def add(self, event: Any) -> FunctionEventAvg:
        """Count one more event in."""
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.is_user_annotation |= event.is_user_annotation
        return self

    @property
    def cpu_time(self) -> float:
        """The mean time of a call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_total_str(self) -> str:
        """The whole time as text."""
        return _time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The own time as text."""
        return _time(self.self_cpu_time_total)

    @property
    def cpu_time_str(self) -> str:
        """The mean time as text."""
        return _time(self.cpu_time)

    def __repr__(self) -> str:
        return (f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
                f"cpu_time={self.cpu_time_str}>")


class EventList(list):
    """Events, or averages of events."""

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        """One entry a name (and input shapes)."""
        found: dict[Any, FunctionEventAvg] = {}
        for event in self:
            key = (event.key, str(event.input_shapes) if group_by_input_shape else "")
            if key not in found:
                found[key] = FunctionEventAvg(event.key, event.input_shapes if group_by_input_shape else [])
            found[key].add(event)
        return EventList(found.values())

    def total_average(self) -> FunctionEventAvg:
        """Everything together."""
        total = FunctionEventAvg("Total", [])
        for event in self:
            total.add(event)
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """The sum of the own times."""
        return sum(e.self_cpu_time_total for e in self)

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_src_column_width: int = 75,
              max_name_column_width: int = 55, max_shapes_column_width: int = 80, header: str | None = None,
              top_level_events_only: bool = False, time_unit: str | None = None) -> str:
        """The events as text, sorted by an attribute such as "self_cpu_time_total" (largest first)."""
        rows = list(self)
        if sort_by is not None:
            name = sort_by.replace("cuda", "device")
            rows.sort(key=lambda e: getattr(e, name), reverse=True)
        total = sum(e.self_cpu_time_total for e in rows) or 1.0
        rows = rows[:row_limit] if row_limit >= 0 else rows
        with_shapes = any(e.input_shapes for e in rows)
        titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        if with_shapes:
            titles.append("Input Shapes")
        lines = []
        for e in rows:
            mean = e.cpu_time_total / e.count
            name = e.key if len(e.key) <= max_name_column_width else e.key[:max_name_column_width - 3] + "..."
            line = [name, f"{100 * e.self_cpu_time_total / total:.2f}%", _time(e.self_cpu_time_total),
                    f"{100 * e.cpu_time_total / total:.2f}%", _time(e.cpu_time_total), _time(mean), str(e.count)]
            if with_shapes:
                line.append(str(e.input_shapes)[:max_shapes_column_width])
            lines.append(line)
        widths = [max([12] + [len(line[i]) for line in [titles, *lines]]) for i in range(len(titles))]
        rule = "  ".join("-" * w for w in widths) + "  "
        body = ["  ".join(c.rjust(w) for c, w in zip(line, widths)) + "  " for line in [titles, *lines]]
        text = [rule, body[0], rule, *body[1:], rule, f"Self CPU time total: {_time(total)}", ""]
        return "\n".join([header, *text] if header else text)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events in the format of Chrome's trace viewer."""
        events = [{"ph": "X", "name": e.name, "cat": "user_annotation" if e.is_user_annotation else "cpu_op",
                   "ts": e.start, "dur": e.cpu_time_total, "pid": 0, "tid": 0,
                   "args": {"Input Dims": e.input_shapes}} for e in self]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)

    def __str__(self) -> str:
        return self.table()
