"""Each example of runs inside the trial runs as a user runs it; its runs hold what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.offline import OfflineRun, read_runs

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(folder: Path, name: str) -> list[OfflineRun]:
    """Run an example offline, in a folder of its own, which is its home too; its runs."""
    environment = {**os.environ, "HOME": str(folder), "RAY_ADDRESS": "local", "WANDB_MODE": "offline"}
    program = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert 0 == done.returncode, done.stderr
    assert "Exception ignored in atexit" not in done.stderr  # wandb's, whose service Ray has ended
    return [*read_runs(folder / "wandb").values()]


def test_documented_mixin(tmp_path: Path) -> None:
    """The page's program: a run of ten rows under the trial's name."""
    (run,) = run_example(tmp_path, "documented_mixin.py")
    assert [run.config["a"] + run.config["b"]] * 10 == run.rows("loss")
    assert ("Optimization_Project", f"train_fn_{run.trial_id}", 0) == (run.project, run.display_name, run.exit_code)


def test_class_trainable(tmp_path: Path) -> None:
    """Three trials in one process are three runs, each with a row and a histogram for every epoch."""
    runs = run_example(tmp_path, "class_trainable.py")
    assert {1e-4, 1e-3, 1e-2} == {run.config["alpha"] for run in runs}
    assert [(5, 0)] * 3 == [(len(run.rows("accuracy")), run.exit_code) for run in runs]
    assert [5] * 3 == [len(run.rows("predicted")) for run in runs]


def test_pbt(tmp_path: Path) -> None:
    """Each trial is one run, however often it was paused, and goes down over all its steps."""
    runs = run_example(tmp_path, "pbt.py")
    assert 3 == len(runs)
    for run in runs:
        assert ([*range(1, 9)], 0) == (run.rows("step"), run.exit_code)
        assert run.rows("loss")[-1] < run.rows("loss")[0]


def test_train_loop(tmp_path: Path) -> None:
    """One run of two workers."""
    (run,) = run_example(tmp_path, "train_loop.py")
    assert ("line", "line", 10, 0) == (run.display_name, run.group, len(run.rows("loss")), run.exit_code)
