"""The overview run of an experiment: what it says of the search, also after a restore, and on the server."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from ray import tune

from tests.support.offline import OfflineRun, read_runs
from tests.support.trainables import fit, offline
from tests.wandb_server import WandbServer
from typed_tune_wandb import ExperimentRuns, WandbLogger
from typed_tune_wandb.experiment import sync_runs

pytestmark = pytest.mark.usefixtures("small_ray")


OLD_SYNC: Final = version("wandb").startswith("0.19.")


def train(config: dict[str, Any]) -> None:
    for step in range(3):
        tune.report({"score": config["lr"] * (step + 1)})
    if config["lr"] == 2 and not Path(config["folder"], "mended").exists():
        raise ValueError("on purpose")


def a_repository(folder: Path) -> str:
    """Make a repository whose remote's URL holds a token; give its commit."""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (
        ["init", "-q", str(folder)],
        ["-C", str(folder), *author, "commit", "-q", "--allow-empty", "-m", "first"],
        ["-C", str(folder), "remote", "add", "origin", "https://token:x@example.com/a.git"],
    ):
        subprocess.run(["git", *arguments], check=True)
    found = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def overview_in(folder: Path) -> OfflineRun:
    (run,) = [run for run in read_runs(folder).values() if run.job_type == "tune"]
    return run


def table_of(run: OfflineRun) -> list[dict[str, Any]]:
    (path,) = [found for file in run.files for found in file.parent.rglob("*.table.json")]
    table = json.loads(path.read_text())
    return [dict(zip(table["columns"], line, strict=True)) for line in table["data"]]


def test_an_experiment_has_an_overview(
    wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no trial's run; ``sync`` uploads it, and a restored experiment goes on in it."""
    commit = a_repository(tmp_path / "program")
    monkeypatch.chdir(tmp_path / "program")
    space = {"lr": tune.grid_search([1, 2, 3]), "folder": str(tmp_path), "password": "hunter2hunter2"}
    logger = offline(tmp_path, overview=True)
    fit(train, space, logger, tmp_path, metric="score", mode="max")
    run = overview_in(tmp_path)
    assert 3 == len(logger.runs)
    assert ("exp", "exp", "p") == (run.display_name, run.group, run.project)
    config = run.config
    assert {"values": [1, 2, 3]} == config["search_space"]["lr"]
    assert ("score", "max", 1) == (config["metric"], config["mode"], config["tune"]["num_samples"])
    assert ("FIFOScheduler", "BasicVariantGenerator") == (config["scheduler"], config["searcher"])
    assert {"python", "ray", "wandb", "typed-tune-wandb"} == {*config["versions"]}
    assert "hunter2" not in json.dumps(config)
    assert config["command"].endswith(shlex.join(sys.argv))
    assert (commit, "") == run.git
    last = run.history[-1]
    assert (0, 2, 1) == tuple(last[f"trials/{status}"] for status in ("running", "finished", "failed"))
    best = run.rows("best/score")
    assert (9, best) == (best[-1], sorted(best))
    assert ({"max": 9}, 0) == (run.summary["best/score"], run.exit_code)
    table = {row["config/lr"]: row for row in table_of(run)}
    assert {1: ("TERMINATED", 3), 2: ("ERROR", 6), 3: ("TERMINATED", 9)} == {
        lr: (row["status"], row["best/score"]) for lr, row in table.items()
    }

    (tmp_path / "mended").touch()
    folder = tmp_path / "ray" / "exp"
    tune.Tuner.restore(str(folder), train, resume_errored=True, param_space=space).fit()
    runs = ExperimentRuns.load(folder)
    assert runs.overview is not None
    assert (run.id, 2, 3) == (runs.overview.id, len(runs.overview.paths), len(runs))
    after = overview_in(tmp_path).history[-1]
    assert (3, 0) == (after["trials/finished"], after["trials/failed"])

    if OLD_SYNC:  # the server of the tests does not know how the sync of wandb 0.19 uploads a table
        return
    runs = sync_runs(runs)
    assert {} == runs.waiting
    (there,) = [run for run in wandb_server.all_runs if run.job_type == "tune"]
    assert len(overview_in(tmp_path).history) == len(there.history)


def test_a_disabled_experiment_has_none(tmp_path: Path) -> None:
    """Nothing is recorded, and nothing is in its way."""
    logger = WandbLogger(mode="disabled", project="p", overview=True)
    assert {} == fit(train, {"lr": 1, "folder": "."}, logger, tmp_path)
    assert logger.runs.overview is None
