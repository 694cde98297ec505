"""Finds a text in bytes, however it was written down: encoded, compressed, pickled, or several of these at once.

Whole or in part: an error message may show the end of a value alone.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

_PART = 12  # characters of a text that give it away
_DEEPEST = 6
_LARGEST = 50_000_000  # bytes that are unpacked of one stream
_ZIP_HEADER = struct.Struct("<4s5H3I2H")
_STREAM = re.compile(rb"\x1f\x8b\x08|PK\x03\x04|x[\x01\x5e\x9c\xda]|\x80[\x02-\x05]|\A[(\]}cSV]")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){20,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}")


def search(data: bytes, texts: Mapping[str, str]) -> set[str]:
    """The names of those texts that the bytes hold.

    Args:
        data: Anything: a file, a stream, a process' environment.
        texts: Name → text of ASCII characters.
    """
    forms = {name: tuple(_forms(text)) for name, text in texts.items()}
    found: set[str] = set()
    seen: set[bytes] = set()
    for layer in _layers(data, seen, 0):
        found.update(name for name, known in forms.items() if any(form in layer for form in known))
    return found


def search_folder(folder: Path, texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Path below a folder → the names of the texts in that file, in its name, or in where it points to."""
    hits: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        data = relative.encode()
        if path.is_symlink():
            data += str(path.readlink()).encode()
        elif path.is_file():
            data += b"\n" + path.read_bytes()
        if found := search(data, texts):
            hits[relative] = found
    return hits


def _forms(text: str) -> Iterator[bytes]:
    """How the text itself, and its telling parts, look in bytes."""
    middle = (len(text) - _PART) // 2
    for part in (text[:_PART], text[middle : middle + _PART], text[-_PART:]):
        plain = part.encode()
        yield from (plain, plain.upper(), part.encode("utf-16-le"), part.encode("utf-16-be"), plain.hex().encode())
        for before in range(3):
            # Less the characters that hold bits of what stands before and behind.
            encoded = base64.b64encode(bytes(before) + plain)
            yield encoded[(0, 2, 3)[before] : len(encoded) - (0, 3, 2)[(before + len(plain)) % 3]]
    if re.fullmatch(r"(?:[0-9a-f]{2})+", text):
        yield bytes.fromhex(text)


def _layers(data: bytes, seen: set[bytes], depth: int) -> Iterator[bytes]:
    """The bytes themselves, and all that can be unpacked out of them."""
    if depth > _DEEPEST or data in seen:
        return
    seen.add(data)
    yield data
    unwrapped = data.translate(None, b"\r\n")  # base64 in lines
    if unwrapped != data:
        yield unwrapped
    for inner in _unpacked(data, unwrapped):
        yield from _layers(inner, seen, depth + 1)


def _unpacked(data: bytes, unwrapped: bytes) -> Iterator[bytes]:
    for match in _STREAM.finditer(data):
        start = match.start()
        if match[0] == b"PK\x03\x04":
            yield from _of_zip(data[start:])
        elif match[0][:1] == b"\x1f":
            yield from _inflated(data[start:], zlib.MAX_WBITS + 16)
        elif match[0][:1] == b"x":
            yield from _inflated(data[start:], zlib.MAX_WBITS)
        else:
            yield from _of_pickle(data[start:])
    for match in _HEX.finditer(data):
        yield bytes.fromhex(match[0].decode())
    for match in _BASE64.finditer(unwrapped):
        word = match[0].replace(b"-", b"+").replace(b"_", b"/")
        try:
            yield base64.b64decode(word + b"=" * (-len(word) % 4))
        except binascii.Error:
            continue


def _inflated(data: bytes, wbits: int) -> Iterator[bytes]:
    try:
        inflated = zlib.decompressobj(wbits).decompress(data, _LARGEST)
    except zlib.error:
        return
    yield inflated


def _of_zip(data: bytes) -> Iterator[bytes]:
    """The content of a zip file's one entry, from its own header on: no directory is needed for that."""
    if len(data) >= _ZIP_HEADER.size:
        *_, name, extra = _ZIP_HEADER.unpack_from(data)
        yield from _inflated(data[_ZIP_HEADER.size + name + extra :], -zlib.MAX_WBITS)


def _of_pickle(data: bytes) -> Iterator[bytes]:
    """The bytes and texts in a pickle, which is read, never loaded."""
    try:
        for _, value, _ in pickletools.genops(data):
            if isinstance(value, str):
                # Before protocol 3, bytes are written as the text that Latin-1 reads in them.
                value = value.encode("latin-1", "ignore")
            if isinstance(value, (bytes, bytearray)) and len(value) >= _PART:
                yield bytes(value)
    except Exception:
        # It was no pickle, or it is cut off: what came before that counts.
        return
