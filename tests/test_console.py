"""What an experiment prints, and the file of its runs: real ones, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.wandb_server import WandbServer
from typed_tune_wandb import ExperimentRuns
from typed_tune_wandb.tune._console import group_url

PROGRAM = """
import json, os, sys, tempfile
import ray
from ray import tune
from typed_tune_wandb import WandbLogger

options = json.loads(sys.argv[1])

def train(config):
    for step in range(3):
        with tempfile.TemporaryDirectory() as folder:
            open(folder + "/model", "w").write("1")
            tune.report({"loss": config["lr"] * step}, checkpoint=tune.Checkpoint.from_directory(folder))
    if config["lr"] == options.get("fails"):
        raise ValueError("on purpose")

ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
loggers = [WandbLogger(project="p", **options["logger"]), *([tune.Callback()] * options.get("others", 0))]
run_config = tune.RunConfig(
    name="exp", storage_path=os.getcwd() + "/ray", callbacks=loggers, verbose=options.get("verbose", 1)
)
tune.Tuner(train, param_space={"lr": tune.grid_search([1, 2, 3])}, run_config=run_config).fit()
print("runs:", loggers[0].runs)
"""


def lines_of(folder: Path, **options: Any) -> list[str]:
    """Run an experiment of three trials; give W&B's lines in the console."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **options.pop("environ", {})}
    environ = {name: value for name, value in environ.items() if name not in ("WANDB_SILENT", "RAY_AIR_NEW_OUTPUT")}
    command = [sys.executable, "-c", PROGRAM, json.dumps({"logger": {}, **options})]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=True)
    assert "runs: ExperimentRuns('exp', 3 runs" in done.stdout
    assert "wandb:" not in done.stdout + done.stderr  # what wandb itself prints
    assert "Adding directory" not in done.stdout + done.stderr
    assert "W&B:" not in done.stdout
    return [line for line in done.stderr.splitlines() if "W&B" in line]


def test_offline(tmp_path: Path) -> None:
    """Where the runs go, how they ended, and how to upload them, once each."""
    lines = lines_of(tmp_path, fails=2, logger={"mode": "offline", "upload_checkpoints": True}, others=2)
    assert [
        f"W&B: offline, runs in {tmp_path}/wandb",
        f"W&B: 3 runs: 2 finished, 1 failed; 9 rows; {tmp_path}/wandb",
        f"W&B: upload all by: typed-tune-wandb sync {tmp_path}/ray/exp",
    ] == lines


def test_online(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The page of the experiment's group, and where the key comes from; nothing is left to do."""
    lines = lines_of(tmp_path, logger={"mode": "online"})
    first, last = [
        line for line in lines if not line.startswith(("W&B: waiting", "W&B: uploading"))
    ]  # on a busy machine
    project = f"{wandb_server.url}/{next(iter(wandb_server.runs.values())).entity}/p"
    assert f"W&B: online, {project}/groups/exp, key from WANDB_API_KEY" == first
    assert f"W&B: 3 runs: 3 finished; 9 rows; {project}" == last
    runs = ExperimentRuns.load(tmp_path / "ray" / "exp")
    assert {} == runs.not_uploaded
    assert wandb_server.runs.keys() == {run.id for run in runs.values()}


@pytest.mark.parametrize("quiet", [{"verbose": 0}, {"logger": {"mode": "offline", "quiet": True}}])
@pytest.mark.parametrize("output", ["0", "1"], ids=["Tune's old output", "new"])
def test_quiet(quiet: dict[str, Any], output: str, tmp_path: Path) -> None:
    """By Tune's own option or the logger's."""
    options = {"logger": {"mode": "offline"}, **quiet}
    assert [] == lines_of(tmp_path, environ={"RAY_AIR_NEW_OUTPUT": output}, **options)


def test_the_file_of_the_runs(tmp_path: Path) -> None:
    """It is beside Tune's results, with the same trials, and nothing of it is left half written."""
    lines_of(
        tmp_path, fails=3, logger={"mode": "offline", "secret_names": ["badge"], "dir": str(tmp_path / "ray" / "exp")}
    )
    folder = tmp_path / "ray" / "exp"
    runs = ExperimentRuns.load(folder)
    assert ["finished", "finished", "failed"] == [run.state for run in runs.values()]
    assert ["badge"] == [*runs.hidden["secret_names"]]
    assert (3, 1, [0, 0, 1]) == (len(runs), len(runs.failed), [run.exit_code for run in runs.values()])
    assert [3, 3, 3] == [run.rows for run in runs.values()]
    assert all(Path(run.path).is_file() for run in runs.values())
    assert [] == [path for path in folder.iterdir() if path.name.endswith(".part")]
    best = runs.best("loss", "max")
    assert 6 == runs.results()[best.trial_id].rows[-1]["loss"]
    files = [file for entry in json.loads((folder / "wandb_runs.json").read_text())["runs"] for file in entry["files"]]
    assert all(re.match("wandb/offline-run-", file) for file in files)
    moved = folder.rename(tmp_path / "moved")
    assert all(Path(run.path).is_file() for run in ExperimentRuns.load(moved).values())


@pytest.mark.parametrize(("group", "page"), [(None, ""), ("a/b c", "/groups/a%2Fb%20c")])
def test_the_page_of_a_group(group: str | None, page: str) -> None:
    """A project's page where there is no group."""
    assert f"https://wandb.ai/me/p{page}" == group_url("https://wandb.ai/me/p/runs/x", group)
