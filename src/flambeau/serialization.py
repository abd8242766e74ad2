"""`torch.save` and `torch.load`: files that PyTorch reads and writes, opened without running code.

A file is a zip archive: a description of the objects (`data.pkl`) and the memory of each storage (`data/0`, ...).
By default `load` reads the description with an interpreter of its own that only builds data (`_file_reader.py`);
`weights_only=False` hands it to Python's pickle, which runs whatever the file says.
"""
from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import warnings

import flambeau as torch

from ._file_reader import Reader, TensorBuilder, UnpicklingError
from ._file_writer import Writer, public_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any, TypeAlias

__all__ = ["SourceChangeWarning", "register_package", "save", "load", "clear_safe_globals", "get_safe_globals",
           "add_safe_globals", "safe_globals", "get_unsafe_globals_in_checkpoint", "get_default_mmap_options",
           "set_default_mmap_options"]

DEFAULT_PROTOCOL = 2
# for annotations in programs
FILE_LIKE: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
MAP_LOCATION: TypeAlias = "Callable[[Any, str], Any] | torch.device | str | dict[str, str] | None"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_ALIGNMENT = 64
_READABLE_VERSIONS = range(1, 11)


class SourceChangeWarning(Warning):
    """Kept for programs that name it: sources are not part of files any more."""


# -- classes and functions that the program trusts

_safe_globals: list[Any] = []


def _safe_table() -> dict[tuple[str, str], Any]:
    table = {}
    for item in _safe_globals:
        if isinstance(item, tuple):
            value, path = item
            module, _, name = path.rpartition(".")
        else:
            value, module, name = item, public_module(item.__module__), getattr(item, "__qualname__", item.__name__)
        table[module, name] = value
        if module == "builtins":
            table["__builtin__", name] = value
    return table


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let files name these classes and functions, or (object, "module.name") pairs, when they are loaded.

    Functions are called, and classes made and given their state, by what the file says: name only what is harmless.
    """
    for item in safe_globals:
        if item not in _safe_globals:
            _safe_globals.append(item)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has added."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` has added."""
    _safe_globals.clear()


class safe_globals:
    """As `add_safe_globals`, within a `with` block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self._added = safe_globals

    def __enter__(self) -> None:
        self._before = list(_safe_globals)
        add_safe_globals(self._added)

    def __exit__(self, *exc: Any) -> None:
        _safe_globals[:] = self._before


# -- devices of storages

_packages: list[tuple[int, Callable, Callable]] = []


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """Let storages of another kind of device be restored: `deserializer(storage, location)` returns one, or None."""
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda entry: entry[0])


def _restored(storage: Any, location: str) -> Any:
    """A storage, read into the main memory, on the device that a location names."""
    if location == "cpu":
        return storage
    for _, _, deserializer in _packages:
        result = deserializer(storage, location)
        if result is not None:
            return result
    kind, _, index = location.partition(":")
    if kind == "meta":
        return torch.UntypedStorage(storage.nbytes(), device="meta")
    if kind == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError("Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is "
                               "False. If you are running on a CPU-only machine, please use torch.load with "
                               "map_location=torch.device('cpu') to map your storages to the CPU.")
        if index and int(index) >= torch.cuda.device_count():
            raise RuntimeError(f"Attempting to deserialize object on CUDA device {index} but "
                               f"torch.cuda.device_count() is {torch.cuda.device_count()}. Please use torch.load with "
                               "map_location to map your storages to an existing device.")
        source = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        return source.to(torch.device(location)).untyped_storage()
    raise RuntimeError(f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
                       f"{location})")


def _restorer(map_location: Any) -> Callable[[Any, str], Any]:
    """The function of storage and location that an argument `map_location` means."""
    if map_location is None:
        return _restored
    if isinstance(map_location, dict):
        return lambda storage, location: _restored(storage, map_location.get(location, location))
    if isinstance(map_location, (str, bytes)):
        name = map_location.decode() if isinstance(map_location, bytes) else map_location
        return lambda storage, location: _restored(storage, name)
    if isinstance(map_location, torch.device):
        return lambda storage, location: _restored(storage, str(map_location))
    if not callable(map_location):
        raise TypeError("load: map_location must be a device, a string, a dict or a function "
                        f"('{type(map_location).__name__}' object is not callable)")

    def asked(storage: Any, location: str) -> Any:
        result = map_location(storage, location)
        return _restored(storage, location) if result is None else result

    return asked


def _bytes_of(storage: Any) -> memoryview:
    """A storage's memory."""
    try:
        return memoryview(storage).cast("B")
    except TypeError:
        view = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        return memoryview(view.numpy())


