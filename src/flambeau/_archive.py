"""torch.PyTorchFileReader: the records of a file that torch.save wrote, one by one."""
from __future__ import annotations

import zipfile
from typing import Any

import flambeau as torch

__all__ = ["PyTorchFileReader"]


class PyTorchFileReader:
    """PyTorchFileReader(path or binary file): reads single records. RuntimeError for other files and missing records.

    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({"x": torch.ones(2)}, file)
    >>> reader = torch.PyTorchFileReader(file)
    >>> reader.has_record("data.pkl"), len(reader.get_record("data/0"))
    (True, 8)
    """

    def __init__(self, name_or_buffer: Any) -> None:
        try:
            self._zip = zipfile.ZipFile(name_or_buffer)
        except zipfile.BadZipFile as error:
            raise RuntimeError(f"PytorchStreamReader failed reading zip archive: {error}") from None
        names = self._zip.namelist()
        self._folder = names[0].partition("/")[0] + "/" if names else ""

    def get_all_records(self) -> list[str]:
        """The records' names."""
        return [name[len(self._folder):] for name in self._zip.namelist()]

    def has_record(self, name: str) -> bool:
        """Whether there is such a record."""
        return self._folder + name in self._zip.NameToInfo

    def get_record(self, name: str) -> bytes:
        """A record's bytes."""
        if not self.has_record(name):
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found")
        return self._zip.read(self._folder + name)

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """A record as a tensor of numel elements, whose storage is what callers want."""
        data = bytearray(self.get_record(name))
        if len(data) < numel * dtype.itemsize:
            raise RuntimeError(f"PytorchStreamReader: record {name} is too short (got {len(data)} bytes, expected "
                               f"{numel * dtype.itemsize})")
        return torch.frombuffer(data, dtype=dtype, count=numel) if numel else torch.empty(0, dtype=dtype)

    def version(self) -> int:
        """The format's version."""
        for name in (".format_version", "version"):
            if self.has_record(name):
                return int(self.get_record(name))
        return 0

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
