"""``wandb_runs.json``: the runs of an experiment's trials, in the folder where Tune keeps its results.

The schema has a version. A later one may add keys, which are passed over here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import Factory, asdict, fields, frozen

from typed_tune_wandb.experiment._best import BestTrial
from typed_tune_wandb.payload import Redactor
from typed_tune_wandb.recording.state import RunInfo
from typed_tune_wandb.recording.sweep import SweepInfo

_T = TypeVar("_T", SweepInfo, BestTrial)
INDEX_FILE: Final = "wandb_runs.json"
SCHEMA_VERSION: Final = 1
_STORED: Final = [name.name for name in fields(RunInfo) if name.name not in ("path", "earlier_paths", "id")]
_REDACTOR: Final = Redactor()
_MAX_ENDED_RUNS: Final = 65_536  # some 50 MB of text
_SHOWN: Final = ("name", "url", "problem")  # texts of users and of servers


@frozen
class Index:
    """The content of the file.

    Attributes:
        experiment: The experiment's name.
        runs: Trial id → its run.
        hidden: The logger's own ``secret_names`` and ``excludes``: they hold for what is shown of the trials' configs.
        sweep: The experiment's sweep, if it has one or is to have one.
        best: The best trial, if there is a metric.
        overview: The experiment's overview run, if it has one.
    """

    experiment: str = ""
    runs: Mapping[str, RunInfo] = Factory(dict)
    hidden: Mapping[str, Sequence[str]] = Factory(dict)
    sweep: SweepInfo | None = None
    best: BestTrial | None = None
    overview: RunInfo | None = None


def to_json(index: Index, folder: str | os.PathLike[str] | None = None) -> str:
    """Return the text of the file.

    Args:
        index: Its content.
        folder: The experiment's folder, if it is local: files below it get relative paths.
    """
    root = None if folder is None else Path(folder)
    entries = [_text_of_ended(run, root) if not run.live else _text(run, root) for run in index.runs.values()]
    hidden = {name: [*names] for name, names in index.hidden.items()}
    optional = {"sweep": index.sweep, "best": index.best}
    head = {"version": SCHEMA_VERSION, "experiment": index.experiment, "hidden": hidden}
    more = {name: asdict(value) for name, value in optional.items() if value is not None}
    if index.overview is not None:
        more["overview"] = _entry(index.overview, root)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in {**head, **more}.items()]
    runs = ",\n ".join(entries)
    return "{" + ",\n".join([*lines, f'"runs": [\n {runs}\n]']) + "}\n"


def from_json(text: str, folder: str | os.PathLike[str] | None = None) -> Index:
    """Read the text of the file.

    Args:
        text: What :func:`to_json` gave.
        folder: The experiment's folder, if it is local: what relative paths begin at.

    Raises:
        ValueError: It is no such text, or one of a later version.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or not isinstance(content.get("version"), int):
        raise ValueError(f"this is no {INDEX_FILE}.")
    if content["version"] > SCHEMA_VERSION:
        raise ValueError(f"{INDEX_FILE} has version {content['version']}: a newer typed-tune-wandb reads it.")
    root = None if folder is None else Path(folder)
    runs = [_run(entry, root) for entry in content["runs"]]
    overview = _run(content["overview"], root) if "overview" in content else None
    by_trial = {run.trial_id: run for run in runs}
    sweep, best = _stored(SweepInfo, content.get("sweep")), _stored(BestTrial, content.get("best"))
    return Index(str(content["experiment"]), by_trial, content.get("hidden", {}), sweep, best, overview)


def _text(run: RunInfo, folder: Path | None) -> str:
    return json.dumps(_entry(run, folder))


# An experiment may have ten thousand runs that have ended, and its state is saved every few seconds.
_text_of_ended = lru_cache(maxsize=_MAX_ENDED_RUNS)(_text)


def _entry(run: RunInfo, folder: Path | None) -> dict[str, Any]:
    stored = {name: getattr(run, name) for name in _STORED}
    shown = {name: _REDACTOR.redact(name, stored[name]) for name in _SHOWN if stored[name]}
    files = [_relative(Path(path), folder) for path in run.paths]
    return {"trial_id": run.trial_id, "run_id": run.id, **stored, **shown, "exit_code": run.exit_code, "files": files}


def _stored(cls: type[_T], stored: Mapping[str, Any] | None) -> _T | None:
    known = [field.name for field in fields(cls)]
    return None if stored is None else cls(**{name: stored[name] for name in known if name in stored})


def _relative(path: Path, folder: Path | None) -> str:
    return str(path.relative_to(folder) if folder is not None and path.is_relative_to(folder) else path.absolute())


def _run(entry: Mapping[str, Any], folder: Path | None) -> RunInfo:
    files = [str(path if folder is None else folder / path) for path in entry["files"]]
    stored = {name: entry[name] for name in _STORED if name in entry}
    last = files[-1] if files else ""
    return RunInfo(**{**stored, "id": entry["run_id"], "path": last, "earlier_paths": tuple(files[:-1])})
