"""What a run needs around it: a server that takes the key, and a folder with room."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import frozen

from typed_tune_wandb._wandb_internals import is_refused_key
from typed_tune_wandb.credentials import resolve_api_key
from typed_tune_wandb.settings import WandbSettings, configured_base_url, effective_mode, nested_setting

_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 20
_CLOSE_TIMEOUT_S: Final = 5.0
MIN_FREE_BYTES: Final = 100 * 2**20
"""With less free disk, the folder counts as full."""


@frozen
class Answer:
    """What a look at the surroundings found.

    Attributes:
        text: What was found, in words.
        is_right: Whether a run can be recorded with that.
    """

    text: str
    is_right: bool = True


def ask_server(settings: WandbSettings) -> Answer:
    """Ask the server of a run whether it takes the key; runs that are not uploaded need none.

    Args:
        settings: A run's settings, for which a usable key was found.
    """
    mode = effective_mode(settings)
    if mode not in ("online", "shared"):
        return Answer(f"not asked: mode {mode}")
    base_url = nested_setting(settings, "base_url")
    unreachable = _cannot_connect(base_url or configured_base_url())
    if unreachable is not None:
        return Answer(f"cannot be reached ({unreachable})", is_right=False)
    # Starts the process that records: it asks in the same way when an experiment starts.
    from typed_tune_wandb.recording.client import Recorder

    key = resolve_api_key(settings).explicit_key
    recorder = Recorder()
    try:
        problem = recorder.check_login(key.reveal() if key else None, base_url, _ANSWER_TIMEOUT_S).problem
    finally:
        recorder.close(_CLOSE_TIMEOUT_S)
    if problem is None:
        return Answer("answers, and takes the key")
    if is_refused_key(problem):
        return Answer("answers, but does not take the key", is_right=False)
    return Answer(f"gives no right answer ({problem})", is_right=False)


def look_at_folder(folder: Path) -> Answer:
    """Return how much room a folder has, or the nearest one above it that exists."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Answer("cannot be written", is_right=False)
    free = shutil.disk_usage(existing).free
    return Answer(f"{free / 2**30:.1f} GiB free", is_right=free >= MIN_FREE_BYTES)


def _cannot_connect(url: str) -> str | None:
    """Return why there is no connection to a server, within seconds; None if there is one, or a proxy is between."""
    parts = urlsplit(url)
    if not parts.hostname:
        return "the address has no host"
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return None
    try:
        port = parts.port or (80 if parts.scheme == "http" else 443)
        socket.create_connection((parts.hostname, port), _CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None
