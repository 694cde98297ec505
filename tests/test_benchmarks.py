"""The benchmarks run, and lose no row; what they measure is for a quiet machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")


def _tables(module: str) -> list[list[str]]:
    """The cells of every line of every table that a benchmark prints with ``--quick``."""
    command = [sys.executable, "-m", module, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in done.stdout.splitlines()
        if line.startswith("|")
    ]


def test_tune_overhead_compares_four_variants_and_this_library_keeps_all_rows() -> None:
    """One call gives the table of all variants; every row of this library's is on disk."""
    header, _, *lines = _tables("benchmarks.tune_overhead")
    figures = {line[0]: dict(zip(header, line, strict=True)) for line in lines}

    assert ["no W&B", "Ray's callback", "bare `run.log`", "WandbLogger"] == header[1:5]
    assert "all" == figures["rows kept of 10"]["WandbLogger"]
    assert figures["wall time of `fit()` (s)"]["no W&B"]
    assert float(figures["inside the callback, in Tune's loop (s)"]["WandbLogger"]) > 0


def test_recorder_profile_keeps_all_rows_at_every_number_of_runs() -> None:
    """The rows of each number of runs, and those of the long experiment, are on disk; memory is shown over time."""
    header, _, *lines = _tables("benchmarks.recorder_profile")
    per_runs = [line for line in lines if len(line) == len(header)]
    over_time = [line[0] for line in lines if len(line) == 4 and line[0].isdecimal()]

    assert [["1", "all"], ["4", "all"]] == [line[:2] for line in per_runs]
    assert [str(rows) for rows in range(40, 401, 40)] == over_time
