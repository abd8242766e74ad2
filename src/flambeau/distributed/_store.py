"""Stores: small key-value tables through which the processes of a group find each other."""
from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
import time
from datetime import timedelta
from typing import Any

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore"]

_DEFAULT_TIMEOUT = timedelta(minutes=5)


class Store:
    """Base class. Keys are strings, values bytes; get() waits until a key is there."""

    def __init__(self) -> None:
        self.timeout = _DEFAULT_TIMEOUT

    def set_timeout(self, timeout: timedelta) -> None:
        """How long get() and wait() may take."""
        self.timeout = timeout

    def set(self, key: str, value: Any) -> None:
        """Store a value (bytes or text)."""
        self._update(key, lambda old: _bytes(value))

    def add(self, key: str, amount: int) -> int:
        """Add to a counter; returns its new value."""
        return int(self._update(key, lambda old: str(int(old or b"0") + amount).encode()))

    def compare_set(self, key: str, expected: Any, desired: Any) -> bytes:
        """Store desired if the value is expected (or the key is missing and expected is empty); returns the value."""
        want = _bytes(expected)

        def change(old: bytes | None) -> bytes | None:
            if old is None:
                return _bytes(desired) if not want else None
            return _bytes(desired) if old == want else old

        result = self._update(key, change)
        return want if result is None else result

    def get(self, key: str) -> bytes:
        """The value of a key, once it is there."""
        self.wait([key])
        value = self._read(key)
        if value is None:
            raise RuntimeError(f"Store: key {key!r} was deleted while waiting for it")
        return value

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there."""
        end = time.monotonic() + (timeout or self.timeout).total_seconds()
        pause = 0.0005
        while not self.check(keys):
            if time.monotonic() > end:
                raise RuntimeError(f"Store: timeout after {timeout or self.timeout} waiting for keys {', '.join(keys)}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def check(self, keys: list[str]) -> bool:
        """Whether all keys are there."""
        return all(self._read(k) is not None for k in keys)

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether it was there."""
        return self._update(key, lambda old: None, remove=True) is not None

    def _read(self, key: str) -> bytes | None:
        raise NotImplementedError

    def _update(self, key: str, change: Any, remove: bool = False) -> Any:
        """Replace the value by change(old value) in one step; the new value (with remove: the old one)."""
        raise NotImplementedError


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _apply(table: dict[str, bytes], key: str, change: Any, remove: bool) -> Any:
    if remove:
        return table.pop(key, None)
    new = change(table.get(key))
    if new is not None:
        table[key] = new
    return new


class HashStore(Store):
    """A store within one process.

    >>> store = torch.distributed.HashStore()
    >>> store.add("n", 2); store.get("n")
    2
    b'2'
    """

    def __init__(self) -> None:
        super().__init__()
        self._table: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def _read(self, key: str) -> bytes | None:
        return self._table.get(key)

    def _update(self, key: str, change: Any, remove: bool = False) -> Any:
        with self._lock:
            return _apply(self._table, key, change, remove)

    def num_keys(self) -> int:
        """The number of keys."""
        return len(self._table)


