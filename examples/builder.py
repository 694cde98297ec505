"""The builder with Tune's Tuner: settings that the editor and mypy check, and trials that override some of them.

python examples/builder.py
"""

from __future__ import annotations

from typing import Any

from ray import tune

from typed_tune_wandb import WandbLogger, WandbSettings


def train(config: dict[str, Any]) -> None:
    loss = 1.0
    for _ in range(10):
        loss -= config["lr"] * loss
        tune.report({"loss": loss, "timers": {"step_s": 0.1}})


def main() -> None:
    """Search over the learning rate; every trial is an offline run, tagged by what it tries."""
    settings = WandbSettings(project="curves", mode="offline", excludes=["timers"], notes="gradient descent on x²")
    careful = WandbSettings(tags=["careful"])
    bold = WandbSettings(tags=["bold"], notes="may not converge")

    logger = WandbLogger(settings, upload_timeout=60)
    tuner = tune.Tuner(
        train,
        param_space={
            "lr": tune.grid_search([0.1, 0.9]),
            # What a trial's entry says counts more than the logger's settings, field by field.
            "wandb": tune.sample_from(lambda spec: (careful if spec.config["lr"] < 0.5 else bold).to_config()),
        },
        tune_config=tune.TuneConfig(metric="loss", mode="min"),
        run_config=tune.RunConfig(callbacks=[logger], verbose=1),
    )
    best = tuner.fit().get_best_result()

    print(f"\nThe best learning rate is {best.config['lr']}." if best.config else "\nNo result.")
    for run in logger.runs.values():
        print(f"{run.name}  {run.state}  {run.rows} rows  {run.where}")


if __name__ == "__main__":
    main()
