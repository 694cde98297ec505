"""What is configured for wandb outside of an entry: in variables, in this program, and in wandb's files.

``wandb.setup().settings`` has the same, but it starts a wandb-core, replaces ``sys.excepthook``, registers an exit
handler and changes ``os.environ``: all that is for a process that opens a run.
"""

from __future__ import annotations

import os
from configparser import ConfigParser, Error
from pathlib import Path

from typed_tune_wandb._wandb_internals import session_settings

_SECTION = "default"


def configured_setting(name: str) -> str | None:
    """Return a setting of wandb that is configured outside of an entry, or None.

    The first of these counts: its ``WANDB_...`` variable, what the program itself has set in wandb (``wandb.login()``,
    ``wandb.setup()``), the file ``wandb/settings`` of the current folder, and that of the user.

    Args:
        name: The name of a field of ``wandb.Settings``, such as ``base_url``.
    """
    found = configured_with_source(name)
    return found[0] if found else None


def configured_with_source(name: str) -> tuple[str, str] | None:
    """Return what :func:`configured_setting` returns, and where it is configured."""
    variable = f"WANDB_{name.upper()}"
    if text := os.environ.get(variable):
        return text, f"the variable {variable}"
    session = session_settings()
    if session is not None:
        value = getattr(session, name, None)
        return None if value is None else (str(value), "set by this program in wandb")
    found = ((_in_file(path, name), f"the file {path}") for path in _files())
    return next(((value, source) for value, source in found if value), None)


def configured_base_url() -> str:
    """Return the address of the server that wandb uses where an entry names none."""
    return base_url_with_source()[0]


def base_url_with_source() -> tuple[str, str]:
    """Return what :func:`configured_base_url` returns, and where it is configured."""
    found = configured_with_source("base_url")
    if found is None:
        import wandb

        found = wandb.Settings().base_url, "default"
    return found[0].rstrip("/"), found[1]


def _files() -> tuple[Path, Path]:
    folder = ".wandb" if Path(".wandb").exists() else "wandb"
    config_dir = os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb"
    return Path(folder, "settings"), Path(os.path.expanduser(config_dir), "settings")  # noqa: PTH111  # no home: as it is


def _in_file(path: Path, name: str) -> str | None:
    parser = ConfigParser()
    try:
        parser.read(path)
        return parser.get(_SECTION, name, fallback=None)
    except (OSError, UnicodeDecodeError, Error):
        return None  # as for wandb, which also says so
