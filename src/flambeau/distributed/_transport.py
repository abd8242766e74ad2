"""Messages between the processes of a group: one TCP connection a pair, a reading thread each.

A message has a key; receive(peer, key) waits for the next one with that key. Readers always drain their sockets, so
that sending never waits for the other side to ask.
"""
from __future__ import annotations

import hmac
import secrets
import socket
import struct
import threading
from collections import deque
from datetime import timedelta
from typing import Any

from flambeau.distributed._store import receive_exactly

__all__ = ["Transport"]

_HEADER = struct.Struct("<HQ")      # length of the key, length of the message


class Transport:
    """The connections of one process to all others."""

    def __init__(self, store: Any, rank: int, world_size: int, timeout: timedelta) -> None:
        self.rank, self.world_size, self.timeout = rank, world_size, timeout
        self._sockets: dict[int, socket.socket] = {}
        self._send_locks: dict[int, threading.Lock] = {r: threading.Lock() for r in range(world_size)}
        self._inbox: dict[tuple[int, str], deque] = {}
        self._arrived = threading.Condition()
        self._failures: dict[int, str] = {}
        self._closing = False
        self._meet(store)

    def _meet(self, store: Any) -> None:
        """Every process connects to those of lower rank; a secret from the store keeps strangers out."""
        if self.rank == 0:
            store.set("transport/secret", secrets.token_hex(16))
        secret = store.get("transport/secret")
        if self.world_size == 1:
            return
        host = self._own_address(store)
        listener = socket.create_server((host, 0), backlog=self.world_size)
        listener.settimeout(self.timeout.total_seconds())
        store.set(f"transport/{self.rank}", f"{host}:{listener.getsockname()[1]}")
        with listener:
            for peer in range(self.rank):
                address, _, port = store.get(f"transport/{peer}").decode().rpartition(":")
                sock = socket.create_connection((address, int(port)), timeout=self.timeout.total_seconds())
                sock.sendall(secret + struct.pack("<I", self.rank))
                self._adopt(peer, sock)
            missing = self.world_size - 1 - self.rank
            while missing:
                sock, _ = listener.accept()
                greeting = bytes(receive_exactly(sock, len(secret) + 4))
                if not hmac.compare_digest(greeting[:-4], secret):
                    sock.close()
                    continue
                self._adopt(struct.unpack("<I", greeting[-4:])[0], sock)
                missing -= 1

    @staticmethod
    def _own_address(store: Any) -> str:
        """The address at which the others reach this process: that of the way to the store's host."""
        while hasattr(store, "underlying_store"):
            store = store.underlying_store
        host = getattr(store, "host", "127.0.0.1")
        if host in ("localhost", "127.0.0.1"):
            return "127.0.0.1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return probe.getsockname()[0]

    def _adopt(self, peer: int, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets[peer] = sock
        threading.Thread(target=self._read, args=(peer, sock), daemon=True).start()

    def _read(self, peer: int, sock: socket.socket) -> None:
        try:
            while True:
                key_size, size = _HEADER.unpack(receive_exactly(sock, _HEADER.size))
                key = bytes(receive_exactly(sock, key_size)).decode()
                self._deliver(peer, key, receive_exactly(sock, size))
        except (ConnectionError, OSError) as error:
            with self._arrived:
                self._failures[peer] = str(error)
                self._arrived.notify_all()

    def _deliver(self, peer: int, key: str, data: Any) -> None:
        with self._arrived:
            self._inbox.setdefault((peer, key), deque()).append(data)
            self._arrived.notify_all()

    def send(self, peer: int, key: str, data: Any) -> None:
        """Send bytes (or a buffer of them) to a process."""
        if peer == self.rank:
            self._deliver(peer, key, bytearray(data))
            return
        name = key.encode()
        view = memoryview(data).cast("B")
        try:
            with self._send_locks[peer]:
                self._sockets[peer].sendall(_HEADER.pack(len(name), len(view)) + name)
                self._sockets[peer].sendall(view)
        except OSError as error:
            raise RuntimeError(f"torch.distributed: connection closed by peer {peer} ({error})") from error

    def receive(self, peer: int, key: str, timeout: timedelta | None = None) -> bytearray:
        """The next message of a process with a key."""
        place = (peer, key)
        limit = (timeout or self.timeout).total_seconds()
        with self._arrived:
            ready = self._arrived.wait_for(lambda: self._inbox.get(place) or peer in self._failures, limit)
            queue = self._inbox.get(place)
            if queue:
                data = queue.popleft()
                if not queue:
                    del self._inbox[place]
                return data
        if not ready:
            raise RuntimeError(f"torch.distributed: timed out after {limit} s waiting for process {peer}")
        raise RuntimeError(f"torch.distributed: connection closed by peer {peer} ({self._failures[peer]})")

    def receive_any(self, peers: list[int], key: str) -> tuple[int, bytearray]:
        """The next message with a key from any of several processes, and who sent it."""
        with self._arrived:
            def found() -> Any:
                return next((p for p in peers if self._inbox.get((p, key))), None)

            if not self._arrived.wait_for(lambda: found() is not None, self.timeout.total_seconds()):
                raise RuntimeError("torch.distributed: timed out waiting for a message")
            peer = found()
        return peer, self.receive(peer, key)

    def close(self) -> None:
        """Close all connections."""
        for sock in self._sockets.values():
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                continue
        self._sockets.clear()
