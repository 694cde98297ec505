"""The W&B sweep of an experiment: what is known of it, and the process that creates and finishes it.

wandb's functions for sweeps change the variables of their process, log in, and print: so they run in one of their own,
which neither Tune's loop nor the recorder's worker waits for. What it finds is in a file, which the worker reads before
it opens a run, and so does a worker that takes over from one that died: there is one sweep, whoever dies.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import Factory, evolve, frozen

from typed_tune_wandb.payload import Redactor
from typed_tune_wandb.recording._child import child_environment, import_paths
from typed_tune_wandb.recording._sweep_file import RESULT_FILE, TIMEOUT_S

UPLOADING_MODES: Final = ("online", "shared")
"""Modes whose runs are on a server from the beginning: only there is a sweep for them."""
_BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from typed_tune_wandb.recording._sweep_process import main; main(sys.argv[1])"
)
_START_S: Final = 45.0  # Python and wandb have to start first, perhaps from a slow disk
_END_S: Final = 5.0
_REDACTOR: Final = Redactor()


@frozen
class SweepInfo:
    """What is known of an experiment's sweep.

    Attributes:
        config: Its configuration, as ``wandb.sweep`` takes it.
        project: Its W&B project.
        entity: The user or team of the project; None for the key's default.
        id: Its id, or None while there is none: offline, until ``typed-tune-wandb sync`` has created it.
        url: Its page, or None.
        finished: Whether it was finished, with the experiment.
        problem: Why it could not be created; or None.
    """

    config: dict[str, Any] = Factory(dict)
    project: str = ""
    entity: str | None = None
    id: str | None = None
    url: str | None = None
    finished: bool = False
    problem: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it is neither created nor refused."""
        return self.id is None and self.problem is None

    @property
    def path(self) -> str:
        """``entity/project/id``, as ``wandb.Api().sweep`` and ``wandb sweep --stop`` take it."""
        return "/".join(part for part in (self.entity, self.project, self.id) if part)


class SweepProcess:
    """A process that creates or finishes a sweep; it starts at once.

    Args:
        sweep: The sweep.
        key: The API key, or None for the one that wandb finds by itself.
        base_url: The server, or None for wandb's own choice.
        finish: Whether to finish the sweep, rather than to create it.
        prior_runs: Ids of runs that the server has already, and that become runs of the sweep.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self,
        sweep: SweepInfo,
        *,
        key: str | None = None,
        base_url: str | None = None,
        finish: bool = False,
        prior_runs: Sequence[str] = (),
    ) -> None:
        self._sweep, self._finish = sweep, finish
        self._folder = tempfile.mkdtemp(prefix="wandb-sweep-")
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        request = {
            "config": sweep.config,
            "project": sweep.project,
            "entity": sweep.entity,
            "finish": sweep.path if finish else None,
            "prior_runs": [*prior_runs],
            "base_url": base_url,
        }
        Path(self._folder, "request.json").write_text(json.dumps(request), "utf-8")
        environment = child_environment()
        environment.pop("WANDB_MODE", None)  # the runs are online, whatever it says
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _BOOT, self._folder, *import_paths()],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        if (pipe := self._popen.stdin) is not None:
            with suppress(OSError), pipe:  # the key is in no file and in no variable; a pipe has room for it
                pipe.write((key or "").encode())

    def __enter__(self) -> SweepProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def file(self) -> str:
        """The file in which the result is, once there is one."""
        return str(Path(self._folder, RESULT_FILE))

    def result(self) -> SweepInfo | None:
        """Return what has become of the sweep; None if that is not known yet."""
        ended = self._popen.poll() is not None
        text = None
        with suppress(OSError):
            text = Path(self.file).read_text("utf-8")
        if text is None and not ended:
            return None
        found = json.loads(text or '{"problem": "the process that asks the server has ended without an answer"}')
        if found.get("problem") is not None:
            return evolve(self._sweep, problem=_REDACTOR.redact_text(str(found["problem"])))
        if self._finish:
            return evolve(self._sweep, finished=True)
        url = found.get("url") and _REDACTOR.redact_text(str(found["url"]))
        return evolve(self._sweep, id=str(found["id"]), url=url, entity=found.get("entity"), problem=None)

    def wait(self, timeout_s: float = math.inf) -> SweepInfo:
        """Wait for the end of the process, at most so many seconds; give what has become of the sweep."""
        timeout_s = min(timeout_s, TIMEOUT_S + _START_S)
        deadline = time.monotonic() + timeout_s
        while (result := self.result()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return result or evolve(self._sweep, problem=f"the server gave no answer within {timeout_s:.0f} s")

    def close(self) -> None:
        """Remove its files; end it if it has not ended."""
        if self._popen.poll() is None and self.result() is None:
            self._popen.kill()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_S)
        self._remove()
