"""Everything in the worker that touches wandb."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import define

from typed_tune_wandb._hooks import run_info_hook
from typed_tune_wandb._service import stop_service
from typed_tune_wandb._wandb_internals import (
    FLUSH_SETTING,
    constructor_checks_key,
    first_calls_race,
    is_service_error,
    local_file,
    refused_upload,
)
from typed_tune_wandb.recording._media import to_wandb_media
from typed_tune_wandb.recording._protocol import (
    BestMarked,
    CheckLogin,
    LoginChecked,
    MarkBest,
    OpenRun,
    SaveCheckpoint,
    SetMediaOptions,
)
from typed_tune_wandb.recording._run_file import last_step, project_of, read_rows
from typed_tune_wandb.recording._sweep_file import wait_for_sweep
from typed_tune_wandb.recording.worker._interface import ServiceLostError, describe_error
from typed_tune_wandb.recording.worker._marks import mark_best
from typed_tune_wandb.recording.worker._services import has_service_ended

if TYPE_CHECKING:
    from wandb import Run

# How a run is recorded from the driver's node: what describes a process or a node would describe the wrong ones.
RECORDER_SETTINGS: Final[Mapping[str, Any]] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "sagemaker_disable": True,  # it gives each run an id of its own making
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    FLUSH_SETTING: 1.0,
}
_RUN_LOCK_TIMEOUT_S: Final = 60.0
_ITERATION: Final = "training_iteration"


@contextmanager
def _service_errors() -> Iterator[None]:
    """Turn what wandb raises where wandb-core is gone into :class:`ServiceLostError`."""
    try:
        yield
    except BaseException as error:
        if is_service_error(error) or has_service_ended():
            raise ServiceLostError(describe_error(error)) from error
        raise


@define(eq=False)
class WandbRun:
    """A run of wandb; see :class:`BackendRun`."""

    run: Run
    run_id: str
    problem: str | None = None
    next_step: int = 0
    recorded_iteration: int = 0
    persisted_below: int = 0
    path: str = ""
    _file_size: int = 0
    _durable_below: int = 0

    @property
    def name(self) -> str:
        """Its display name."""
        return self.run.name or self.run_id

    @property
    def url(self) -> str | None:
        """Its page, or None offline."""
        return None if self.run.offline or self.run.disabled else self.run.url

    def log(self, values: Mapping[str, object], step: int, *, commit: bool = True) -> None:
        """Record values of a row."""
        with _service_errors():
            self.run.log(dict(values), step=step, commit=commit)

    def update_config(self, values: Mapping[str, object]) -> None:
        """Change values of the run's config."""
        with _service_errors():
            self.run.config.update(dict(values), allow_val_change=True)

    def update_summary(self, values: Mapping[str, object]) -> None:
        """Set values of the run's summary."""
        with _service_errors():
            self.run.summary.update(dict(values))

    def save_checkpoint(self, command: SaveCheckpoint, saved: Callable[[], None]) -> None:
        """Upload a checkpoint."""
        import wandb

        with _service_errors():
            artifact = wandb.Artifact(command.artifact_name, type="model", metadata=command.metadata)
            if "://" in command.location:
                # The entry's name: wandb wants one for every scheme that it does not know itself.
                name = command.location.rstrip("/").rpartition("/")[2]
                artifact.add_reference(command.location, name=name, checksum=False)
            else:
                artifact.add_dir(command.location)
            logged = self.run.log_artifact(artifact, aliases=list(command.aliases))
        if self.url is None:
            saved()
            return

        def wait() -> None:
            with suppress(Exception):  # it goes on with the run: finish() waits for it, and says what failed
                logged.wait()
            saved()

        threading.Thread(target=wait, daemon=True).start()

    def durable_below(self) -> int | None:
        """Rows of lower steps are in the run's file; None if it has none."""
        if has_service_ended():
            raise ServiceLostError("wandb-core has ended")  # with wandb 0.21, logging a row does not tell
        if not self.path:
            return None
        size = Path(self.path).stat().st_size
        if size != self._file_size:
            step = last_step(self.path, searched_bytes=self._file_size)
            self._file_size = size
            self._durable_below = max(self._durable_below, step + 1)
        return max(self._durable_below, self.persisted_below)

    def check_service(self) -> None:
        """Make sure that wandb-core is still there."""
        with _service_errors():
            self.run.status()

    def finish(self, exit_code: int) -> str | None:
        """End the run, with its uploads."""
        log = self.run.settings.log_internal
        with _service_errors():
            self.run.finish(exit_code=exit_code)
        return refused_upload(log)


