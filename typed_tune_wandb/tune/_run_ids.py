"""The ids of runs: the trial's id, and a suffix that tells experiments apart.

Tune's ids of trials begin with five hexadecimal digits for the experiment: those of a thousand experiments are hardly
all different, and with ``resume="allow"`` two trials of one id would share a run.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ray.train._internal.storage import StorageContext

SUFFIX_FILE: Final = ".wandb-run"
"""In a trial's folder: the suffix of its run's id, for a retry or a restored experiment."""
_SUFFIX_DIGITS: Final = 8


def new_suffix() -> str:
    """Return a random suffix, for the trials of one experiment."""
    return secrets.token_hex(_SUFFIX_DIGITS // 2)


def default_run_id(trial_id: str, suffix: str | None) -> str:
    """Return the id of a trial's run where the settings have none.

    Args:
        trial_id: Tune's id of the trial.
        suffix: The experiment's suffix; None in an experiment of release 0.1.0.
    """
    return f"{trial_id}-{suffix}" if suffix else trial_id


def suffix_of_trial(storage: StorageContext) -> str:
    """Return the suffix for a run that a trial opens itself, and keep it in the trial's folder.

    Every worker of the trial comes to the same suffix, without waiting for another: it is made of the path of the
    trial's folder on the driver, which holds the time at which this Ray was started and the process that did so. A
    later session has another path, and finds the suffix in the folder that Tune keeps the trial's results in.

    Args:
        storage: Where Tune keeps the trial's files.
    """
    if known := (read_trial_file(storage, SUFFIX_FILE) or "").strip():
        return known
    folder = storage.trial_driver_staging_path
    suffix = hashlib.sha256(f"{folder} {storage.trial_fs_path}".encode()).hexdigest()[:_SUFFIX_DIGITS]
    write_trial_file(storage, SUFFIX_FILE, suffix)
    return suffix


def read_trial_file(storage: StorageContext, name: str) -> str | None:
    """Return the text of a file in a trial's folder; None if it cannot be read, or is not there."""
    path = str(PurePosixPath(storage.trial_fs_path, name))
    # Of whatever file system: there is no such file yet.
    with suppress(Exception), storage.storage_filesystem.open_input_stream(path) as file:
        return str(file.read(), "utf-8")
    return None


def write_trial_file(storage: StorageContext, name: str, text: str) -> None:
    """Write a file in a trial's folder; where that fails, what is in it holds for this session."""
    filesystem = storage.storage_filesystem
    with suppress(Exception):  # of whatever file system
        filesystem.create_dir(storage.trial_fs_path, recursive=True)
        with filesystem.open_output_stream(str(PurePosixPath(storage.trial_fs_path, name))) as file:
            file.write(text.encode())
