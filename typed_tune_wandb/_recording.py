"""The recorder's own process: it holds every live W&B run of an experiment.

It reads commands (pickled, in batches) from its standard input and writes events to what was its standard output.
Rows of an open run are logged at once, one after the other; what blocks (init, artifacts, finish) runs in a thread of
its own, and the run's later commands wait for it in order. So no run ever waits for another. When the driver is gone,
the input ends: what came is recorded, and the runs end as interrupted. When wandb-core is gone, this process ends too:
the driver starts another, and tells it again what was not safe yet.

This module imports neither ray nor the rest of the package's Tune side.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from attrs import Factory, define

from typed_tune_wandb._hooks import process_run
from typed_tune_wandb._media import as_media
from typed_tune_wandb._messages import (
    CORE_LOST,
    INTERRUPTED,
    ON_PURPOSE,
    Command,
    DiskFull,
    Event,
    Failed,
    Finish,
    Finished,
    LeftOut,
    Log,
    MediaOptions,
    Open,
    Opened,
    Recorded,
    RunCommand,
    SaveCheckpoint,
    UpdateConfig,
    Verified,
    Verify,
)
from typed_tune_wandb._service import LONGEST_TEARDOWN, end_service

if TYPE_CHECKING:
    from wandb import Run

    from typed_tune_wandb.settings import WandbInitKwargs

# How a run is recorded from the driver's node: what describes a process or a node would describe the wrong ones.
RECORDER_SETTINGS: Final[Mapping[str, Any]] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 1.0,
}
# Seconds after which a row is taken to be in the run's file, or on the server: some of wandb's flushes and uploads.
_SAFE_OFFLINE: Final = 4.0
_SAFE_ONLINE: Final = 60.0
# Bytes that a disk must have left: the rows that are on their way still have room.
_LEAST_FREE: Final = 8_000_000
_SHORT_TEARDOWN: Final = 1.0  # seconds: where there was no run


Emit: TypeAlias = Callable[[Event], None]


@define
class _LiveRun:
    """A run in this process, and the commands that wait for what blocks it."""

    run: Run | None = None
    next_step: int = 0
    kept_below: int = 0
    """Rows of lower steps were kept by the process before this one."""
    rows: int = 0
    told_rows: int = 0
    marks: deque[tuple[float, int]] = Factory(deque)
    """When there were how many rows, from the last safe one on."""
    blocked: bool = False
    waiting: deque[RunCommand] = Factory(deque)
    lock: threading.Lock = Factory(threading.Lock)


class RunKeeper:
    """Carries out commands on the live runs of this process.

    Args:
        emit: Takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._runs: dict[str, _LiveRun] = {}
        self._threads: set[threading.Thread] = set()
        self._media = MediaOptions({}, {})
        self._opened_at: dict[str, int] = {}
        self._taken: set[str] = set()

    def carry_out(self, command: Command) -> None:
        """Do what a command says, now or as soon as its run is free."""
        if isinstance(command, MediaOptions):
            self._media = command
            return
        if isinstance(command, Verify):
            threading.Thread(target=self._verify, args=(command,), daemon=True).start()
            return
        if isinstance(command, Open) and command.init.get("id") in self._taken:
            self._begin_anew()
        live = self._runs.setdefault(command.trial_id, _LiveRun())
        with live.lock:
            if live.blocked:
                live.waiting.append(command)
                return
            if not isinstance(command, (Log, UpdateConfig)):
                live.blocked = True
                thread = threading.Thread(target=self._work, args=(live, command), daemon=True)
                self._threads.add(thread)
                thread.start()
                return
        self._record(live, command)

    def tell_rows(self) -> None:
        """Emit how many rows were recorded, where that has changed, and how many of them are safe."""
        now, rows, safe = time.monotonic(), dict[str, int](), dict[str, int]()
        for trial_id, live in list(self._runs.items()):
            if live.told_rows != live.rows:
                rows[trial_id] = live.told_rows = live.rows
                live.marks.append((now, live.told_rows))
            wait = _SAFE_ONLINE if live.run is not None and run_url(live.run) else _SAFE_OFFLINE
            while live.marks and live.marks[0][0] < now - wait:
                safe[trial_id] = live.marks.popleft()[1]
        if rows or safe:
            self._emit(Recorded(rows, safe))

    def leave_full_disk(self) -> None:
        """Begin anew where a disk that runs are recorded on is full and the temporary folder's is not."""
        folders = {os.path.dirname(live.run.dir) for live in list(self._runs.values()) if live.run}  # noqa: PTH120
        for folder in filter(_is_full, folders):
            if not _is_full(tempfile.gettempdir()):
                self._emit(DiskFull(folder))
                self._begin_anew()
            self._emit(LeftOut("", f"what comes after {time.ctime()}", f"the disk of {folder} is full"))

    def _begin_anew(self) -> None:
        """End this process in order: its successor goes on with the runs."""
        self._emit = lambda event: None  # the runs end here, for the driver they do not
        end_service()
        os._exit(ON_PURPOSE)

    def end_all(self, exit_code: int) -> None:
        """End every live run, and wait until all have ended."""
        for trial_id, live in list(self._runs.items()):
            if live.run is not None or live.blocked:
                self.carry_out(Finish(trial_id, exit_code))
        while self._threads:
            for thread in list(self._threads):
                thread.join(timeout=1)
                if not thread.is_alive():
                    self._threads.discard(thread)

    def leave(self) -> None:
        """End wandb-core, and this process where wandb would wait for it forever."""
        if not end_service(LONGEST_TEARDOWN if self._runs else _SHORT_TEARDOWN):
            os._exit(0)

    def _work(self, live: _LiveRun, first: RunCommand) -> None:
        """Carry out what blocks, then all that has come meanwhile."""
        command: RunCommand | None = first
        while command is not None:
            try:
                if isinstance(command, Open):
                    self._open(live, command)
                elif isinstance(command, (Log, UpdateConfig)):
                    self._record(live, command)
                elif isinstance(command, SaveCheckpoint):
                    self._save_checkpoint(live, command)
                elif isinstance(command, Finish):
                    self._finish(live, command)
            except Exception as error:
                # One run's misfortune, whatever it is, must not become the others'.
                self._emit(Failed(first.trial_id, describe(error)))
            with live.lock:
                command = live.waiting.popleft() if live.waiting else None
                live.blocked = command is not None
        self._threads.discard(threading.current_thread())

    def _verify(self, command: Verify) -> None:
        import wandb

        url = command.base_url or wandb.setup().settings.base_url
        try:
            # The constructor asks the server; unlike wandb.login(key=...), it writes no .netrc.
            wandb.Api(api_key=command.key, overrides={"base_url": url}, timeout=command.timeout)
        except Exception as error:
            self._emit(Verified(url, describe(error)))
        else:
            self._emit(Verified(url, None))

    def _open(self, live: _LiveRun, command: Open) -> None:
        import wandb

        try:
            if folder := command.init.get("dir"):
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103  # wandb would quietly record elsewhere
            if command.earlier_files:
                time.sleep(1)  # for what the wandb-core of the process before still writes into it
            self._wait_for_new_folder(command.init.get("id"))
            known = {name: value for name, value in RECORDER_SETTINGS.items() if name in wandb.Settings.model_fields}
            given = {**known, **command.settings}
            # Not as an argument: what pydantic refuses it shows, with the dict around it.
            key = given.pop("api_key", None)
            settings = wandb.Settings(**given).model_copy(update={"api_key": key} if key else None)
            init: WandbInitKwargs = {**command.init, "reinit": "create_new", "settings": settings}
            run, problem = self._online_or_offline(init)
        except BaseException as error:
            _end_if_core_is_lost(error)
            self._emit(Failed(command.trial_id, describe(error)))
            return
        run.define_metric("training_iteration")
        run.define_metric("*", step_metric="training_iteration")
        live.run = run
        live.rows = max(live.rows, command.rows)
        if command.earlier_files:
            self._go_on_after(live, run, command)
        else:
            live.next_step = max(live.next_step, command.next_step, run.starting_step)
        run_id = str(command.init.get("id", run.id))
        url, file = run_url(run), local_file(run)
        self._emit(Opened(command.trial_id, run_id, run.name or run_id, url, file, live.next_step, problem))
        process_run(run)

    def _online_or_offline(self, init: WandbInitKwargs) -> tuple[Run, str | None]:
        """Open a run; where the server does not let it be opened, offline, and why."""
        import wandb
        from wandb.errors import AuthenticationError, CommError

        try:
            return wandb.init(**init), None
        except (AuthenticationError, CommError) as error:
            # wandb holds the id for taken from now on, in this process.
            run_id = str(init.get("id"))
            self._taken.add(run_id)
            kept: WandbInitKwargs = {**init, "mode": "offline", "id": f"{run_id}-offline"}
            return wandb.init(**kept), describe(error)

    def _go_on_after(self, live: _LiveRun, run: Run, command: Open) -> None:
        """Find out which of the rows that are told again were kept."""
        live.next_step = max(live.next_step, command.next_step)
        live.kept_below = run.starting_step if run_url(run) else max(map(step_after, command.earlier_files))
        if run_url(run) and live.kept_below < command.next_step:
            self._emit(
                LeftOut(
                    command.trial_id,
                    f"the rows of run {run.id} from step {live.kept_below} to {command.next_step - 1}",
                    "wandb-core died before it could upload them. They are in its file: wandb sync --no-skip-online "
                    f"--id {run.id}-synced {' '.join(map(os.path.dirname, command.earlier_files))}",
                )
            )

    def _wait_for_new_folder(self, run_id: str | None) -> None:
        """A run's folder is named by its id and the second: a second run of an id must not write into the first's."""
        now = int(time.time())
        if run_id and self._opened_at.get(run_id) == now:
            time.sleep(now + 1 - time.time())
        self._opened_at[run_id or ""] = int(time.time())

    def _record(self, live: _LiveRun, command: Log | UpdateConfig) -> None:
        if live.run is None:
            return
        if isinstance(command, UpdateConfig):
            self._update_config(live.run, command.trial_id, command.config)
        else:
            self._log(live, live.run, command)

    def _log(self, live: _LiveRun, run: Run, command: Log) -> None:
        # Steps never go backwards, also where PBT or a restore turns the iteration back: the x-axis is
        # training_iteration by definition (define_metric), the step only orders the rows.
        step = max(command.step, live.next_step)
        if step < live.kept_below:
            live.next_step = step + 1
            live.rows += 1
            return
        trial_id = command.trial_id
        if command.config:
            self._update_config(run, trial_id, command.config)
        for key, value in command.media.items():
            with self._guarded(trial_id, key):
                run.log({key: as_media(value, self._media)}, step=step, commit=False)
        try:
            run.log(command.row, step=step, commit=True)
        except Exception as error:
            _end_if_core_is_lost(error)
            # Find the value that cannot be stored: it alone is left out.
            for key, value in command.row.items():
                with self._guarded(trial_id, key):
                    run.log({key: value}, step=step, commit=False)
            run.log({}, step=step, commit=True)
        live.next_step = step + 1
        live.rows += 1

    def _update_config(self, run: Run, trial_id: str, config: dict[str, object]) -> None:
        with self._guarded(trial_id, "config"):
            run.config.update(config, allow_val_change=True)

    @contextmanager
    def _guarded(self, trial_id: str, key: str) -> Iterator[None]:
        """Lets a failure cost one value and one warning."""
        try:
            yield
        except Exception as error:
            _end_if_core_is_lost(error)
            self._emit(LeftOut(trial_id, key, describe(error)))

    def _save_checkpoint(self, live: _LiveRun, command: SaveCheckpoint) -> None:
        import wandb

        try:
            if live.run is None:
                return
            artifact = wandb.Artifact(command.artifact_name, type="model", metadata=command.metadata)
            if "://" in command.location:
                # The entry's name: wandb wants one for every scheme that it does not know itself.
                name = command.location.rstrip("/").rpartition("/")[2]
                artifact.add_reference(command.location, name=name, checksum=False)
            else:
                artifact.add_dir(command.location)
            live.run.log_artifact(artifact, aliases=list(command.aliases))
        except Exception as error:
            _end_if_core_is_lost(error)
            self._emit(LeftOut(command.trial_id, f"checkpoint {command.location}", describe(error)))
        finally:
            if command.remove_after:
                shutil.rmtree(command.location, ignore_errors=True)

    def _finish(self, live: _LiveRun, command: Finish) -> None:
        run, live.run = live.run, None
        if run is None:
            return  # it has ended, or could not be opened: that is told
        problem, log = None, Path(run.settings.log_internal)
        try:
            run.finish(exit_code=command.exit_code)
        except Exception as error:
            _end_if_core_is_lost(error)
            problem = describe(error)
        self.tell_rows()
        self._emit(Finished(command.trial_id, problem or refused_upload(log)))


