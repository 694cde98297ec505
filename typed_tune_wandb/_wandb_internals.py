"""What rests on wandb's inside, where wandb has no public name for it.

Each was seen in wandb 0.19.11, 0.21, 0.22, 0.24, 0.26, 0.28, 0.30 and 0.31, unless its docstring says that they differ.
``tests/test_wandb_internals.py`` has a test of each, unless another file is named, which fails with the first wandb in
which it is different; ``docs/compatibility.md`` has how it went with which release. Each docstring says what that would
cost. Importing this module does not import wandb.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wandb import Run

FLUSH_SETTING: Final = "x_transaction_log_flush_interval"
"""The field of ``wandb.Settings`` that says how often, in seconds, rows are written to a run's file (15 if unset).

New in wandb 0.31. Without it, rows reach the file in blocks of 32 KiB and at the run's end, and are durable then.
"""

INIT_STUB: Final = "__init__.pyi"
"""The file inside wandb's package with the signature of ``wandb.init``; without it, any parameter passes."""

SETTINGS_SOURCE: Final = "sdk/wandb_settings.py"
"""The file inside wandb's package with the class ``Settings``; without it, wandb alone validates its fields."""

MEDIA_SOURCE: Final = "sdk/data_types/{}.py"
"""The file inside wandb's package with a class of media; without it, wandb alone validates its arguments."""

_SERVICE_VARIABLE: Final = "WANDB_SERVICE"
_SERVICE_PROGRAM: Final = "wandb-core"
# In a call that waits for an answer, in one that comes later, in a first one; while it starts, in 0.19, and since 0.21.
_SERVICE_ERRORS: Final = frozenset(
    {
        *("HandleAbandonedError", "MailboxClosedError", "WandbServiceConnectionError"),
        *("ServiceStartProcessError", "ServiceStartTimeoutError", "ServiceStartPortError"),
        "ServicePollForTokenError",
    }
)
_REFUSED_UPLOAD: Final = "filestream: fatal error"
# Of wandb 0.26, of 0.30 and 0.31, and of ours where wandb has none (before 0.21).
_REFUSED_KEY: Final = ("API key verification failed", "invalid credentials", "knows no user of this key")
# Of wandb where the server says nothing, and of ours.
_SILENT_SERVER: Final = ("did not respond", "Failed to execute", "timed out", "onnection", "no answer", "process ended")
_MEDIA_PATH: Final = "_path"


def constructor_checks_key() -> bool:
    """Tell whether the constructor of ``wandb.Api`` asks the server about its key, as it does since wandb 0.21."""
    return _installed() >= (0, 21)


def first_calls_race() -> bool:
    """Tell whether first calls of ``wandb.init`` at once lose runs: before wandb 0.26, each may start a wandb-core."""
    return _installed() < (0, 26)


def flushes_rows() -> bool:
    """Tell whether wandb-core can be told to write rows to a run's file at once: see :data:`FLUSH_SETTING`."""
    return _installed() >= (0, 31)


def _installed() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version("wandb"))[:2])


def without_service(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that starts a wandb-core of its own.

    wandb leaves its wandb-core's address in a variable. A process that got a stale one could open no run.
    """
    return {name: value for name, value in environment.items() if name != _SERVICE_VARIABLE}


def forget_service() -> None:
    """Let this process start a wandb-core of its own: see :func:`without_service`."""
    os.environ.pop(_SERVICE_VARIABLE, None)


def is_service_command(command: object) -> bool:
    """Tell whether a command, as ``subprocess.Popen`` takes it, starts wandb-core.

    Where it is not recognized, a wandb-core that hangs or is gone is found by errors and timeouts alone.
    """
    return isinstance(command, list) and bool(command) and _SERVICE_PROGRAM in Path(str(command[0])).name


def is_service_error(error: BaseException) -> bool:
    """Tell whether wandb raised an error because its wandb-core is gone.

    One that is not recognized costs what was being done, if the end of wandb-core is not seen otherwise.
    """
    return isinstance(error, ConnectionError) or type(error).__name__ in _SERVICE_ERRORS


def is_refused_key(problem: str) -> bool:
    """Tell from the text of an error of ``wandb.Api`` whether there is a server, and it does not take the key.

    ``tests/cli/test_doctor.py`` has the test. A text that is not recognized is shown as it is.
    """
    return any(text in problem for text in _REFUSED_KEY)


def refused_upload(log: str | Path) -> str | None:
    """Tell from wandb's internal log of a run whether the server refused its rows for good, and why.

    wandb says it nowhere else. A refusal that is not found here goes unnoticed.

    Args:
        log: ``run.settings.log_internal``, a file; one that is not there tells nothing.
    """
    with suppress(OSError), Path(log).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if _REFUSED_UPLOAD in line:
                status = re.search(r"\b(4\d\d) [A-Z][A-Za-z ]+", line)
                return f"the server refused its rows{f' ({status[0].strip()})' if status else ''}"
    return None


def is_silent_server(problem: str) -> bool:
    """Tell from the text of an error of ``wandb.Api`` whether the server has given no answer.

    ``tests/test_online.py`` has the test. Where it is not recognized, the key is reported as wrong.
    """
    return any(text in problem for text in _SILENT_SERVER)


def session_settings() -> object | None:
    """Return wandb's settings in this process if it has loaded them; ``wandb.setup()`` would load them.

    Since wandb 0.21 the property ``settings`` would load them, too; in 0.19 it has them from the beginning.
    ``tests/test_hooks.py`` has the test. Where they are not found, what the program has set in wandb does not count.
    """
    session = getattr(sys.modules.get("wandb.sdk.wandb_setup"), "_singleton", None)
    name = "settings_if_loaded" if hasattr(type(session), "settings_if_loaded") else "settings"
    return getattr(session, name, None)


def local_file(run: Run) -> str:
    """Give a run's local ``.wandb`` file, or ``""`` if it has none.

    Without one, a row counts as durable only at the run's end.
    """
    folder = Path(run.dir).parent  # run.dir is "<run folder>/files"; older releases give "/" to a disabled run
    return str(folder / f"run-{run.id}.wandb") if folder.is_dir() and not run.disabled else ""


def record_type() -> Any:
    """Give the class of a record in a ``.wandb`` file; it is generated, so that no type checker knows it.

    Without it, a worker that follows on one that died could not open its runs again.
    """
    return import_module("wandb.proto.wandb_internal_pb2").Record


def media_path(value: object) -> str | None:
    """Give the path of a media value's file; None if it has none.

    One that is not found stays where it is, and is lost if the trial's process ends first.
    """
    path = getattr(value, _MEDIA_PATH, None)
    return path if isinstance(path, str) else None


def set_media_path(value: object, path: str) -> None:
    """Set the path of a media value's file."""
    vars(value)[_MEDIA_PATH] = path
