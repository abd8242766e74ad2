"""TensorBoard's event files: records with checksums, and the few protocol buffer messages that go into them.

A record is its length (8 bytes), the length's checksum, the data, the data's checksum. Checksums are CRC-32C, rotated
and offset so that data that holds checksums does not disturb them. Messages are sequences of tagged fields.
"""
from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """A record of an event file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


# -- protocol buffer fields


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def message(field: int, data: bytes | str) -> bytes:
    """A nested message, bytes, or text."""
    data = data.encode() if isinstance(data, str) else data
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def doubles(field: int, values: Iterable[float]) -> bytes:
    values = list(values)
    return message(field, struct.pack(f"<{len(values)}d", *values))


# -- TensorBoard's messages


def event(wall_time: float, step: int | None = None, *, version: str | None = None,
          summary: bytes | None = None) -> bytes:
    """An event: the file's version at its head, or a summary."""
    data = double(1, wall_time)
    if step:
        data += integer(2, step)
    if version is not None:
        data += message(3, version)
    if summary is not None:
        data += message(5, summary)
    return data


def value(tag: str, content: bytes, plugin: str | None = None) -> bytes:
    """A summary of one value; `content` is the value's own field."""
    data = message(1, tag) + content
    if plugin is not None:
        data += message(9, message(1, message(1, plugin)))
    return message(1, data)


def scalar(tag: str, number: float) -> bytes:
    return value(tag, single(2, number))


def scalar_tensor(tag: str, number: float, exact: bool) -> bytes:
    """A scalar as a tensor, of float64 with `exact`, else of float32."""
    tensor = integer(1, 2) + double(6, number) if exact else integer(1, 1) + single(5, number)
    return value(tag, message(8, tensor), "scalars")


def text(tag: str, content: str) -> bytes:
    shape = message(2, message(2, integer(1, 1)))
    return value(tag + "/text_summary", message(8, integer(1, 7) + shape + message(8, content)), "text")


def image(tag: str, png: bytes, height: int, width: int, channels: int) -> bytes:
    return value(tag, message(4, integer(1, height) + integer(2, width) + integer(3, channels) + message(4, png)))


def audio(tag: str, wav: bytes, rate: int, frames: int) -> bytes:
    content = (single(1, rate) + integer(2, 1) + integer(3, frames) + message(4, wav) + message(5, "audio/wav"))
    return value(tag, message(6, content))


def histogram(tag: str, statistics: dict[str, Any]) -> bytes:
    """From min, max, num, sum, sum_squares, limits (of the buckets, upper ends) and counts."""
    s = statistics
    content = (double(1, s["min"]) + double(2, s["max"]) + double(3, s["num"]) + double(4, s["sum"])
               + double(5, s["sum_squares"]) + doubles(6, s["limits"]) + doubles(7, s["counts"]))
    return value(tag, message(5, content))
