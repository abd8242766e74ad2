"""The event files of SummaryWriter, byte by byte and through TensorBoard's own reader where it is installed."""
import glob
import io
import os
import struct

import numpy
import pytest

import flambeau as torch
from flambeau.utils.tensorboard import SummaryWriter, _events


def test_checksum():
    assert _events.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    assert _events.record(b"")[:12] == bytes(8) + struct.pack("<I", 0x07980329)


def records(folder):
    (path,) = glob.glob(os.path.join(folder, "events.out.tfevents.*"))
    with open(path, "rb") as file:
        data = file.read()
    position, found = 0, []
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        found.append(data[position + 12 : position + 12 + length])
        assert _events.record(found[-1]) == data[position : position + length + 16]
        position += length + 16
    return found


def test_bytes_of_a_scalar(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", torch.tensor(0.5), global_step=300, walltime=2.0)
    head, scalar = records(tmp_path)
    assert head[9:] == b"\x1a\x0dbrain.Event:2"
    assert scalar == (b"\x09" + struct.pack("<d", 2.0) + b"\x10\xac\x02" + b"\x2a\x0d\x0a\x0b\x0a\x04loss\x15"
                      + struct.pack("<f", 0.5))


def test_histogram_statistics():
    from flambeau.utils.tensorboard.writer import _statistics

    s = _statistics([0.0, 1.0, 1.0, 3.0], bins=[0, 1, 2, 3, 4, 5], max_bins=None)
    assert s["counts"] == [0.0, 1, 2, 0, 1] and s["limits"] == [0, 1, 2, 3, 4]
    assert (s["num"], s["sum"], s["sum_squares"]) == (4, 5.0, 11.0)
    assert sum(_statistics(numpy.random.RandomState(0).randn(1000), "tensorflow", None)["counts"]) == 1000


def test_pictures_are_png(tmp_path):
    from flambeau.utils.tensorboard.writer import _png

    Image = pytest.importorskip("PIL.Image")
    array = numpy.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(numpy.uint8)
    assert (numpy.array(Image.open(io.BytesIO(_png(array)))) == array).all()
    assert Image.open(io.BytesIO(_png(array[:, :, :1]))).mode == "L"


def test_errors(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="must have one element"):
            writer.add_scalar("x", torch.ones(2))
        with pytest.raises(ValueError, match="input format are different"):
            writer.add_image("x", torch.ones(2, 2))
        with pytest.warns(UserWarning, match="no model graphs"):
            writer.add_graph(None)


def test_tensorboard_reads_everything(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", 1.0 / (step + 1), step)
        writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 1)
        writer.add_histogram("weights", torch.randn(100), 1)
        writer.add_image("picture", torch.rand(3, 4, 5), 1)
        writer.add_images("pictures", torch.rand(9, 1, 4, 5), 1)
        writer.add_text("note", "**hello**", 1)
        writer.add_audio("sound", torch.zeros(1, 100), 1, sample_rate=8000)
    events = accumulator.EventAccumulator(str(tmp_path), size_guidance={"images": 0, "scalars": 0}).Reload()
    assert [e.value for e in events.Scalars("loss")] == pytest.approx([1, 1 / 2, 1 / 3])
    assert events.Histograms("weights")[0].histogram_value.num == 100
    assert (events.Images("picture")[0].height, events.Images("picture")[0].width) == (4, 5)
    assert (events.Images("pictures")[0].height, events.Images("pictures")[0].width) == (8, 40)
    assert events.Tensors("note/text_summary")[0].tensor_proto.string_val == [b"**hello**"]
    assert events.Audio("sound")[0].length_frames == 100
    assert sorted(os.listdir(tmp_path))[:2] == ["both_a", "both_b"]
