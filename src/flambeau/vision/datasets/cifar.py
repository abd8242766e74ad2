"""CIFAR-10 and CIFAR-100: small colour pictures, from the Python version's files.

Those files are pickles. They are read with the same interpreter as model files, which runs no code.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .._pillow import pillow
from ._files import download, intact, unpack_tar
from .vision import VisionDataset


def _read(path: str) -> dict[str, Any]:
    from flambeau._file_reader import Reader, TensorBuilder

    with open(path, "rb") as file:
        data = file.read()
    entry = Reader(data, TensorBuilder(lambda *_: None), {}, encoding="latin1").load()
    return {key.decode() if isinstance(key, bytes) else key: value for key, value in entry.items()}


class CIFAR10(VisionDataset):
    """60,000 colour pictures of 32 x 32 in 10 classes (Krizhevsky, 2009), 10,000 of them to test with.

    `root` holds `cifar-10-batches-py`, or `cifar-10-python.tar.gz`, which is unpacked. Items are a Pillow picture and
    the class's number; `data` is a NumPy array (N, 32, 32, 3).
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [f"data_batch_{i}" for i in range(1, 6)]
    test_list = ["test_batch"]
    meta = ("batches.meta", "label_names")

    def __init__(self, root: Any, train: bool = True, transform: Callable | None = None,
                 target_transform: Callable | None = None, download: bool = False) -> None:
        import numpy

        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        archive = os.path.join(self.root, self.filename)
        if not self._check_integrity() and (download or intact(archive, self.tgz_md5)):
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it. Looked in "
                               f"{self._folder}")
        pictures, self.targets = [], []
        for name in self._names:
            entry = _read(os.path.join(self._folder, name))
            pictures.append(numpy.asarray(entry["data"], dtype=numpy.uint8))
            self.targets += list(entry["labels"] if "labels" in entry else entry["fine_labels"])
        self.data = numpy.vstack(pictures).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        name, key = self.meta
        self.classes = [c.decode() if isinstance(c, bytes) else c
                        for c in _read(os.path.join(self._folder, name))[key]]
        self.class_to_idx = {c: i for i, c in enumerate(self.classes)}

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, self.base_folder)

    @property
    def _names(self) -> list[str]:
        return self.train_list if self.train else self.test_list

    def _check_integrity(self) -> bool:
        return all(os.path.isfile(os.path.join(self._folder, name)) for name in [*self._names, self.meta[0]])

    def download(self) -> None:
        """Fetch and unpack the archive, unless its files are there."""
        if not self._check_integrity():
            unpack_tar(download([self.url], self.root, self.filename, self.tgz_md5), self.root)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(pillow().fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """As CIFAR-10, with 100 classes."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = ["train"]
    test_list = ["test"]
    meta = ("meta", "fine_label_names")