class WandbBackend:
    """Opens runs of wandb; see :class:`Backend`."""

    def __init__(self) -> None:
        self._image_kwargs: dict[str, Any] = {}
        self._video_kwargs: dict[str, Any] = {}
        self._opened_s: dict[str, int] = {}
        self._failed_ids: set[str] = set()
        self._locks = _RunLocks()

    def start(self) -> None:
        """Import wandb, and start wandb-core where opening several runs at once would start several."""
        import wandb

        if first_calls_race():
            with _service_errors():
                wandb.setup()

    def needs_restart(self, command: OpenRun) -> bool:
        """Tell whether wandb holds the run's id for taken, since opening it has failed in this process."""
        return command.init.get("id") in self._failed_ids

    def set_media_options(self, command: SetMediaOptions) -> None:
        """Set how arrays become media."""
        for target, values in (
            (self._image_kwargs, command.image_kwargs),
            (self._video_kwargs, command.video_kwargs),
        ):
            target.update({key: pickle.loads(data) for key, data in values.items()})

    def to_media(self, data: bytes) -> object:
        """Make a value that W&B stores from a pickle."""
        return to_wandb_media(pickle.loads(data), self._image_kwargs, self._video_kwargs)

    def check_login(self, command: CheckLogin) -> LoginChecked:
        """Ask the server whether it accepts the key."""
        import wandb

        url = command.base_url or wandb.setup().settings.base_url
        try:
            # The constructor asks the server; unlike wandb.login(key=...), it writes no .netrc.
            api = wandb.Api(api_key=command.key, overrides={"base_url": url}, timeout=command.timeout_s)
            if not constructor_checks_key() and api.default_entity is None:
                return LoginChecked(url, "the server knows no user of this key")
        except Exception as error:
            return LoginChecked(url, describe_error(error))
        return LoginChecked(url, None)

    def mark_best(self, command: MarkBest) -> BestMarked:
        """Mark the best run and checkpoint of an experiment on the server."""
        return mark_best(command)

    def stop(self, timeout_s: float) -> bool:
        """End wandb-core."""
        return stop_service(timeout_s)

    def open_run(self, command: OpenRun, skip: Callable[[str, str], None]) -> WandbRun:
        """Open a run; offline where the server does not let it be opened."""
        if folder := command.init.get("dir"):
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # wandb would quietly record elsewhere
        run_id = command.init.get("id")
        if run_id:
            folder = os.path.abspath(command.init.get("dir") or os.environ.get("WANDB_DIR") or ".")  # noqa: PTH100
            self._locks.take(f"{folder}/{command.init.get('project')}/{run_id}", wait=command.restored)
            self._wait_for_new_folder(run_id)
        with _service_errors():
            run, problem = self._online_or_offline({**command.init, **_settings(command), "reinit": "create_new"})
            _define_metrics(run, command)
            opened = WandbRun(run, str(run_id or run.id), problem, path=local_file(run))
            opened.next_step = max(command.next_step, run.starting_step)
            if command.earlier_files:
                _take_over(opened, command, skip)
            elif command.restored:
                _continue_earlier_session(opened)
            run_info_hook(run)
        return opened

    def _online_or_offline(self, init: dict[str, Any]) -> tuple[Run, str | None]:
        """Open a run; if the server does not let it be opened, offline, and give the reason."""
        import wandb
        from wandb.errors import AuthenticationError, CommError

        try:
            return wandb.init(**init), None
        except (AuthenticationError, CommError) as error:
            # wandb holds the id for taken from now on, in this process.
            run_id = str(init.get("id"))
            self._failed_ids.add(run_id)
            return wandb.init(**{**init, "mode": "offline", "id": f"{run_id}-offline"}), describe_error(error)

    def _wait_for_new_folder(self, run_id: str) -> None:
        """Wait for the next second if a run of this id was opened in this one: wandb names folders by both."""
        if self._opened_s.get(run_id) == int(time.time()):
            time.sleep(1.0)
        self._opened_s[run_id] = int(time.time())