def describe(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _end_if_core_is_lost(error: BaseException) -> None:
    """End this process where wandb-core is gone: wandb cannot start another in the same process."""
    # The latter has no public name; seen in wandb 0.31, where an init finds the service gone.
    if isinstance(error, ConnectionError) or type(error).__name__ == "MailboxClosedError":
        os._exit(CORE_LOST)


def _is_full(folder: str) -> bool:
    return shutil.disk_usage(folder).free < _LEAST_FREE


def step_after(file: str) -> int:
    """The step after the last row in a ``.wandb`` file; 0 where wandb is too old to read it."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", file]
    step = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as records:
        assert records.stdout is not None
        for line in records.stdout:
            if b'"type":"history"' in line:
                step = int(json.loads(line)["history"]["item"]["_step"]) + 1
    return step


def refused_upload(log: Path) -> str | None:
    """Whether the server refused a run's rows for good: wandb says so in its own log alone (seen in wandb 0.31)."""
    with suppress(OSError), log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if "filestream: fatal error" in line:
                status = re.search(r"\b(4\d\d) [A-Z][A-Za-z ]+", line)
                return f"the server refused its rows{f' ({status[0].strip()})' if status else ''}"
    return None


def run_url(run: Run) -> str | None:
    """The run's page, or None offline."""
    return None if run.offline or run.disabled else run.url


def local_file(run: Run) -> str:
    """The run's local ``.wandb`` file, or ``""`` where it has none."""
    folder = os.path.dirname(run.dir)  # noqa: PTH120  # run.dir is "<run folder>/files"
    return os.path.join(folder, f"run-{run.id}.wandb") if os.path.isdir(folder) else ""  # noqa: PTH112, PTH118


def serve(commands: BinaryIO, events: BinaryIO) -> None:
    """Carry out pickled batches of commands until the input ends."""
    lock = threading.Lock()

    def emit(event: Event) -> None:
        # Where the driver is gone, nobody listens: its runs are ended all the same.
        with lock, suppress(OSError):
            pickle.dump(event, events)
            events.flush()

    keeper = RunKeeper(emit)
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(0.5):
            keeper.leave_full_disk()
            keeper.tell_rows()

    threading.Thread(target=report, daemon=True).start()
    import wandb  # noqa: F401  # now, while the trials are still starting

    with suppress(EOFError):
        while True:
            for command in pickle.load(commands):
                keeper.carry_out(command)
    keeper.end_all(INTERRUPTED)
    ended.set()
    keeper.tell_rows()
    keeper.leave()


def main() -> None:
    """Run the recorder's process."""
    # Ctrl-C is for the driver: it tells which runs were interrupted, and waits for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed here must not mix with the events
    serve(sys.stdin.buffer, events)


if __name__ == "__main__":
    main()
