"""The raw dict and the builder, side by side: the same rules, the same settings, the same run.

python examples/raw_and_builder.py
"""

from __future__ import annotations

from typing import Any

from ray import tune

from typed_tune_wandb import WandbConfigDict, WandbLogger, WandbSettings

RAW: WandbConfigDict = {
    "project": "side_by_side",
    "mode": "offline",
    "run_name": "the same run",
    "tags": ["first", "second"],
    "excludes": ["timers"],
}
BUILT = WandbSettings(
    project="side_by_side",
    mode="offline",
    name="the same run",
    tags=["first", "second"],
    excludes=["timers"],
)


def train(config: dict[str, Any]) -> None:
    for step in range(5):
        tune.report({"loss": 1 / (step + 1), "timers": {"step_s": 0.1}})


def main() -> None:
    """Record one trial with each."""
    print("Equal settings:", WandbSettings.from_dict(RAW) == BUILT)
    logger = WandbLogger()
    tune.Tuner(
        train,
        param_space={"wandb": tune.grid_search([RAW, BUILT.to_config()])},
        run_config=tune.RunConfig(callbacks=[logger], verbose=1),
    ).fit()
    for run in logger.runs.values():
        print(f"{run.name}  {run.state}  {run.rows} rows  {run.where}")


if __name__ == "__main__":
    main()
