"""Each example runs as a user runs it, and its offline runs hold every row that was reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.offline import read_runs

EXAMPLES = Path(__file__).parent.parent / "examples"


def start_example(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run an example in a folder of its own, which is its home too."""
    environment = {**os.environ, "RAY_ADDRESS": "local", "HOME": str(folder), **variables}
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )


def run_example(name: str, folder: Path, **variables: str) -> str:
    """Run an example to its good end; what it prints."""
    done = start_example(name, folder, **variables)
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
    assert reported == {run.trial_id: pytest.approx(run.rows("accuracy")) for run in runs.values()}
    assert {0} == {run.exit_code for run in runs.values()}
    assert {"baseline", "candidate"} >= {tag for run in runs.values() for tag in run.tags}
    for run in runs.values():
        assert str(run.files[0].parent) in printed
    assert "wandb leet" in printed
    assert "wandb sync" in printed


def test_documented_logger_records_every_row(tmp_path: Path) -> None:
    """The page's program: one run with Tune's names, ten rows with the config in each, and the key nowhere."""
    key = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / ".wandb_api_key").write_text(f"{key}\n")
    run_example("documented_logger.py", tmp_path, WANDB_MODE="offline")
    (run,) = read_runs(tmp_path / "wandb").values()
    assert ("Optimization_Project", f"train_fn_{run.trial_id}", 0) == (run.project, run.display_name, run.exit_code)
    assert [run.config["parameter_1"] + run.config["parameter_2"]] * 10 == run.rows("loss")
    for name in ("parameter_1", "parameter_2"):
        assert [run.config[name]] * 10 == run.rows(f"config/{name}")
    for path in tmp_path.rglob("*"):
        assert path.name == ".wandb_api_key" or not path.is_file() or key.encode() not in path.read_bytes(), path
    assert 1 == len(list((tmp_path / "ray_results").rglob("progress.csv")))


def test_documented_logger_reads_the_keys_file(tmp_path: Path) -> None:
    """Online, the missing file ends it before a trial has started."""
    done = start_example("documented_logger.py", tmp_path, WANDB_MODE="online")
    assert 1 == done.returncode
    assert f"api_key_file: there is no file {tmp_path / '.wandb_api_key'} on this machine." in done.stderr
    assert not (tmp_path / "ray_results").exists()


def test_sweep_offline_keeps_the_configuration(tmp_path: Path) -> None:
    """Tune's space in W&B's words, and how it becomes a sweep."""
    printed = run_example("sweep.py", tmp_path, WANDB_MODE="offline")
    (index,) = (tmp_path / "ray_results").rglob("wandb_runs.json")
    parameters = json.loads(index.read_text())["sweep"]["config"]["parameters"]
    assert {"distribution": "int_uniform", "min": 1, "max": 3} == parameters["model"]["parameters"]["degree"]
    assert "typed-tune-wandb sync" in printed
    assert 4 == len(read_runs(tmp_path / "wandb"))


def test_builder(tmp_path: Path) -> None:
    """Each trial's own options override the logger's, and what is excluded is not recorded."""
    assert "The best learning rate is 0.9." in run_example("builder.py", tmp_path)
    runs = {run.config["lr"]: run for run in read_runs(tmp_path / "wandb").values()}
    assert {0.1: ["careful"], 0.9: ["bold"]} == {lr: run.tags for lr, run in runs.items()}
    assert ("gradient descent on x²", "may not converge") == (runs[0.1].notes, runs[0.9].notes)
    for lr, run in runs.items():
        assert pytest.approx([(1 - lr) ** step for step in range(1, 11)]) == run.rows("loss")
        assert [] == run.rows("timers/step_s")


def test_raw_and_builder(tmp_path: Path) -> None:
    """Both settings are equal, and so are both runs."""
    assert "Equal settings: True" in run_example("raw_and_builder.py", tmp_path)
    raw, built = read_runs(tmp_path / "wandb").values()
    for run in (raw, built):
        assert [1 / (step + 1) for step in range(5)] == run.rows("loss")
        assert [] == run.rows("timers/step_s")
        assert ("the same run", ["first", "second"]) == (run.display_name, run.tags)
    assert (raw.project, raw.group, raw.exit_code) == (built.project, built.group, built.exit_code)