class FileStore(Store):
    """A store in a file that all processes see: a log of changes, one a line, written under a lock."""

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self.path = file_name
        self._table: dict[str, bytes] = {}
        self._place = 0

    def _refresh(self, file: Any) -> None:
        file.seek(self._place)
        while line := file.readline():
            if not line.endswith(b"\n"):
                break
            self._place += len(line)
            key, value = json.loads(line)
            if value is None:
                self._table.pop(key, None)
            else:
                self._table[key] = base64.b64decode(value)

    def _read(self, key: str) -> bytes | None:
        if key not in self._table and os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self._refresh(file)
        return self._table.get(key)

    def check(self, keys: list[str]) -> bool:
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self._refresh(file)
        return all(k in self._table for k in keys)

    def _update(self, key: str, change: Any, remove: bool = False) -> Any:
        import fcntl
        with open(self.path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._refresh(file)
            result = _apply(self._table, key, change, remove)
            new = self._table.get(key)
            line = json.dumps([key, None if new is None else base64.b64encode(new).decode()]).encode() + b"\n"
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            self._place += len(line)
            return result


class PrefixStore(Store):
    """Another store, with a prefix before every key."""

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self.prefix, self.underlying_store = prefix, store

    def _read(self, key: str) -> bytes | None:
        return self.underlying_store._read(f"{self.prefix}/{key}")

    def _update(self, key: str, change: Any, remove: bool = False) -> Any:
        return self.underlying_store._update(f"{self.prefix}/{key}", change, remove)

    def set(self, key: str, value: Any) -> None:
        self.underlying_store.set(f"{self.prefix}/{key}", value)

    def add(self, key: str, amount: int) -> int:
        return self.underlying_store.add(f"{self.prefix}/{key}", amount)

    def compare_set(self, key: str, expected: Any, desired: Any) -> bytes:
        return self.underlying_store.compare_set(f"{self.prefix}/{key}", expected, desired)

    def delete_key(self, key: str) -> bool:
        return self.underlying_store.delete_key(f"{self.prefix}/{key}")


def receive_exactly(sock: socket.socket, count: int) -> bytearray:
    """count bytes from a socket; ConnectionError at its end."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = sock.recv_into(view)
        if got == 0:
            raise ConnectionError("the other side closed the connection")
        view = view[got:]
    return data


def _send_message(sock: socket.socket, parts: list) -> None:
    body = json.dumps([base64.b64encode(p).decode() if isinstance(p, bytes) else p for p in parts]).encode()
    sock.sendall(struct.pack("<I", len(body)) + body)


def _receive_message(sock: socket.socket) -> list:
    (size,) = struct.unpack("<I", receive_exactly(sock, 4))
    if size > 1 << 26:
        raise ConnectionError(f"TCPStore: a message of {size} bytes is too large")
    return json.loads(bytes(receive_exactly(sock, size)))


class _Server:
    """The table of a TCPStore, served to all processes by threads of the master's process."""

    def __init__(self, host: str, port: int) -> None:
        self.table = HashStore()
        self.socket = socket.create_server((host, port), family=socket.AF_INET, reuse_port=False, backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                while True:
                    _send_message(client, [self._answer(_receive_message(client))])
            except (ConnectionError, OSError, ValueError):
                return

    def _answer(self, request: list) -> Any:
        kind, key, *rest = request
        if kind == "read":
            return self.table._read(key)
        if kind == "set":
            self.table.set(key, base64.b64decode(rest[0]))
            return None
        if kind == "add":
            return self.table.add(key, rest[0])
        if kind == "compare":
            return self.table.compare_set(key, base64.b64decode(rest[0]), base64.b64decode(rest[1]))
        if kind == "delete":
            return self.table.delete_key(key)
        if kind == "check":
            return self.table.check(key)
        raise ValueError(f"TCPStore: unknown request {kind!r}")


class TCPStore(Store):
    """A store served by one process over TCP: TCPStore(host, port, world_size, is_master).

    >>> store = torch.distributed.TCPStore("127.0.0.1", 0, 1, True)
    >>> store.set("a", "1"); store.get("a")
    b'1'
    """

    def __init__(self, host_name: str, port: int, world_size: int | None = None, is_master: bool = False,
                 timeout: timedelta = _DEFAULT_TIMEOUT, wait_for_workers: bool = True, **options: Any) -> None:
        super().__init__()
        self.timeout = timeout
        self.host = host_name
        self._lock = threading.Lock()
        local = host_name in ("localhost", "127.0.0.1")
        self._server = _Server("127.0.0.1" if local else "", port) if is_master else None
        self.port = self._server.port if self._server else port
        self._socket = self._connect()
        if world_size and wait_for_workers:
            self.add("init/workers", 1)
            if is_master:
                end = time.monotonic() + timeout.total_seconds()
                while self.add("init/workers", 0) < world_size:
                    if time.monotonic() > end:
                        raise RuntimeError(f"TCPStore: timeout after {timeout} waiting for {world_size} workers")
                    time.sleep(0.005)

    def _connect(self) -> socket.socket:
        end = time.monotonic() + self.timeout.total_seconds()
        while True:
            try:
                sock = socket.create_connection((self.host, self.port), timeout=self.timeout.total_seconds())
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError as error:
                if time.monotonic() > end:
                    raise RuntimeError(f"TCPStore: cannot connect to {self.host}:{self.port} ({error})") from error
                time.sleep(0.02)

    def _ask(self, *request: Any) -> Any:
        with self._lock:
            _send_message(self._socket, list(request))
            return _receive_message(self._socket)[0]

    def _read(self, key: str) -> bytes | None:
        value = self._ask("read", key)
        return None if value is None else base64.b64decode(value)

    def set(self, key: str, value: Any) -> None:
        self._ask("set", key, _bytes(value))

    def add(self, key: str, amount: int) -> int:
        return self._ask("add", key, amount)

    def compare_set(self, key: str, expected: Any, desired: Any) -> bytes:
        return base64.b64decode(self._ask("compare", key, _bytes(expected), _bytes(desired)))

    def check(self, keys: list[str]) -> bool:
        return self._ask("check", list(keys))

    def delete_key(self, key: str) -> bool:
        return self._ask("delete", key)