def _define_metrics(run: Run, command: OpenRun) -> None:
    step_metric = command.step_metric or _ITERATION
    run.define_metric(step_metric)
    run.define_metric("*", step_metric=step_metric)
    for name, aggregate in command.aggregates.items():
        if name not in (_ITERATION, step_metric):  # the last iteration tells a restored experiment where to go on
            # An unescaped dot is a level of nesting for wandb.
            run.define_metric(name.replace(".", "\\."), step_metric=step_metric, summary=aggregate)


def _settings(command: OpenRun) -> dict[str, Any]:
    """Give the run's ``wandb.Settings`` as an argument of ``wandb.init``."""
    import wandb

    known = {name: value for name, value in RECORDER_SETTINGS.items() if name in wandb.Settings.model_fields}
    given = {name: pickle.loads(data) for name, data in command.settings.items()}
    # Not as an argument: what pydantic refuses it shows, with the dict around it.
    key = given.pop("api_key", None)
    if command.sweep_file and (sweep_id := wait_for_sweep(command.sweep_file)) is not None:
        given["sweep_id"] = sweep_id
    settings = wandb.Settings(**{**known, **given})
    return {"settings": settings.model_copy(update={"api_key": key} if key else None)}


def _take_over(opened: WandbRun, command: OpenRun, skip: Callable[[str, str], None]) -> None:
    """Go on after a worker that died: find out which rows it has persisted, and upload what it could not."""
    opened.next_step = command.next_step
    in_files = max(map(last_step, command.earlier_files)) + 1
    on_server = opened.run.starting_step if opened.url is not None else 0
    opened.persisted_below = max(in_files, on_server)
    removed = [path for path in command.earlier_files if not Path(path).exists()]
    if removed and on_server < command.next_step and command.handled:
        rows = f"rows of trial {command.trial_id} up to number {command.handled}"
        skip(rows, f"they were in {', '.join(removed)}, which was removed.")
    if opened.url is None:
        return
    media = False
    for path in command.earlier_files:
        for step, values in read_rows(path, on_server):
            if step >= on_server:
                on_server = step + 1
                media = media or any(
                    isinstance(v, dict) and str(v.get("_type", "")).endswith("-file") for v in values.values()
                )
                opened.log(values, step)
    if media:
        folders = " ".join(os.path.dirname(path) for path in command.earlier_files)  # noqa: PTH120
        skip(
            f"media files of run {opened.run_id} before step {in_files}",
            f"wandb-core died before it could upload all of them. They are in {folders}.",
        )


def _continue_earlier_session(opened: WandbRun) -> None:
    """Go on after a driver that died: its last rows may be in a local file or on the server, and in no saved state."""
    own = Path(opened.path) if opened.path else None
    step, iteration = opened.next_step - 1, _number(opened.run.summary.get(_ITERATION))
    if own is not None:
        for path in own.parent.parent.glob(f"*/run-{opened.run.id}.wandb"):
            if path != own and project_of(path) == opened.run.project:
                for row_step, values in read_rows(path):
                    step, iteration = max(step, row_step), max(iteration, _number(values.get(_ITERATION)))
    opened.next_step = opened.persisted_below = step + 1
    opened.recorded_iteration = iteration


def _number(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and value == value else 0


class _RunLocks:
    """Keeps two workers of this machine from recording one run at the same time.

    A driver that was killed leaves a worker behind, which still records and uploads its last rows; the worker of a
    restored experiment has to wait for its end. The locks are byte ranges of one file, which go with the process.
    """

    def __init__(self) -> None:
        self._fd: int | None = None

    def take(self, run: str, *, wait: bool) -> None:
        """Lock a run.

        Args:
            run: Its name: one that two workers which record the same run agree on.
            wait: Whether to wait for a worker that has it, at most a minute.
        """
        deadline = time.monotonic() + (_RUN_LOCK_TIMEOUT_S if wait else 0.0)
        offset = int.from_bytes(hashlib.sha256(run.encode(errors="replace")).digest()[:7], "big")
        with suppress(OSError):
            if self._fd is None:
                path = Path(tempfile.gettempdir(), f"typed-tune-wandb-{os.getuid()}.lock")
                self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while True:
                try:
                    fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        return
                    time.sleep(0.2)
                else:
                    return
