"""Data sets of pictures: the files they read, what they give, what they say when something is missing."""
import gzip
import os
import pickle
import struct

import numpy
import pytest

import flambeau as torch
from flambeau.vision import datasets, transforms, utils

Image = pytest.importorskip("PIL.Image")


def write_mnist(folder, n=5, compressed=False):
    os.makedirs(folder, exist_ok=True)
    images = numpy.random.RandomState(0).randint(0, 256, (n, 28, 28)).astype(numpy.uint8)
    opener, suffix = (gzip.open, ".gz") if compressed else (open, "")
    for prefix in ("train", "t10k"):
        with opener(os.path.join(folder, prefix + "-images-idx3-ubyte" + suffix), "wb") as file:
            file.write(struct.pack(">IIII", 2051, n, 28, 28) + images.tobytes())
        with opener(os.path.join(folder, prefix + "-labels-idx1-ubyte" + suffix), "wb") as file:
            file.write(struct.pack(">II", 2049, n) + bytes(range(n)))
    return images


@pytest.mark.parametrize("place, compressed", [("MNIST/raw", False), ("raw", True), (".", True)])
def test_mnist(tmp_path, place, compressed):
    images = write_mnist(str(tmp_path / place), compressed=compressed)
    data = datasets.MNIST(tmp_path, train=True)
    picture, target = data[2]
    assert picture.mode == "L" and target == 2 and (numpy.array(picture) == images[2]).all()
    assert data.data.shape == (5, 28, 28) and data.targets.tolist() == [0, 1, 2, 3, 4]
    test = datasets.MNIST(tmp_path, train=False, transform=transforms.ToTensor(), target_transform=lambda t: -t)
    x, y = test[1]
    assert x.shape == (1, 28, 28) and y == -1 and len(test) == 5
    assert "Number of datapoints: 5" in repr(test) and "Split: Test" in repr(test)


def test_mnist_errors(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.MNIST(tmp_path)
    write_mnist(str(tmp_path))
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is damaged"):
        datasets.MNIST(tmp_path)


def test_idx_types(tmp_path):
    for code, dtype in ((9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
        path = tmp_path / f"x{code}"
        path.write_bytes(bytes([0, 0, code, 1]) + struct.pack(">I", 3) + numpy.array([1, -2, 3], dtype).tobytes())
        assert datasets.mnist.read_idx(path).tolist() == [1, -2, 3]


def test_image_folder(tmp_path):
    for name in ("dog", "cat"):
        os.makedirs(tmp_path / name)
        for i in range(2):
            Image.fromarray(numpy.full((4, 5, 3), i, numpy.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "cat" / "notes.txt").write_text("")
    data = datasets.ImageFolder(tmp_path, transform=transforms.ToTensor())
    assert data.classes == ["cat", "dog"] and data.targets == [0, 0, 1, 1] and data.imgs is data.samples
    x, y = data[3]
    assert x.shape == (3, 4, 5) and y == 1
    assert datasets.folder.default_loader(tmp_path / "cat" / "0.png").mode == "RGB"
    os.makedirs(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="no valid file for the classes empty"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(FileNotFoundError, match="any class folder"):
        datasets.ImageFolder(tmp_path / "empty")


def test_cifar(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    os.makedirs(folder)
    rows = numpy.random.RandomState(0).randint(0, 256, (2, 3072)).astype(numpy.uint8)
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(pickle.dumps({b"data": rows, b"labels": [3, 5]}, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"plane", b"car"]}, protocol=2))
    data = datasets.CIFAR10(tmp_path)
    assert len(data) == 10 and data.classes == ["plane", "car"] and data.data.shape == (10, 32, 32, 3)
    picture, target = data[1]
    assert target == 5 and (numpy.array(picture)[:, :, 0] == rows[1, :1024].reshape(32, 32)).all()
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        datasets.CIFAR100(tmp_path)


def test_fake_data():
    data = datasets.FakeData(3, (3, 4, 5), 7)
    before = torch.get_rng_state()
    assert (numpy.array(data[1][0]) == numpy.array(data[1][0])).all() and data[1][0].size == (5, 4)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(IndexError):
        data[3]


def test_grids(tmp_path):
    pictures = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 2) / 2
    grid = utils.make_grid(pictures, nrow=2, padding=1, pad_value=9.0)
    assert grid.shape == (3, 7, 7)
    assert grid[0, :, 1].tolist() == [9, 0, 0, 9, 1, 1, 9] and grid[0, 1].tolist() == [9, 0, 0, 9, 0.5, 0.5, 9]
    utils.save_image(pictures, tmp_path / "x.png", nrow=3, padding=0)
    assert numpy.array(Image.open(tmp_path / "x.png"))[0, :, 0].tolist() == [0, 0, 128, 128, 255, 255]


def test_damaged_idx_files(tmp_path):
    """ValueError for every damage; a compressed file is read no further than its own header says."""
    import gzip
    import random

    good = bytes([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2]) + bytes(6)
    draw = random.Random(0)
    path = tmp_path / "x"
    for k in range(300):
        data = bytearray(good)
        data[draw.randrange(12)] = draw.choice([0, 255, draw.randrange(256)])
        data = bytes(data[:draw.randrange(len(data))]) if k % 3 == 0 else bytes(data)
        if k % 2:
            packed = bytearray(gzip.compress(data))
            packed[draw.randrange(2, len(packed))] ^= 255
            data = bytes(packed)
        path.write_bytes(data)
        try:
            datasets.mnist.read_idx(path)
        except ValueError as error:
            assert "read_idx" in str(error)
    path.write_bytes(gzip.compress(good + bytes(1 << 20)))
    with pytest.raises(ValueError, match="more bytes"):
        datasets.mnist.read_idx(path)
