"""Uploads the runs of an experiment that are not on the server, each row once."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from attrs import evolve

from typed_tune_wandb._wandb_internals import without_service
from typed_tune_wandb.experiment._best import mark
from typed_tune_wandb.experiment.runs import ExperimentRuns
from typed_tune_wandb.recording._run_file import read_run
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.state import EXIT_CODES, OVERVIEW, EndState, RunInfo
from typed_tune_wandb.recording.sweep import SweepProcess

logger = logging.getLogger(__name__)

_POLL_S: Final = 0.2
_MAX_RUNS_AT_ONCE: Final = 50
_WRITING_S: Final = 30.0  # a file that has changed since is still being written
_PAGE: Final = re.compile(r"View run .* at (\S+/runs/(\S+))")


def sync_runs(
    runs: ExperimentRuns,
    *,
    timeout_s: float = 300.0,
    attempts: int = 3,
    progress: Callable[[str], None] = logger.info,
) -> ExperimentRuns:
    """Upload what is not on the server, and note in ``wandb_runs.json`` what is.

    A run of which the server knows nothing is uploaded by ``wandb sync``. One that is there in part, because an upload
    was interrupted, is resumed: the server gets the rows that it does not have. If the experiment was to be a sweep and
    is none yet, the sweep is created of all its runs, once they are all uploaded.

    Args:
        runs: The runs of an experiment, from :meth:`ExperimentRuns.load`.
        timeout_s: Longest wait without a further run on the server, in seconds.
        attempts: How often to try.
        progress: Called with a line about what is done.

    Returns:
        The runs as they are then; ``not_uploaded`` has those that are left, with the reason as ``problem``.
    """
    for attempt in range(attempts):
        left = {trial_id: run for trial_id, run in runs.waiting.items() if not _is_being_written(run)}
        if not left:
            break
        if attempt:
            time.sleep(min(2.0**attempt, 30.0))
        fresh = {trial_id: run for trial_id, run in left.items() if run.url is None and run.sync == "none"}
        for names in _batches([*fresh]):
            batch = {trial_id: fresh[trial_id] for trial_id in names}
            # Whoever is killed now leaves runs of which the server may know a part.
            runs = _saved(runs, {id_: evolve(run, sync="begun") for id_, run in batch.items()})
            runs = _saved(runs, _upload(batch, timeout_s, _counter(runs, progress)))
        resumed = {id_: run for id_, run in runs.waiting.items() if id_ in left and id_ not in fresh}
        if resumed:
            progress(f"W&B: resuming the upload of {len(resumed)} of {len(runs)} runs")
            runs = _saved(runs, _resume(resumed, timeout_s, progress))
    if OVERVIEW in runs.waiting:
        logger.warning("The overview run of the experiment is not uploaded. The next call tries again.")
    return _with_marks(_with_sweep(runs, progress), timeout_s)


def _with_sweep(runs: ExperimentRuns, progress: Callable[[str], None]) -> ExperimentRuns:
    """Create the sweep that an experiment was to have, once all its runs are uploaded: only then can they be added."""
    sweep = runs.sweep
    waits = runs.not_uploaded or any(run.live and not run.uploaded for run in runs.values())
    if sweep is None or sweep.id is not None or waits:
        return runs
    members = [run.id for run in runs.values() if run.uploaded and run.project == sweep.project]
    if not members:
        return runs
    progress(f"W&B: creating the sweep of {len(members)} runs")
    with SweepProcess(sweep, prior_runs=members) as process:
        sweep = process.wait()
    if sweep.problem is not None:
        logger.warning("The W&B sweep could not be created: %s. The next call tries again.", sweep.problem)
    else:
        with SweepProcess(sweep, finish=True) as process:
            sweep = evolve(sweep, finished=process.wait().finished)
    runs = runs.with_sweep(sweep)
    runs.save()
    return runs


def _with_marks(runs: ExperimentRuns, timeout_s: float) -> ExperimentRuns:
    """Mark the best trial's run once all runs are on the server, unless that was done."""
    best = runs.best_trial
    run = None if best is None else runs.get(best.trial_id)
    if best is None or run is None or runs.not_uploaded or not run.uploaded or best.is_marked(run):
        return runs
    recorder = Recorder()
    best, problem = mark(recorder, best, run)
    recorder.close(timeout_s)
    if problem is not None:
        logger.warning("The run of the best trial, %s, could not be tagged: %s", run.name, problem)
        return runs
    runs = runs.with_best_trial(best)
    runs.save()
    return runs


def _saved(runs: ExperimentRuns, changed: Mapping[str, RunInfo]) -> ExperimentRuns:
    runs = runs.with_changes(changed)
    runs.save()
    return runs


def _counter(runs: ExperimentRuns, progress: Callable[[str], None]) -> Callable[[int], None]:
    before = len(runs) - len(runs.not_uploaded)
    return lambda done: progress(f"W&B: {before + done} of {len(runs)} runs are uploaded")