# -- saving


def save(obj: Any, f: Any, pickle_module: Any = pickle, pickle_protocol: int = DEFAULT_PROTOCOL,
         _use_new_zipfile_serialization: bool = True, _disable_byteorder_record: bool = False) -> None:
    """Save an object to a path or a file: tensors, containers, numbers, text, layers, what Python can reduce to these.

    Tensors that share memory will share it again. A path is replaced at once when everything is written: a program
    that dies on the way leaves the old file. PyTorch opens the files, and `load` opens PyTorch's.

    Errors: RuntimeError where the folder does not exist, AttributeError for functions without a name.

    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'weight': tensor([1., 1.])}
    """
    if pickle_protocol < 2:
        raise ValueError(f"save: pickle_protocol must be at least 2 (got {pickle_protocol})")
    writer = Writer(legacy=not _use_new_zipfile_serialization)
    write = _write_archive if _use_new_zipfile_serialization else _write_legacy
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
        write(f, writer, obj, "archive")
        return
    path = os.path.realpath(os.fspath(f))
    folder, base = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(os.fspath(f)) or '.'} does not exist.")
    name = os.path.splitext(os.path.basename(os.fspath(f)))[0] or "archive"
    if os.path.exists(path) and not os.path.isfile(path):  # a device or pipe is written to, not replaced
        with open(path, "wb") as file:
            write(file, writer, obj, name)
        return
    temporary = os.path.join(folder, f".{base}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file, writer, obj, name)
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _write_archive(file: IO[bytes], writer: Writer, obj: Any, name: str) -> None:
    import zipfile

    description = writer.dump(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        def record(path: str, data: Any) -> None:
            info = zipfile.ZipInfo(f"{name}/{path}", (1980, 1, 1, 0, 0, 0))
            # an extra field of zeros puts the data at a multiple of 64, so that it can be mapped into memory
            size = len(data)
            before = archive.fp.tell() + 30 + len(info.filename.encode()) + 4  # type: ignore[union-attr]
            before += 20 if size * 1.05 > zipfile.ZIP64_LIMIT else 0
            padding = -before % _ALIGNMENT
            info.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
            archive.writestr(info, data)

        record("data.pkl", description)
        record(".format_version", b"1")
        record(".storage_alignment", str(_ALIGNMENT).encode())
        record("byteorder", sys.byteorder.encode())
        for key, storage in writer.storages.items():
            record(f"data/{key}", _bytes_of(_in_main_memory(storage)))
        record("version", b"3\n")


def _in_main_memory(storage: Any) -> Any:
    if storage.device.type == "cpu":
        return storage
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage).cpu().untyped_storage()


def _write_legacy(file: IO[bytes], writer: Writer, obj: Any, name: str) -> None:
    """The form before zip archives: five pickles, then each storage's length and memory."""
    description = writer.dump(obj)
    file.write(Writer().dump(MAGIC_NUMBER))
    file.write(Writer().dump(PROTOCOL_VERSION))
    file.write(Writer().dump({"protocol_version": PROTOCOL_VERSION, "little_endian": sys.byteorder == "little",
                              "type_sizes": {"short": 2, "int": 4, "long": 4}}))
    file.write(description)
    keys = sorted(writer.storages)
    file.write(Writer().dump(keys))
    file.flush()
    for key in keys:
        data = _bytes_of(_in_main_memory(writer.storages[key]))
        file.write(struct.pack("<q", len(data) // writer.item_size(key)))
        file.write(data)


# -- loading


def load(f: Any, map_location: Any = None, pickle_module: Any = None, *, weights_only: bool | None = None,
         mmap: bool | None = None, **pickle_load_args: Any) -> Any:
    """Load what `save` saved, from a path or a file that can seek.

    Args:
        map_location: where tensors go: a device, a dict from saved to wanted locations, or a function
            `(storage, location) -> storage or None`.
        weights_only: unless False, only data is built, and layers of torch.nn; nothing in a file can run code.
            With False the file is trusted with everything that this program may do.
        mmap: map the memory of tensors from the file (a path) in the place of reading it.

    Errors: pickle.UnpicklingError for objects that are not loaded by default, RuntimeError for damaged files.
    """
    if weights_only is None:
        weights_only = pickle_module is None and os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "0") not in (
            "1", "y", "yes", "true")
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    restore = _restorer(map_location)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load_file(file, restore, weights_only, pickle_module, bool(mmap), pickle_load_args)
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        missing = next(name for name in ("seek", "tell", "read") if not hasattr(f, name))
        raise AttributeError(f"{type(f).__name__!r} object has no attribute {missing!r}. You can only torch.load from "
                             "a file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try "
                             "to load from it instead.")
    return _load_file(f, restore, weights_only, pickle_module, False, pickle_load_args)


def _load_file(file: IO[bytes], restore: Callable, weights_only: bool, pickle_module: Any, mapped: bool,
               options: dict[str, Any]) -> Any:
    start = file.tell()
    head = file.read(4)
    file.seek(start)
    if not isinstance(head, bytes):
        raise TypeError(f"load: expected a binary file, but its read() gave {type(head).__name__}")
    if head == b"PK\x03\x04":
        archive = _Archive(file, mapped)
        if "constants.pkl" in archive:
            raise RuntimeError("load: this is a TorchScript archive; it holds code, and is not read by torch.load")
        builder = TensorBuilder(lambda key, dtype, elements, location: restore(
            archive.storage(f"data/{key}", dtype, elements), location))
        return _unpickled(archive.read("data.pkl"), builder, weights_only, pickle_module, options)[0]
    if mapped:
        raise RuntimeError("mmap can only be used with files saved with `torch.save(_use_new_zipfile_serialization="
                           "True)`, please re-save this file with that option")
    return _load_legacy(file, restore, weights_only, pickle_module, options)


_ADVICE = ("Weights only load failed. {error}\n\nThe file holds something other than tensors, containers and layers. "
           "Re-running `torch.load` with `weights_only` set to `False` will likely succeed, but it can result in "
           "arbitrary code execution. Do it only if you got the file from a trusted source.")


def _unpickled(data: Any, builder: TensorBuilder, weights_only: bool, pickle_module: Any, options: dict[str, Any],
               position: int = 0) -> tuple[Any, int]:
    """The object described at a position of `data`, and the position after it."""
    if weights_only:
        reader = Reader(data, builder, _safe_table(), position, options.get("encoding", "utf-8"))
        try:
            return reader.load(), reader.position
        except UnpicklingError as error:
            raise UnpicklingError(_ADVICE.format(error=error)) from None
    base = (pickle_module or pickle).Unpickler

    class Unpickler(base):  # type: ignore[misc, valid-type]
        def find_class(self, module: str, name: str) -> Any:
            found = builder.find(module, name)
            if found is not None:
                return found
            if module.split(".")[0] == "torchvision":
                module = "flambeau.vision" + module[len("torchvision"):]
            elif module.split(".")[0] == "torch":
                place: Any = torch
                for part in (*module.split(".")[1:], *name.split(".")):
                    place = getattr(place, part, None)
                if place is not None:
                    return place
                module = "flambeau" + module[len("torch"):]
            return super().find_class(module, name)

        def persistent_load(self, pid: Any) -> Any:
            return builder.persistent_load(pid)

    stream = io.BytesIO(data)
    stream.seek(position)
    result = Unpickler(stream, **options).load()
    return result, stream.tell()


class _Archive:
    """The records of a zip file, read where they lie."""

    def __init__(self, file: IO[bytes], mapped: bool) -> None:
        import zipfile

        self._file = file
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, EOFError) as error:
            raise _damaged(f"failed finding central directory ({error})") from error
        self._records = {entry.filename.partition("/")[2]: entry for entry in entries}
        self._end = file.seek(0, 2)
        self._memory: Any = None
        if mapped:
            import mmap

            # the tensors may be written to; the file stays as it is
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        version = self.read("version") if "version" in self else b"3"
        if not version.strip().isdigit() or int(version) not in _READABLE_VERSIONS:
            raise RuntimeError(f"load: attempted to read a PyTorch file with version {version!r}, but the maximum "
                               f"supported version for reading is {_READABLE_VERSIONS[-1]}")
        self._swap = "byteorder" in self and self.read("byteorder").decode("ascii", "replace") != sys.byteorder

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def _locate(self, name: str) -> tuple[Any, int]:
        """A record's entry and where its data starts; both are checked against the file's length."""
        entry = self._records.get(name)
        if entry is None:
            raise _damaged(f"failed locating file {name}: file not found")
        if entry.compress_type != 0 or entry.file_size != entry.compress_size:
            raise _damaged(f"record {name} is compressed")
        self._file.seek(entry.header_offset)
        header = self._file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise _damaged(f"record {name} has no header")
        names, extra = struct.unpack("<HH", header[26:30])
        start = entry.header_offset + 30 + names + extra
        if start + entry.file_size > self._end:
            raise _damaged(f"record {name} is cut off")
        return entry, start

    def _fill(self, name: str, entry: Any, start: int, target: memoryview) -> None:
        import zlib

        self._file.seek(start)
        done = 0
        while done < len(target):
            if hasattr(self._file, "readinto"):
                count = self._file.readinto(target[done:])
            else:
                piece = self._file.read(min(len(target) - done, 1 << 24))
                count = len(piece)
                target[done : done + count] = piece
            if not count:
                raise _damaged(f"record {name} is cut off")
            done += count
        if zlib.crc32(target) != entry.CRC:
            raise _damaged(f"record {name} is damaged (its checksum does not match)")

    def read(self, name: str) -> bytes:
        entry, start = self._locate(name)
        data = bytearray(entry.file_size)
        self._fill(name, entry, start, memoryview(data))
        return bytes(data)

    def storage(self, name: str, dtype: Any, elements: int) -> Any:
        """A record as a storage of that many elements."""
        entry, start = self._locate(name)
        item = dtype.itemsize
        if entry.file_size != elements * item:
            raise RuntimeError(f"record size ({entry.file_size} bytes) does not match expected size "
                               f"({elements * item} bytes = {elements} elements * {item} bytes/element) for dtype "
                               f"{dtype}")
        if self._memory is not None and not self._swap and entry.file_size:
            return torch.frombuffer(self._memory, dtype=torch.uint8, count=entry.file_size,
                                    offset=start).untyped_storage()
        storage = torch.UntypedStorage(entry.file_size)
        if entry.file_size:
            self._fill(name, entry, start, _bytes_of(storage))
            if self._swap:
                _swap_bytes(_bytes_of(storage), item // 2 if dtype.is_complex else item)
        return storage


def _damaged(what: str) -> RuntimeError:
    return RuntimeError(f"load: failed reading zip archive: {what}. The file is corrupt: it was not saved or not "
                        "transferred completely, or was changed afterwards.")


def _swap_bytes(data: memoryview, item: int) -> None:
    """Reverse the bytes of every element: the file comes from a machine of the other byte order."""
    if item > 1:
        import numpy

        numpy.frombuffer(data, f"u{item}").byteswap(inplace=True)


def _load_legacy(file: IO[bytes], restore: Callable, weights_only: bool, pickle_module: Any,
                 options: dict[str, Any]) -> Any:
    """The form before zip archives."""
    start = file.tell()
    data = file.read()
    if not data:
        raise EOFError("Ran out of input")
    nothing = TensorBuilder(lambda *_: None)

    def header(position: int) -> tuple[Any, int]:
        return _unpickled(data, nothing, True, None, {}, position)

    magic, position = header(0)
    if magic != MAGIC_NUMBER:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version, position = header(position)
    if version != PROTOCOL_VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    system, position = header(position)
    swapped = not (isinstance(system, dict) and system.get("little_endian", True)) and sys.byteorder == "little"

    # storages come behind the objects that are made of them: they are made empty and filled in the end
    pending: dict[str, tuple[Any, Any, str]] = {}
    placed: dict[str, Any] = {}

    def fetch(key: str, dtype: Any, elements: int, location: str) -> Any:
        if elements * dtype.itemsize > len(data):
            raise RuntimeError(f"load: storage {key} of {elements} elements does not fit into the file")
        storage = torch.UntypedStorage(elements * dtype.itemsize)
        pending[key] = (storage, dtype, location)
        placed[key] = restore(storage, location)
        return placed[key]

    result, position = _unpickled(data, TensorBuilder(fetch), weights_only, pickle_module, options, position)
    keys, position = header(position)
    for key in keys:
        if key not in pending:
            raise RuntimeError(f"load: the file is corrupt (storage {key!r} belongs to no tensor)")
        storage, dtype, _ = pending[key]
        if position + 8 > len(data):
            raise EOFError("load: the file ends before its last storage")
        elements = int.from_bytes(data[position : position + 8], "little", signed=True)
        size = elements * dtype.itemsize
        position += 8
        if size != storage.nbytes():
            raise RuntimeError(f"storage has wrong byte size: expected {storage.nbytes()} got {size}")
        if position + size > len(data):
            raise EOFError("load: the file ends before its last storage")
        memory = _bytes_of(storage)
        memory[:] = data[position : position + size]
        if swapped:
            _swap_bytes(memory, dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize)
        if placed[key] is not storage and placed[key].device.type != "meta":
            placed[key].copy_(storage)
        position += size
    if hasattr(file, "seek"):
        file.seek(start + position)
    return result


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a file that `load` refuses: classes and functions neither known as harmless nor added as safe."""
    if not isinstance(f, (str, os.PathLike)):
        return _unsafe_names(f)
    with open(f, "rb") as file:
        return _unsafe_names(file)


def _unsafe_names(file: IO[bytes]) -> list[str]:
    import pickletools

    head = file.read(4)
    file.seek(-len(head), 1)
    if head != b"PK\x03\x04":
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    description = _Archive(file, False).read("data.pkl")
    reader = Reader(description, TensorBuilder(lambda *_: None), _safe_table())
    names: list[str] = []
    for opcode, argument, _ in pickletools.genops(description):
        if opcode.name == "GLOBAL":
            module, name = argument.split(" ", 1)
            try:
                reader.find(module, name)
            except UnpicklingError:
                names.append(f"{module}.{name}")
    return names


# -- options of PyTorch's that programs set

_mmap_flags = 2  # MAP_PRIVATE


def get_default_mmap_options() -> int:
    """The flags for mapping files: always private, changes do not reach the file."""
    return _mmap_flags


class set_default_mmap_options:
    """Accepted for programs that set it; files are always mapped privately. ValueError for other flags."""

    def __init__(self, flags: int) -> None:
        if flags not in (1, 2):
            raise ValueError(f"Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or "
                             f"mmap.MAP_SHARED, but got {flags}")
        if flags == 1:
            warnings.warn("files are mapped privately: changes of loaded tensors will not reach the file",
                          stacklevel=2)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        pass
