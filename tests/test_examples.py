"""Each example runs as a user runs it, and its offline runs hold every row that was reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline import read_runs

EXAMPLES = Path(__file__).parent.parent / "examples"


def run_example(name: str, folder: Path) -> str:
    """Run an example in a folder of its own, which is its home too; what it prints."""
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_tune_digits_records_every_row(tmp_path: Path) -> None:
    """The rows that Tune's own JSON logger wrote are the runs' rows, and it says where each run is."""
    printed = run_example("tune_digits.py", tmp_path)
    runs = read_runs(tmp_path / "wandb")
    assert 10 == len(runs)
    reported: dict[str, list[float]] = {}
    for path in tmp_path.rglob("result.json"):
        for line in path.read_text().splitlines():
            result = json.loads(line)
            reported.setdefault(result["trial_id"], []).append(result["accuracy"])
    assert reported == {run_id: pytest.approx(run.rows("accuracy")) for run_id, run in runs.items()}
    assert {0} == {run.exit_code for run in runs.values()}
    assert {"baseline", "candidate"} >= {tag for run in runs.values() for tag in run.tags}
    for run in runs.values():
        assert str(run.files[0].parent) in printed
    assert "wandb leet" in printed
    assert "wandb sync" in printed
