"""All live W&B runs of an experiment: opened, recorded and ended beside Tune's loop, which never waits.

The runs live in one process of their own (``_recording``), whatever their number. Here are its driver's side: calls
that only put a command onto a queue, one thread that sends the commands in batches, and one that hears of the events.
If the process dies, another one goes on with its runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import IO, Any, Final, Literal

from attrs import evolve, frozen

from typed_tune_wandb._backlog import Backlog
from typed_tune_wandb._media import held
from typed_tune_wandb._messages import (
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
    SaveCheckpoint,
    UpdateConfig,
    Verified,
    Verify,
)
from typed_tune_wandb.payload import Payload, WarnOnce
from typed_tune_wandb.settings import WandbInitKwargs

logger = logging.getLogger(__name__)

RunState = Literal["opening", "running", "finished", "failed", "interrupted", "lost"]
# Rows are gathered this long (seconds) before they are sent: many at once cost less, here and in wandb. A run's first
# rows, and all that is no row, do not wait.
_GATHER: Final = 0.1
_TELL_EVERY: Final = 5.0  # seconds between two lines about what is waited for
_MOST_RESTARTS: Final = 5  # of the process, in one experiment: what kills it each time will go on to do so


@frozen
class RunRecord:
    """What is known of a trial's run.

    Attributes:
        trial_id: Tune's id of the trial.
        id: The run's id.
        name: Its display name.
        state: ``"opening"``, ``"running"``, ``"finished"`` (exit code 0), ``"failed"`` (1), ``"interrupted"`` (130),
            or ``"lost"``: it could not be opened, or its process died.
        rows: Rows recorded up to now.
        url: Its page, or None offline.
        path: Its local ``.wandb`` file, or ``""`` before it is open.
        earlier_paths: Local files that hold its rows up to then, where the recorder's process died over it.
        problem: Why it is lost, or why it is recorded offline though it should be online; or None.
    """

    trial_id: str
    id: str
    name: str
    state: RunState = "opening"
    rows: int = 0
    url: str | None = None
    path: str = ""
    earlier_paths: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """All its local files, in the order of their rows."""
        return (*self.earlier_paths, self.path) if self.path else self.earlier_paths

    @property
    def folder(self) -> str:
        """The folder of its local file, as ``wandb sync`` takes it."""
        return os.path.dirname(self.path)  # noqa: PTH120  # "" stays ""

    @property
    def how_to_upload(self) -> str:
        """How its local file gets to the server, in words; ``""`` where it has none."""
        if not self.path:
            return ""
        # wandb sync passes over online runs unless told otherwise, and doubles the rows that an id already has.
        online = f"--no-skip-online --id {self.id}-synced " if self.url else f"--id {self.id} " if self.problem else ""
        folders = [os.path.dirname(path) for path in self.paths]  # noqa: PTH120  # as above
        return f"Upload it by: wandb sync {online}{' '.join(folders)}"

    @property
    def where(self) -> str:
        """The run's page, or the folder of its local file."""
        return self.url or self.folder or "nowhere"

    @property
    def live(self) -> bool:
        """Whether rows may still come."""
        return self.state in ("opening", "running")


