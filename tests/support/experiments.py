"""An experiment's folder as Tune and WandbLogger leave it, without either."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typed_tune_wandb import RunInfo
from typed_tune_wandb.experiment._index import INDEX_FILE, Index, to_json

ERROR = (
    "Traceback (most recent call last):\n  ...\n\x1b[36mValueError\x1b[39m: api_key=hunter2hunter2 <script>alert(1)\n"
)


def write_trial(folder: Path, run: RunInfo, config: dict[str, Any], losses: Sequence[Any], error: str = "") -> RunInfo:
    """Write a trial's files; return its run."""
    trial = folder / f"train_{run.trial_id}_lr=1"
    trial.mkdir(parents=True)
    (trial / "params.json").write_text(json.dumps(config))
    own = {"trial_id": run.trial_id, "config": config, "time_total_s": 1.5, "pid": 7, "done": False}
    rows = [{**own, "training_iteration": i, "loss": loss, "nested": {"acc": i}} for i, loss in enumerate(losses, 1)]
    (trial / "result.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    if error:
        (trial / "error.txt").write_text(error)
    return run


def write_runs(folder: Path, runs: Sequence[RunInfo], experiment: str = "digits") -> None:
    """Write ``wandb_runs.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX_FILE).write_text(to_json(Index(experiment, {run.trial_id: run for run in runs}), folder))


def write_experiment(folder: Path, trials: int = 6, iterations: int = 5, experiment: str = "<i>digits</i>") -> Path:
    """Write an experiment with all that is awkward: every fifth trial fails at once, NaN, conditional parameters."""
    runs = []
    for i in range(trials):
        config = {
            "lr": 10.0 ** -(i % 5),
            "net": {"act": ["relu", "<b>tanh</b>"][i % 2]},
            "epochs": 9,
            "hf_token": "k1tten",
        }
        config |= {
            "depth": None if i % 3 else i,
            "wandb": {"project": "p", "secret_names": ["badge"]},
            "badge": f"badge-{i}",
        }
        config |= {"momentum": math.nan} if i % 2 else {}
        failed = i % 5 == 4
        losses = [] if failed else [math.nan, *(1 / (j + i + 1) for j in range(iterations - 1))]
        url = f"https://wandb.ai/me/p/runs/{i}" if i % 2 else None
        path = str(folder / "wandb" / f"run-t{i}.wandb")
        run = RunInfo(f"t{i}", f"t{i}", f"<img src=x>{i}", "failed" if failed else "finished", len(losses), url, path)
        runs.append(write_trial(folder, run, config, losses, ERROR if failed else ""))
    write_runs(folder, runs, experiment)
    return folder
