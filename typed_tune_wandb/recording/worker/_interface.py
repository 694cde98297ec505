"""What the worker's manager needs of a backend: wandb is one, the tests have another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from typed_tune_wandb.recording._protocol import (
    BestMarked,
    CheckLogin,
    LoginChecked,
    MarkBest,
    OpenRun,
    SaveCheckpoint,
    SetMediaOptions,
)


class ServiceLostError(Exception):
    """The backend's own process is gone: the worker has to be replaced."""


class FileRemovedError(Exception):
    """A run's local file is gone: the worker has to be replaced, and what is not durable is recorded once more."""


class BackendRun(Protocol):
    """An open run."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    @property
    def name(self) -> str:
        """Its display name."""
        ...

    @property
    def url(self) -> str | None:
        """Its page, or None offline."""
        ...

    @property
    def path(self) -> str:
        """Its local file, or ``""``."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it is recorded offline although it should be online; or None."""
        ...

    @property
    def next_step(self) -> int:
        """Lowest step that its next row may have."""
        ...

    @property
    def recorded_iteration(self) -> int:
        """Rows up to this ``training_iteration`` are recorded already; 0 if it is not known to have any."""
        ...

    @property
    def persisted_below(self) -> int:
        """Rows of lower steps are recorded already, by a worker before this one."""
        ...

    def log(self, values: Mapping[str, object], step: int, *, commit: bool = True) -> None:
        """Record values of a row; the row is complete with ``commit``."""
        ...

    def update_config(self, values: Mapping[str, object]) -> None:
        """Change values of the run's config."""
        ...

    def update_summary(self, values: Mapping[str, object]) -> None:
        """Set values of the run's summary."""
        ...

    def save_checkpoint(self, command: SaveCheckpoint, saved: Callable[[], None]) -> None:
        """Upload a checkpoint, and call ``saved`` once that is done."""
        ...

    def durable_below(self) -> int | None:
        """Rows of lower steps are in the run's file; None if it has none by design.

        Raises:
            FileNotFoundError: The file is gone.
            ServiceLostError: The backend's process is gone.
        """
        ...

    def check_service(self) -> None:
        """Make sure that the backend's process is still there.

        Raises:
            ServiceLostError: It is gone.
        """
        ...

    def finish(self, exit_code: int) -> str | None:
        """End the run, with its uploads; give what went wrong, or None."""
        ...


class Backend(Protocol):
    """Opens runs. Its methods are called by several threads.

    All of them, and those of its runs, raise :class:`ServiceLostError` where the backend's process is gone, and any
    other exception where a call fails.
    """

    def start(self) -> None:
        """Do what needs no run yet; called once, before everything else."""
        ...

    def open_run(self, command: OpenRun, skip: Callable[[str, str], None]) -> BackendRun:
        """Open a run; ``skip`` is called with a key and a reason for what could not be recorded."""
        ...

    def needs_restart(self, command: OpenRun) -> bool:
        """Tell whether this process can't open the run, but a new one could."""
        ...

    def set_media_options(self, command: SetMediaOptions) -> None:
        """Set how arrays become media."""
        ...

    def to_media(self, data: bytes) -> object:
        """Make a value that W&B stores from a pickle."""
        ...

    def check_login(self, command: CheckLogin) -> LoginChecked:
        """Ask the server whether it accepts the key."""
        ...

    def mark_best(self, command: MarkBest) -> BestMarked:
        """Mark the best run and checkpoint of an experiment on the server."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """End the backend's process, at most within ``timeout_s`` seconds; tell whether it has ended."""
        ...


def describe_error(error: BaseException) -> str:
    """Describe an error in one line; pydantic's by what it is about, since its text shows the values."""
    text = str(error)
    errors: Any = getattr(error, "errors", None)
    if type(error).__name__ == "ValidationError" and errors is not None:
        found = errors(include_url=False, include_context=False, include_input=False)
        # What is about no single field says which ones exclude each other.
        text = ", ".join(f"{item['loc'][0]} ({item['type']})" if item["loc"] else str(item["msg"]) for item in found)
    return f"{type(error).__name__}: {' '.join(text.split())}"
