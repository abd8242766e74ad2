"""MNIST and the data sets in its format: IDX files, plain or compressed with gzip.

The format: two zero bytes, a byte for the element type, a byte for the number of dimensions, the sizes as big-endian
32-bit numbers, then the elements, big-endian.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import flambeau as torch

from .._pillow import pillow
from ._files import download
from .vision import VisionDataset

# The byte for the element type, and NumPy's name of it.
_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Any) -> Any:
    """The tensor in an IDX file, plain or gzip-compressed. ValueError for damaged files.

    The element types are uint8, int8, int16, int32, float32 and float64.
    """
    import gzip
    import math
    import zlib

    import numpy

    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if compressed else open)(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
                raise ValueError(f"read_idx: {path} is no IDX file")
            dtype, dimensions = numpy.dtype(_IDX_TYPES[head[2]]), head[3]
            sizes = file.read(4 * dimensions)
            if len(sizes) < 4 * dimensions:
                raise ValueError(f"read_idx: {path} is no IDX file")
            shape = [int.from_bytes(sizes[4 * i : 4 * i + 4], "big") for i in range(dimensions)]
            expected = math.prod(shape) * dtype.itemsize
            # In pieces, and no further than one byte too many: neither the shape nor a compressed file is believed beforehand.
            data = bytearray()
            while len(data) <= expected and (piece := file.read(min(expected + 1 - len(data), 1 << 24))):
                data += piece
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"read_idx: {path} is damaged: {error}") from error
    if len(data) != expected:
        raise ValueError(f"read_idx: {path} is damaged: {'more' if len(data) > expected else 'fewer'} bytes of data than the "
                         f"{expected} of the shape {tuple(shape)}")
    array = numpy.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
    return torch.from_numpy(array.reshape(shape))


class MNIST(VisionDataset):
    """The MNIST handwritten digits (LeCun, Cortes, Burges): 60,000 pictures to learn from, 10,000 to test with.

    Args:
        root: a folder that holds the four files, plain or with `.gz`, by itself, in `MNIST/raw` or in `raw`.
        train: the 60,000, or with False the 10,000.
        download: fetch the files into `root/MNIST/raw` if they are not there.

    Items are a grey Pillow picture and the digit. `data` is a uint8 tensor (N, 28, 28), `targets` the N digits.
    Errors: RuntimeError "Dataset not found" where the files are missing.
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources = [("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                 ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
                 ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
                 ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c")]
    classes = ["0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven",
               "8 - eight", "9 - nine"]

    def __init__(self, root: Any, train: bool = True, transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError(f"Dataset not found. You can use download=True to download it. Looked for "
                               f"{self._file('images-idx3-ubyte')} and its labels, plain or with .gz, in "
                               f"{', '.join(map(str, self._folders()))}")
        self.data, self.targets = self._load_data()

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, self.__class__.__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, self.__class__.__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    train_data = property(lambda self: self.data)
    test_data = property(lambda self: self.data)
    train_labels = property(lambda self: self.targets)
    test_labels = property(lambda self: self.targets)

    def _folders(self) -> list[str]:
        return [self.raw_folder, os.path.join(self.root, "raw"), self.root]

    def _file(self, kind: str) -> str:
        return ("train-" if self.train else "t10k-") + kind

    def _path(self, kind: str) -> str | None:
        for folder in self._folders():
            for suffix in ("", ".gz"):
                path = os.path.join(folder, self._file(kind) + suffix)
                if os.path.isfile(path):
                    return path
        return None

    def _check_exists(self) -> bool:
        return self._path("images-idx3-ubyte") is not None and self._path("labels-idx1-ubyte") is not None

    def _load_data(self) -> tuple[Any, Any]:
        images = read_idx(self._path("images-idx3-ubyte"))
        labels = read_idx(self._path("labels-idx1-ubyte"))
        if images.dim() != 3 or labels.dim() != 1 or len(images) != len(labels):
            raise ValueError(f"{self.__class__.__name__}: the files do not belong together (pictures of shape "
                             f"{tuple(images.shape)}, labels of shape {tuple(labels.shape)})")
        return images, labels.long()

    def download(self) -> None:
        """Fetch the files that are missing into `raw_folder`."""
        if self._check_exists():
            return
        for name, md5 in self.resources:
            download([mirror + name for mirror in self.mirrors], self.raw_folder, name, md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        picture = pillow().fromarray(self.data[index].numpy())
        return self._transformed(picture, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Zalando's articles of clothing in MNIST's format (Xiao, Rasul, Vollgraf, 2017)."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                 ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
                 ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
                 ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310")]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
               "Ankle boot"]


class KMNIST(MNIST):
    """Cursive Japanese characters in MNIST's format (Clanuwat et al., 2018)."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
                 ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
                 ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
                 ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134")]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Letters and digits in MNIST's format (Cohen et al., 2017), from files `emnist-SPLIT-train-images-idx3-ubyte`."""

    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")

    def __init__(self, root: Any, split: str, **kwargs: Any) -> None:
        if split not in self.splits:
            raise ValueError(f"Unknown value '{split}' for argument split. Valid values are "
                             f"{{{', '.join(repr(s) for s in self.splits)}}}.")
        self.split = split
        super().__init__(root, **kwargs)

    def _file(self, kind: str) -> str:
        return f"emnist-{self.split}-{'train' if self.train else 'test'}-{kind}"

    def download(self) -> None:
        """There is no address to fetch single splits from: RuntimeError where files are missing."""
        if not self._check_exists():
            raise RuntimeError(f"EMNIST: put the files of the split {self.split!r} into {self.raw_folder}")