class Recorder:
    """The runs of one experiment.

    Every call returns at once. The commands of a run are carried out in their order, those of different runs
    independently of each other.

    Args:
        image_kwargs: Arguments of ``wandb.Image`` for arrays that become images.
        video_kwargs: Arguments of ``wandb.Video`` for arrays that become videos.

    Example:
        >>> from typed_tune_wandb.payload import Payload
        >>> from typed_tune_wandb.recorder import Recorder
        >>> recorder = Recorder()
        >>> recorder.open("trial_1", {"id": "trial_1", "project": "mnist", "mode": "offline"}, {})
        >>> recorder.log("trial_1", 1, Payload({"loss": 0.5}))
        >>> recorder.finish("trial_1", "finished")
        >>> recorder.close(timeout=60)
        []
    """

    def __init__(
        self, *, image_kwargs: Mapping[str, object] | None = None, video_kwargs: Mapping[str, object] | None = None
    ) -> None:
        self._media = MediaOptions(dict(image_kwargs or {}), dict(video_kwargs or {}))
        self._commands: SimpleQueue[Command | None] = SimpleQueue()
        self._runs: dict[str, RunRecord] = {}
        self._ending: dict[str, RunState] = {}
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts, self._closing = 0, False
        self._hurry = threading.Event()  # something is queued that is not to wait for more
        self._gone = ""  # why there is no process any more
        # Held where commands go out: what the dead process may have missed is told before what is new.
        self._sending = threading.Lock()
        self._backlog = Backlog()
        self._threads: list[threading.Thread] = []
        self._warn = WarnOnce()
        self._media_folder: str | None = None
        self._folder: str | None = None  # where all runs go since a disk was full
        self._verified: Verified | None = None

    @property
    def runs(self) -> Mapping[str, RunRecord]:
        """Trial id → what is known of its run. A view: it follows what happens."""
        return MappingProxyType(self._runs)

    def start(self) -> None:
        """Start the recorder's process. It takes a second or so to be ready: the earlier, the better."""
        if self._process is not None:
            return
        self._restarts, self._closing, self._gone = 0, False, ""
        self._process = _new_process()
        self._put(self._media)
        for work in (self._send, self._listen):
            thread = threading.Thread(target=work, daemon=True, name=f"wandb-recorder-{work.__name__}")
            self._threads.append(thread)
            thread.start()

    def is_open(self, trial_id: str) -> bool:
        """Whether a trial has a run that is not lost and that nobody has ended."""
        run = self._runs.get(trial_id)
        return run is not None and run.live and trial_id not in self._ending

    def verify(self, key: str | None, base_url: str | None, timeout: int = 20) -> Verified:
        """Ask the server whether it takes a key, and wait for the answer.

        Args:
            key: The key, or None for the one that wandb finds by itself.
            base_url: The server, or None for wandb's own choice.
            timeout: The longest wait for the server, in seconds.
        """
        self.start()
        with self._changed:
            self._verified = None
            self._put(Verify(key, base_url, timeout))
            # The process itself may still be starting.
            self._changed.wait_for(lambda: self._verified is not None or self._gone, timeout + 10)
            url = base_url or os.environ.get("WANDB_BASE_URL") or "the W&B server"
            return self._verified or Verified(url, self._gone or "there was no answer in time")

    def open(self, trial_id: str, init: WandbInitKwargs, settings: Mapping[str, object], next_step: int = 0) -> None:
        """Open the run of a trial.

        Args:
            trial_id: Tune's id of the trial.
            init: Arguments of ``wandb.init``, with ``id`` and ``name`` among them.
            settings: Arguments of ``wandb.Settings``.
            next_step: The first step its rows may have: where a restored experiment goes on.
        """
        self.start()
        run_id = str(init.get("id", trial_id))
        self._ending.pop(trial_id, None)
        with self._changed:
            self._runs[trial_id] = RunRecord(trial_id, run_id, str(init.get("name", run_id)))
            if self._gone:
                self._lose(trial_id, self._gone)
        if self._folder is not None:
            init = {**init, "dir": self._folder}
        self._put(Open(trial_id, init, dict(settings), next_step))

    def update_config(self, trial_id: str, config: Mapping[str, object]) -> None:
        """Change values in a run's config.

        Args:
            trial_id: Tune's id of the trial.
            config: The values that are new.
        """
        self._put(UpdateConfig(trial_id, dict(config)))

    def log(self, trial_id: str, step: int, payload: Payload) -> None:
        """Record a row.

        Args:
            trial_id: Tune's id of the trial.
            step: The row's step; one that is too low is raised, so that it never goes backwards.
            payload: What goes where.
        """
        media = payload.media
        if media:
            self._media_folder = self._media_folder or tempfile.mkdtemp(prefix="wandb-media-")
            media = {key: held(value, self._media_folder) for key, value in media.items()}
        self._commands.put(Log(trial_id, step, payload.row, media, payload.config))
        run = self._runs.get(trial_id)
        if run is not None and run.live and run.rows == 0:
            self._hurry.set()

    def flush(self) -> None:
        """Send what is queued now: do not wait for more."""
        self._hurry.set()

    def save_checkpoint(self, checkpoint: SaveCheckpoint) -> None:
        """Upload a checkpoint as an artifact of type ``model``; each one adds a version to it."""
        self._put(checkpoint)

    def finish(self, trial_id: str, state: Literal["finished", "failed", "interrupted"]) -> None:
        """End the run of a trial as its trial ended: exit code 0, 1 or 130."""
        if not self.is_open(trial_id):
            return
        self._ending[trial_id] = state
        exit_code = {"finished": 0, "failed": 1, "interrupted": INTERRUPTED}[state]
        self._put(Finish(trial_id, exit_code))

    def close(self, timeout: float, tell: Callable[[str], None] = logger.info) -> list[RunRecord]:
        """Wait until every run is up, and stop the process. A run that nobody has ended ends as interrupted.

        Args:
            timeout: The longest wait, in seconds.
            tell: Takes a line about what is waited for, every few seconds.

        Returns:
            The runs that were not up by then; their local files are named in them.
        """
        if self._process is None:
            return []
        for trial_id in self._runs:
            self.finish(trial_id, "interrupted")
        deadline = time.monotonic() + timeout
        next_line = time.monotonic() + _TELL_EVERY
        with self._changed:
            while (waiting := self._unfinished()) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.5))
                if time.monotonic() > next_line:
                    next_line += _TELL_EVERY
                    tell(f"W&B: waiting for {len(waiting)} runs to be uploaded, {left:.0f} s left.")
            self._closing = True
            for run in waiting:
                self._update(run.trial_id, state="lost", problem=f"it was not up after {timeout:.0f} s")
            waiting = [self._runs[run.trial_id] for run in waiting]
        self._put(None)
        grace = 5.0 if waiting else 30.0
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        self._process = None
        if self._media_folder is not None:
            shutil.rmtree(self._media_folder, ignore_errors=True)
            self._media_folder = None
        return waiting

    def _put(self, command: Command | None) -> None:
        """Queue what is not to wait."""
        self._commands.put(command)
        self._hurry.set()

    def _unfinished(self) -> list[RunRecord]:
        return [run for run in self._runs.values() if run.live]

    def _send(self) -> None:
        """Send what is queued, in batches, until None comes."""
        ended = False
        while not ended:
            batch = [self._commands.get()]
            self._hurry.wait(_GATHER)
            self._hurry.clear()  # before the queue is emptied: what is put from now on hurries the next batch
            with contextlib.suppress(Empty):
                while True:
                    batch.append(self._commands.get_nowait())
            ended = None in batch
            commands = [command for command in batch if command is not None]
            with self._sending:
                with self._changed:
                    self._backlog.add(commands)
                self._tell(commands)
        with contextlib.suppress(OSError):
            self._pipe().close()

    def _tell(self, commands: list[Any]) -> None:
        # Where the process is dead, the next one is told.
        with contextlib.suppress(OSError):
            pickle.dump(commands, self._pipe(), protocol=5)
            self._pipe().flush()

    def _pipe(self) -> IO[bytes]:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin

    def _listen(self) -> None:
        """Take the events in, until the process ends and needs no successor."""
        alive = True
        while alive:
            assert self._process is not None
            assert self._process.stdout is not None
            with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
                while True:
                    event: Event = pickle.load(self._process.stdout)
                    with self._changed:
                        self._take(event)
                        self._changed.notify_all()
            alive = self._restarted(self._process.wait())

    def _restarted(self, exit_code: int) -> bool:
        """After the process' end: go on with its live runs in another one; whether there is another."""
        with self._sending, self._changed:
            live = self._unfinished()
            if self._closing or self._restarts == _MOST_RESTARTS:
                self._gone = f"the recorder's process ended (exit code {exit_code})"
                for run in live:
                    self._lose(run.trial_id, self._gone)
                self._changed.notify_all()
                return False
            if exit_code != ON_PURPOSE:
                self._restarts += 1
                logger.warning(
                    "The recorder's process ended (exit code %d). Another one goes on in its place.", exit_code
                )
            self._process = _new_process()
            # In one piece: the process reads all of it before it says anything.
            again = self._backlog.again({run.trial_id: run.paths for run in live}, self._folder)
            self._tell([self._media, *again])
            return True

    def _take(self, event: Event) -> None:
        if isinstance(event, Recorded):
            for trial_id, rows in event.rows.items():
                self._update(trial_id, rows=rows)
            for trial_id, rows in event.safe.items():
                self._backlog.drop(trial_id, rows)
        elif isinstance(event, Opened):
            self._backlog.begins_at(event.trial_id, event.first_step)
            run = self._runs[event.trial_id]
            earlier = run.paths
            self._update(event.trial_id, id=event.run_id, name=event.name, url=event.url, state="running")
            self._update(event.trial_id, path=event.path, earlier_paths=earlier, problem=event.problem)
            if event.problem is not None:
                run = self._runs[event.trial_id]
                logger.error("The W&B run %s is recorded offline: %s. %s", run.id, run.problem, run.how_to_upload)
        elif isinstance(event, DiskFull):
            self._folder = tempfile.mkdtemp(prefix="wandb-")
            logger.error(
                "The disk of %s is full: from here on, W&B runs are recorded in %s.", event.folder, self._folder
            )
        elif isinstance(event, Finished):
            self._backlog.finished(event.trial_id)
            if event.problem is None:
                self._update(event.trial_id, state=self._ending.get(event.trial_id, "interrupted"))
            elif self._runs[event.trial_id].state != "lost":
                self._lose(event.trial_id, event.problem)
        elif isinstance(event, Failed):
            self._lose(event.trial_id, event.reason)
        elif isinstance(event, Verified):
            self._verified = event
        elif isinstance(event, LeftOut):
            self._warn(event.key, event.reason)

    def _lose(self, trial_id: str, reason: str) -> None:
        self._backlog.forget(trial_id)
        self._update(trial_id, state="lost", problem=reason)
        run = self._runs[trial_id]
        kept = f"What came is in {run.path}." if run.path else "Nothing of it is recorded."
        logger.error("The W&B run of trial %s is lost: %s. %s %s", trial_id, reason, kept, run.how_to_upload)

    def _update(self, trial_id: str, **changes: Any) -> None:
        self._runs[trial_id] = evolve(self._runs[trial_id], **changes)


def _new_process() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    # The driver may have a wandb service of its own: these runs live in one of theirs.
    environment.pop("WANDB_SERVICE", None)
    # wandb-core is Go: on one core, a row costs it a third less, and training has the others.
    environment.setdefault("GOMAXPROCS", "1")
    return subprocess.Popen(
        [sys.executable, "-m", "typed_tune_wandb._recording"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # a Ctrl-C at the terminal is for the driver alone
    )
