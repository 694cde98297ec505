"""Reads wandb's local ``.wandb`` files, also while wandb-core writes them.

Such a file is a LevelDB log: a 7-byte file header, then blocks of 32,768 bytes; each record is one or more chunks, each
behind a 7-byte header, none across the border of a block. A record is a protobuf of wandb's.
wandb has no public reader (that of its Python part is gone since 0.30); the format was seen in wandb 0.19 to 0.31, and
``tests/recording/test_run_file.py`` fails when it changes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from typed_tune_wandb._wandb_internals import record_type

_BLOCK_BYTES: Final = 32768
_FILE_HEADER_BYTES: Final = 7
_CHUNK_HEADER: Final = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY_TAG: Final = 0x12  # field 2 of Record, a message
# What wandb adds to every row by itself.
_OWN_KEYS: Final = frozenset({"_step", "_runtime"})


def records(data: bytes, offset: int = _FILE_HEADER_BYTES) -> Iterator[bytes]:
    """Yield every whole record of a file; a tail that is cut off or not yet written ends it.

    Args:
        data: The file's content.
        offset: Where to begin: after the file header, or at the begin of a block.
    """
    parts, whole = bytearray(), False
    while offset + _CHUNK_HEADER.size <= len(data):
        left = _BLOCK_BYTES - offset % _BLOCK_BYTES
        if left < _CHUNK_HEADER.size:
            offset += left
            continue
        _, length, kind = _CHUNK_HEADER.unpack_from(data, offset)
        offset += _CHUNK_HEADER.size
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or offset + length > len(data):
            return
        if kind in (_FULL, _FIRST):
            parts, whole = bytearray(), True
        parts += data[offset : offset + length]
        offset += length
        if kind in (_FULL, _LAST) and whole:
            yield bytes(parts)
            whole = False


def _is_history(record: bytes) -> bool:
    # The first field is the record's number, a varint; the next tells its kind.
    position = 0
    if record[:1] == b"\x08":
        position = 1
        while position < len(record) and record[position] & 0x80:
            position += 1
        position += 1
    return record[position : position + 1] == bytes([_HISTORY_TAG])


def last_step(path: str | Path, searched_bytes: int = 0) -> int:
    """Give the step of the last row in a file; -1 if it has none.

    It looks at the file's end first, so that it costs the same however long the file is.

    Args:
        path: The ``.wandb`` file; one that is not there has no row.
        searched_bytes: Bytes at the file's begin that need no search.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            blocks = 2
            while True:
                start = max(0, (size - 1) // _BLOCK_BYTES + 1 - blocks) * _BLOCK_BYTES
                file.seek(start)
                data = file.read(size - start)
                # A block that is not the first has no file header: positions count from the begin of a block alike.
                found = None
                for record in records(data, _FILE_HEADER_BYTES if start == 0 else 0):
                    if _is_history(record):
                        found = record
                if found is not None:
                    return int(record_type().FromString(found).history.step.num)
                if start <= searched_bytes:
                    return -1
                blocks *= 4
    except OSError:
        return -1


def read_rows(path: str | Path, first_step: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield step and values of the rows in a file.

    Args:
        path: The ``.wandb`` file; one that is not there has no rows.
        first_step: Rows of lower steps are left out.
    """
    try:
        data = Path(path).read_bytes()
    except OSError:
        return
    parse = record_type().FromString
    for record in records(data):
        if not _is_history(record):
            continue
        history = parse(record).history
        if history.step.num >= first_step:
            yield int(history.step.num), values_of(history.item)


@frozen
class RecordedRun:
    """What a file says of its run.

    Attributes:
        init: Arguments of ``wandb.init``: names, tags, notes and the config.
        exit_code: Its exit code; None if the file has no end.
        step_metric: The metric that all others are drawn over, or an empty text.
    """

    init: dict[str, Any]
    exit_code: int | None
    step_metric: str = ""


def read_run(path: str | Path) -> RecordedRun:
    """Give what a file says of its run; a file that is not there says nothing."""
    init: dict[str, Any] = {}
    config: dict[str, Any] = {}
    exit_code = None
    step_metric = ""
    parse = record_type().FromString
    with suppress(OSError):
        for data in records(Path(path).read_bytes()):
            if _is_history(data):
                continue
            record = parse(data)
            kind = record.WhichOneof("record_type")
            if kind == "exit":
                exit_code = int(record.exit.exit_code)
            elif kind == "metric" and record.metric.glob_name == "*":
                step_metric = str(record.metric.step_metric)
            elif kind == "config":
                config |= values_of(record.config.update)
            elif kind == "run":
                run = record.run
                config |= values_of(run.config.update)
                texts = {"name": run.display_name, "group": run.run_group, "job_type": run.job_type, "notes": run.notes}
                texts |= {"project": run.project, "entity": run.entity}
                init |= {name: str(text) for name, text in texts.items() if text}
                init["tags"] = [str(tag) for tag in run.tags]
    config.pop("_wandb", None)
    return RecordedRun({**init, "config": config}, exit_code, step_metric)


def project_of(path: str | Path) -> str | None:
    """Give the project of the run in a file; None if the file does not tell."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    parse = record_type().FromString
    for record in records(data):
        if parse(record).WhichOneof("record_type") == "run":
            return str(parse(record).run.project)
    return None


def values_of(items: Any) -> dict[str, Any]:
    """Give the values of a history, config or summary record, less those that wandb adds to every row."""
    values: dict[str, Any] = {}
    for item in items:
        value = json.loads(item.value_json)
        if not item.nested_key:
            values[item.key] = value
            continue
        *parents, name = item.nested_key
        inner = values
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = value
    return {key: value for key, value in values.items() if key not in _OWN_KEYS}