def _batches(names: list[str]) -> list[list[str]]:
    return [names[first : first + _MAX_RUNS_AT_ONCE] for first in range(0, len(names), _MAX_RUNS_AT_ONCE)]


def _is_being_written(run: RunInfo) -> bool:
    if not run.live:
        return False
    with suppress(OSError):
        return time.time() - Path(run.path).stat().st_mtime < _WRITING_S
    return False


# --- wandb sync: a run that the server does not know ------------------------------------------------------------------


def _upload(runs: Mapping[str, RunInfo], timeout_s: float, report: Callable[[int], None]) -> dict[str, RunInfo]:
    """Upload runs by ``wandb sync``; give them as they are then."""
    missing = {id_: run for id_, run in runs.items() if not all(Path(path).is_file() for path in run.paths)}
    changed = {id_: evolve(run, problem=f"{run.path} is not there") for id_, run in missing.items()}
    present = {id_: run for id_, run in runs.items() if id_ not in missing}
    # wandb takes an id of its own choice for one run at a time.
    renamed = [run for run in present.values() if run.problem is not None]
    together = [run for run in present.values() if run.problem is None]
    pages: dict[str, str] = {}
    for options, chosen in ([], together), *((["--id", run.id], [run]) for run in renamed):
        if chosen:
            folders = [folder for run in chosen for folder in _folders(run)]
            pages |= _run_wandb_sync([*options, *folders], chosen, timeout_s, report)
    for trial_id, run in present.items():
        url = pages.get(run.id)
        if _has_marker(run):
            changed[trial_id] = evolve(run, sync="done", url=url, problem=None)
        else:
            # Without a page nothing of it is there: the next attempt starts from the beginning.
            reason = run.problem or "wandb sync has not uploaded it"
            changed[trial_id] = evolve(
                run, sync="begun" if url else "none", url=url, problem=reason if url else run.problem
            )
    return changed


def _folders(run: RunInfo) -> list[str]:
    return [str(Path(path).absolute().parent) for path in run.paths]


def _has_marker(run: RunInfo) -> bool:
    """Tell whether ``wandb sync`` has left its marker of success; its exit code is 0 for failures too (wandb 0.31)."""
    return all(Path(f"{path}.synced").exists() for path in run.paths)


def _run_wandb_sync(
    arguments: list[str], runs: list[RunInfo], timeout_s: float, report: Callable[[int], None]
) -> dict[str, str]:
    """Run ``wandb sync`` until it ends, or no further run is uploaded in time; give run id → page."""
    environment = without_service(os.environ)
    environment.pop("WANDB_MODE", None)
    environment["WANDB_SILENT"] = "false"  # the pages are in its output
    # It writes its own log below the current folder.
    with tempfile.TemporaryDirectory(prefix="wandb-sync-") as folder, Path(folder, "output").open("w+") as output:
        command = [sys.executable, "-m", "wandb", "sync", *arguments]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait(process, runs, timeout_s, report)
        finally:
            _end(process)
        return _pages(output)


def _wait(
    process: subprocess.Popen[bytes], runs: list[RunInfo], timeout_s: float, report: Callable[[int], None]
) -> None:
    done, changed_s = 0, time.monotonic()
    while process.poll() is None and time.monotonic() < changed_s + timeout_s:
        time.sleep(_POLL_S)
        if (now_done := sum(map(_has_marker, runs))) != done:
            done, changed_s = now_done, time.monotonic()
            report(done)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, and the wandb-core that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _pages(output: IO[str]) -> dict[str, str]:
    output.seek(0)
    lines = [*output]
    for line in lines:
        if "ERROR" in line:
            logger.warning("wandb sync: %s", line.partition("ERROR")[2].strip())
    return {found[2]: found[1] for found in map(_PAGE.search, lines) if found}


# --- the recorder: a run that the server has in part ------------------------------------------------------------------


def _resume(runs: Mapping[str, RunInfo], timeout_s: float, progress: Callable[[str], None]) -> dict[str, RunInfo]:
    """Upload the rows that the server lacks; give the runs as they are then."""
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="wandb-sync-") as folder:
        for run in runs.values():
            recorded = read_run(run.paths[0])
            init = {**recorded.init, "id": run.id, "name": run.name, "dir": folder, "mode": "online", "resume": "allow"}
            if run.project:
                init["project"] = run.project
            recorder.resume_upload(run, init, _end_of(run), recorded.step_metric)
        recorder.close(timeout_s, progress)
    changed = {}
    for trial_id, run in runs.items():
        now = recorder.runs[trial_id]
        if now.uploaded:
            changed[trial_id] = evolve(run, state=now.state, sync="done", url=now.url, problem=None)
        else:
            changed[trial_id] = evolve(run, sync="begun", problem=now.problem or "its upload was interrupted")
    return changed


def _end_of(run: RunInfo) -> EndState:
    """Return how a run ended: as its last file says, if the driver did not see its end."""
    code = run.exit_code if run.exit_code is not None else read_run(run.paths[-1]).exit_code
    for state, known in EXIT_CODES.items():
        if known == code:
            return state
    return "interrupted"
