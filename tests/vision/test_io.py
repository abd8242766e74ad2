"""Pictures in files and bytes as tensors."""
import pytest

import flambeau as torch
from flambeau.vision import io

PICTURE = (torch.arange(3 * 8 * 10) % 256).reshape(3, 8, 10).to(torch.uint8)


def test_png_round_trip(tmp_path):
    path = str(tmp_path / "a.png")
    io.write_png(PICTURE, path)
    assert torch.equal(io.read_image(path), PICTURE)
    assert torch.equal(io.decode_png(io.read_file(path)), PICTURE)
    assert io.read_image(path, io.ImageReadMode.GRAY).shape == (1, 8, 10)
    assert io.decode_image(path, "RGBA").shape == (4, 8, 10)
    io.write_png(PICTURE[:1], path)
    assert torch.equal(io.read_image(path), PICTURE[:1])


def test_jpeg_and_gif():
    assert (io.decode_jpeg(io.encode_jpeg(PICTURE, quality=95)).int() - PICTURE.int()).abs().max() < 60
    from io import BytesIO

    from PIL import Image
    file = BytesIO()
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:])
    assert io.decode_gif(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)).shape == (2, 3, 3, 4)


def test_errors():
    with pytest.raises(RuntimeError, match="1-dimensional"):
        io.decode_image(torch.zeros(2, 2, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="dtype should be uint8"):
        io.encode_png(torch.zeros(3, 2, 2))
