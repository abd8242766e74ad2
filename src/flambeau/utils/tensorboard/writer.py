"""SummaryWriter: what a program logs, as TensorBoard reads it."""
from __future__ import annotations

import os
import time
import warnings
from typing import Any

import flambeau as torch

from . import _events


class FileWriter:
    """Appends summaries to a new event file in a folder."""

    _count = 0

    def __init__(self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "") -> None:
        import socket

        self._folder = str(log_dir)
        os.makedirs(self._folder, exist_ok=True)
        name = (f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}."
                f"{FileWriter._count}{filename_suffix}")
        FileWriter._count += 1
        self._file = open(os.path.join(self._folder, name), "ab")  # noqa: SIM115
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._waiting, self._flushed = 0, time.monotonic()
        self._write(_events.event(time.time(), version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def _write(self, event: bytes) -> None:
        self._file.write(_events.record(event))
        self._waiting += 1
        if self._waiting > self._max_queue or time.monotonic() - self._flushed > self._flush_secs:
            self.flush()

    def add_summary(self, summary: bytes, global_step: int | None = None, walltime: float | None = None) -> None:
        """Write an encoded summary."""
        self._write(_events.event(time.time() if walltime is None else walltime, global_step, summary=summary))

    def flush(self) -> None:
        """Hand everything to the system."""
        self._file.flush()
        self._waiting, self._flushed = 0, time.monotonic()

    def close(self) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        return self._file.closed


def _array(value: Any) -> Any:
    import numpy

    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    return numpy.asarray(value)


def _number(value: Any) -> float:
    array = _array(value)
    if array.size != 1:
        raise ValueError(f"add_scalar: scalar_value must have one element (got shape {tuple(array.shape)})")
    return float(array.reshape(()))


def _statistics(values: Any, bins: Any, max_bins: int | None) -> dict[str, Any]:
    """What a histogram message holds."""
    import numpy

    values = numpy.asarray(values, dtype=numpy.float64).reshape(-1)
    if values.size == 0:
        raise ValueError("add_histogram: the input has no element")
    if not numpy.isfinite(values).all():
        raise ValueError("add_histogram: the input has infinite or undefined elements")
    if isinstance(bins, str) and bins == "tensorflow":  # from 1e-12 to 1e20 in steps of 10 %, on both sides of zero
        positive = 1e-12 * 1.1 ** numpy.arange(774)
        bins = numpy.concatenate([-positive[::-1], [0], positive])
    counts, limits = numpy.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        missing = -len(counts) % step
        counts = numpy.pad(counts, (0, missing)).reshape(-1, step).sum(1)
        limits = numpy.append(limits[:-1][::step], limits[-1])
    filled = numpy.flatnonzero(counts)
    # the filled buckets, and an empty one before them: bucket i lies between the limits i - 1 and i
    first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, 0)
    counts = [0.0, *counts[first : last + 1].astype(float)]
    return {"min": values.min(), "max": values.max(), "num": len(values), "sum": values.sum(),
            "sum_squares": values.dot(values), "limits": limits[first : last + 2].tolist(), "counts": counts}


def _picture(array: Any, dataformats: str) -> Any:
    """A picture in any order of axes as (height, width, channels) bytes; several (N) become a grid."""
    import numpy

    if array.ndim != len(dataformats):
        raise ValueError(f"add_image: size of input tensor and input format are different. tensor shape: "
                         f"{array.shape}, input_format: {dataformats}")
    if array.dtype != numpy.uint8:
        array = numpy.clip(array.astype(numpy.float64) * 255 + 1e-6, 0, 255).astype(numpy.uint8)
    form = dataformats.upper()
    if "C" not in form:
        array, form = array[..., None], form + "C"
    if "N" in form:
        array = array.transpose([form.index(axis) for axis in "NHWC"])
        n, height, width, channels = array.shape
        columns = min(n, 8)
        grid = numpy.zeros((-(-n // columns) * height, columns * width, channels), numpy.uint8)
        for i, one in enumerate(array):
            y, x = divmod(i, columns)
            grid[y * height : (y + 1) * height, x * width : (x + 1) * width] = one
        return grid
    return array.transpose([form.index(axis) for axis in "HWC"])


def _png(array: Any) -> bytes:
    """A picture (height, width, 1, 3 or 4 channels) as a PNG file."""
    import struct
    import zlib

    import numpy

    height, width, channels = array.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}.get(channels)
    if kind is None:
        raise ValueError(f"add_image: a picture has 1 to 4 channels (got {channels})")

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = numpy.zeros((height, 1 + width * channels), numpy.uint8)  # each row begins with a filter: none
    rows[:, 1:] = array.reshape(height, -1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)) + chunk(b"IEND", b""))


class SummaryWriter:
    """Logs numbers, histograms, pictures and text of a training for TensorBoard.

    Args:
        log_dir: the folder; `runs/DATE_HOST` with `comment` behind unless given.
        max_queue, flush_secs: summaries and seconds after which the file is flushed.
        filename_suffix: put behind the file's name.

    >>> import tempfile
    >>> with SummaryWriter(tempfile.mkdtemp()) as writer:
    ...     writer.add_scalar("loss", 0.5, global_step=1)
    """

    def __init__(self, log_dir: Any = None, comment: str = "", purge_step: int | None = None, max_queue: int = 10,
                 flush_secs: int = 120, filename_suffix: str = "") -> None:
        if not log_dir:
            import socket

            log_dir = os.path.join("runs", time.strftime("%b%d_%H-%M-%S") + "_" + socket.gethostname() + comment)
        self.log_dir = str(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.all_writers: dict[str, FileWriter] = {}
        self.file_writer = self._get_file_writer()

    def _get_file_writer(self, log_dir: str | None = None) -> FileWriter:
        folder = self.log_dir if log_dir is None else log_dir
        writer = self.all_writers.get(folder)
        if writer is None or writer.closed:
            writer = self.all_writers[folder] = FileWriter(folder, self.max_queue, self.flush_secs,
                                                           self.filename_suffix)
        return writer

    def _add(self, summary: bytes, global_step: Any, walltime: float | None, log_dir: str | None = None) -> None:
        step = None if global_step is None else int(global_step)
        self._get_file_writer(log_dir).add_summary(summary, step, walltime)

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def add_scalar(self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None,
                   new_style: bool = False, double_precision: bool = False) -> None:
        """Log a number; `new_style` as a tensor, with `double_precision` of float64."""
        number = _number(scalar_value)
        if new_style or double_precision:
            summary = _events.scalar_tensor(tag, number, double_precision)
        else:
            summary = _events.scalar(tag, number)
        self._add(summary, global_step, walltime)

    def add_scalars(self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: int | None = None,
                    walltime: float | None = None) -> None:
        """Log several numbers to be shown in one chart. Each has an event file of its own in a sub-folder."""
        for tag, number in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, main_tag.replace("/", "_") + "_" + tag)
            self._add(_events.scalar(main_tag, _number(number)), global_step, walltime, folder)

    def add_histogram(self, tag: str, values: Any, global_step: int | None = None, bins: Any = "tensorflow",
                      walltime: float | None = None, max_bins: int | None = None) -> None:
        """Log how values are distributed. `bins` is "tensorflow", or what numpy.histogram takes."""
        self._add(_events.histogram(tag, _statistics(_array(values), bins, max_bins)), global_step, walltime)

    def add_histogram_raw(self, tag: str, min: float, max: float, num: int, sum: float, sum_squares: float,
                          bucket_limits: Any, bucket_counts: Any, global_step: int | None = None,
                          walltime: float | None = None) -> None:
        """Log a histogram that has been counted already."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        statistics = {"min": float(min), "max": float(max), "num": float(num), "sum": float(sum),
                      "sum_squares": float(sum_squares), "limits": _array(bucket_limits).astype(float).tolist(),
                      "counts": _array(bucket_counts).astype(float).tolist()}
        self._add(_events.histogram(tag, statistics), global_step, walltime)

    def add_image(self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
                  dataformats: str = "CHW") -> None:
        """Log a picture: bytes, or floats in [0, 1]; `dataformats` names its axes."""
        picture = _picture(_array(img_tensor), dataformats)
        self._add(_events.image(tag, _png(picture), *picture.shape), global_step, walltime)

    def add_images(self, tag: str, img_tensor: Any, global_step: int | None = None, walltime: float | None = None,
                   dataformats: str = "NCHW") -> None:
        """Log several pictures as a grid."""
        self.add_image(tag, torch.stack(img_tensor) if isinstance(img_tensor, list) else img_tensor, global_step,
                       walltime, dataformats)

    def add_figure(self, tag: str, figure: Any, global_step: int | None = None, close: bool = True,
                   walltime: float | None = None) -> None:
        """Log a Matplotlib figure, or a list of them, and close it."""
        import numpy
        from matplotlib import pyplot
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        pictures = []
        for one in figure if isinstance(figure, list) else [figure]:
            canvas = FigureCanvasAgg(one)
            canvas.draw()
            pictures.append(numpy.asarray(canvas.buffer_rgba())[:, :, :3].copy())
            if close:
                pyplot.close(one)
        if isinstance(figure, list):
            self.add_image(tag, numpy.stack(pictures), global_step, walltime, dataformats="NHWC")
        else:
            self.add_image(tag, pictures[0], global_step, walltime, dataformats="HWC")

    def add_audio(self, tag: str, snd_tensor: Any, global_step: int | None = None, sample_rate: int = 44100,
                  walltime: float | None = None) -> None:
        """Log sound: samples in [-1, 1], one channel."""
        import io
        import wave

        import numpy

        samples = numpy.clip(_array(snd_tensor).squeeze(), -1, 1)
        if samples.ndim != 1:
            raise ValueError("add_audio: input tensor should be 1 dimensional.")
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setparams((1, 2, sample_rate, len(samples), "NONE", "Uncompressed"))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        self._add(_events.audio(tag, stream.getvalue(), sample_rate, len(samples)), global_step, walltime)

    def add_text(self, tag: str, text_string: str, global_step: int | None = None,
                 walltime: float | None = None) -> None:
        """Log text, in Markdown."""
        self._add(_events.text(tag, text_string), global_step, walltime)

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False,
                  use_strict_trace: bool = True) -> None:
        """Models' graphs are not written; a warning says so."""
        warnings.warn("add_graph: flambeau writes no model graphs; the call has no effect", stacklevel=2)

    def flush(self) -> None:
        """Hand everything to the system."""
        for writer in self.all_writers.values():
            if not writer.closed:
                writer.flush()

    def close(self) -> None:
        """Close the files; a later call of `add_...` opens new ones."""
        for writer in self.all_writers.values():
            if not writer.closed:
                writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
