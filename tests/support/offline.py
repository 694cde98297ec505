"""Reads wandb's offline run files back: what a run really holds on disk, record by record.

A ``.wandb`` file is a LevelDB log (blocks of 32,768 bytes; records of a 7-byte header and a chunk) after a 7-byte file
header; each record is a ``wandb.proto.wandb_internal_pb2.Record``. Seen in wandb 0.19 to 0.31.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import Factory, define

_BLOCK = 32768
_FILE_HEADER = 7
_CHUNK_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@define
class OfflineRun:
    """What the offline files of one run id hold, the files in the order of their times."""

    id: str
    files: list[Path] = Factory(list)
    display_name: str = ""
    project: str = ""
    entity: str = ""
    group: str = ""
    job_type: str = ""
    notes: str = ""
    tags: list[str] = Factory(list)
    resumed: bool = False
    config: dict[str, Any] = Factory(dict)
    history: list[dict[str, Any]] = Factory(list)
    summary: dict[str, Any] = Factory(dict)
    metrics: dict[str, str] = Factory(dict)
    """Metric (or glob) → its step metric."""
    console: list[str] = Factory(list)
    git: tuple[str, str] = ("", "")
    """The commit and the remote's URL."""
    stats: list[dict[str, Any]] = Factory(list)
    artifacts: list[Any] = Factory(list)
    exit_code: int | None = None
    """The last file's exit code; None where it was never finished."""

    @property
    def trial_id(self) -> str:
        """Tune's id of the trial, which the default id of a run begins with."""
        return self.id.partition("-")[0]

    def rows(self, key: str) -> list[Any]:
        """The values of one metric, in the order of the history."""
        return [row[key] for row in self.history if key in row]


def read_runs(folder: Path | str) -> dict[str, OfflineRun]:
    """Every run below a folder, by run id."""
    runs: dict[str, OfflineRun] = {}
    paths = {path.resolve() for path in Path(folder).rglob("*.wandb")}
    for path in sorted(paths, key=lambda path: (path.parent.name, path.stat().st_mtime)):
        read_file(path, runs)
    return runs


def read_file(path: Path, runs: dict[str, OfflineRun]) -> None:
    """Add one ``.wandb`` file to the runs."""
    record_type = import_module("wandb.proto.wandb_internal_pb2").Record  # generated: no type checker knows it
    run = OfflineRun("")
    for data in read_records(path.read_bytes()):
        record = record_type.FromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = runs.setdefault(record.run.run_id, OfflineRun(record.run.run_id))
            if path not in run.files:
                run.files.append(path)
                run.exit_code = None
            run.git = record.run.git.commit, record.run.git.remote_url
            run.display_name, run.project, run.entity = record.run.display_name, record.run.project, record.run.entity
            run.group, run.job_type, run.notes = record.run.run_group, record.run.job_type, record.run.notes
            run.tags, run.resumed = list(record.run.tags), record.run.resumed
            _update(run.config, record.run.config.update)
        elif kind == "config":
            _update(run.config, record.config.update)
        elif kind == "history":
            row: dict[str, Any] = {}
            _update(row, record.history.item)
            run.history.append(row)
        elif kind == "summary":
            _update(run.summary, record.summary.update)
        elif kind == "metric":
            run.metrics[record.metric.name or record.metric.glob_name] = record.metric.step_metric
        elif kind == "output_raw":
            run.console.append(record.output_raw.line)
        elif kind == "output":
            run.console.append(record.output.line)
        elif kind == "stats":
            run.stats.append({item.key: json.loads(item.value_json) for item in record.stats.item})
        elif kind == "artifact":
            run.artifacts.append(record.artifact)
        elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            run.artifacts.append(record.request.log_artifact.artifact)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code


def _update(target: dict[str, Any], items: Iterable[Any]) -> None:
    for item in items:
        value = json.loads(item.value_json)
        if item.nested_key:
            *parents, last = item.nested_key
            inner = target
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = value
        else:
            target[item.key] = value


def read_records(data: bytes) -> Iterator[bytes]:
    offset, parts = _FILE_HEADER, bytearray()
    while offset + _CHUNK_HEADER <= len(data):
        left = _BLOCK - offset % _BLOCK
        if left < _CHUNK_HEADER:
            offset += left
            continue
        _, length, kind = struct.unpack("<IHB", data[offset : offset + _CHUNK_HEADER])
        offset += _CHUNK_HEADER
        chunk = data[offset : offset + length]
        offset += length
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or len(chunk) < length:
            return
        if kind in (_FULL, _FIRST):
            parts = bytearray()
        parts += chunk
        if kind in (_FULL, _LAST):
            yield bytes(parts)
