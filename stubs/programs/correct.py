"""Correct programs, as users write them: no type checker finds anything here.

Where Ray's own types make mypy refuse a correct line, the line says so: `without the stubs: code`.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypedDict

import ray
from ray import train, tune
from ray.tune import Callback, CheckpointConfig, ResultGrid, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.sample import Categorical, Domain, Float, Integer

# --- search spaces ---

SPACE: dict[str, Any] = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "momentum": tune.quniform(0.1, 0.9, 0.1),
    "noise": tune.randn(0, 0.1),
    "layers": tune.choice([[32], [64, 64]]),
    "optimizer": tune.choice(("adam", "sgd", None)),
    "width": tune.lograndint(16, 256),
    "depth": tune.qrandint(2, 8, 2),
    "seed": tune.grid_search(range(2)),
    "steps": 3,
    "half_width": tune.sample_from(lambda config: config["width"] // 2),
    "wandb": {"project": "demo", "mode": tune.choice(["offline", "disabled"])},
}


def add_to_a_space() -> dict[str, Any]:
    """A literal without annotation takes further keys of other types."""
    space = {"lr": tune.uniform(0, 1), "batch": tune.choice([16, 32])}
    space["wandb"] = {"project": "demo"}
    space["epochs"] = 10
    return space


class Defaults:
    lr: float = 0.1


def instead_of_defaults() -> list[dict[str, Any]]:
    """A domain of numbers takes the place of a number."""
    config = {"lr": 0.1, "batch": 32}
    config["lr"] = tune.loguniform(1e-4, 1e-1)
    config["batch"] = tune.choice([16, 32])
    config.update(lr=tune.choice([0.1, 1]), batch=tune.randint(1, 9))
    numbers: dict[str, float] = {"lr": tune.uniform(0, 1)}  # without the stubs: reportAssignmentType
    defaults = Defaults()
    defaults.lr = tune.quniform(0, 1, 0.1)  # without the stubs: reportAttributeAccessIssue
    return [config, numbers, vars(defaults), {"rate": Float(0.0, 1.0).quantized(0.1), "count": Integer(1, 9)}]


def domains() -> dict[str, Domain]:
    """Ray's classes without [...], as they must be written at runtime."""
    rate: Float = tune.uniform(0.0, 1.0)
    kind: Categorical = tune.choice(["a", "b"])
    return {"rate": rate, "kind": kind, "count": tune.randint(1, 9)}


# --- function trainables ---


class Metrics(TypedDict):
    loss: float


def train_fn(config: dict[str, Any]) -> None:
    start = 0
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            start = int(json.loads(Path(folder, "state.json").read_text())["step"]) + 1
    for step in range(start, config.get("steps", 3)):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps({"step": step}))
            tune.report({"loss": 1.0 / (step + 1)}, checkpoint=tune.Checkpoint.from_directory(folder))


def train_with_old_checkpoint(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tune.report({"loss": 0.5}, checkpoint=train.Checkpoint.from_directory(folder))


def train_with_data(config: dict[str, Any], data: list[float]) -> dict[str, float]:
    context = tune.get_context()
    os.environ["TRIAL"] = f"{context.get_experiment_name()}/{context.get_trial_id()}"
    metrics: Metrics = {"loss": sum(data)}
    tune.report(metrics)
    return {"loss": 0.0}


# --- class trainables ---


class Counter(tune.Trainable):
    def setup(self, config: dict[str, Any], data: list[float] | None = None) -> None:
        self.value = float(config.get("lr", 0.0))
        self.data = data or []

    def step(self) -> dict[str, Any]:
        self.value += 1
        return {"loss": 1 / self.value, "done": self.training_iteration >= 2}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any] | None:
        return {"value": self.value}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        if checkpoint is not None:
            self.value = checkpoint["value"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.value = new_config["lr"]
        return True

    def cleanup(self) -> None:
        self.data.clear()
        super().cleanup()  # without the stubs: no-untyped-call


class Sized(Counter):
    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([{"CPU": 1}])


class Untyped(tune.Trainable):
    def step(self):  # type: ignore[no-untyped-def]  # users of plain mypy write so
        return {"loss": 0}


# --- callbacks ---


class Printer(Callback):
    def setup(
        self,
        stop: Stopper | None = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: Any,
    ) -> None:
        super().setup(stop, num_samples, total_num_samples, **info)
        self.seen: set[str] = set()

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        self.seen.add(trial.trial_id)

    def get_state(self) -> dict[str, Any] | None:
        return {"seen": self.seen}

    def set_state(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


class Rows(LoggerCallback):
    def __init__(self) -> None:
        self.rows: list[tuple[str, float]] = []

    def log_trial_start(self, trial: Trial) -> None:
        super().log_trial_start(trial)

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        self.rows.append((trial.trial_id, result["loss"]))

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        if failed:
            self.rows.clear()


# --- experiments ---


def tuner_with_asha() -> ResultGrid:
    tuner = Tuner(
        tune.with_resources(tune.with_parameters(train_with_data, data=[0.1, 0.2]), resources={"cpu": 1}),
        param_space=SPACE,
        tune_config=TuneConfig(
            metric="loss",
            mode="min",
            num_samples=1,
            scheduler=ASHAScheduler(max_t=3),
            search_alg=BasicVariantGenerator(max_concurrent=2),
        ),
        run_config=RunConfig(callbacks=[Printer(), Rows()], stop={"training_iteration": 3}),
    )
    results = tuner.fit()
    for result in results:  # without the stubs: attr-defined
        if result.metrics is not None:
            print(result.metrics["loss"])
    print(len(results), results.num_errors, [str(error) for error in results.errors])
    print(results.get_best_result("loss", "min").path, results.get_dataframe().shape)
    return results


def tuner_with_pbt() -> ResultGrid:
    return Tuner(
        tune.with_parameters(Sized, data=[1.0]),
        param_space={"lr": tune.uniform(0.1, 1.0)},
        tune_config=TuneConfig(
            metric="loss",
            mode="min",
            num_samples=2,
            reuse_actors=True,
            scheduler=PopulationBasedTraining(
                time_attr="training_iteration",
                perturbation_interval=1,
                hyperparam_mutations={"lr": tune.uniform(0.1, 1.0), "kind": [1, 2]},
            ),
        ),
        run_config=RunConfig(
            checkpoint_config=CheckpointConfig(checkpoint_frequency=1),
            stop={"training_iteration": 2},
        ),
    ).fit()


def tune_run() -> float:
    analysis = tune.run(
        Counter,
        config={"lr": tune.choice([0.1, 0.2]), "wandb": {"project": "demo"}},
        metric="loss",
        mode="min",
        num_samples=1,
        stop={"training_iteration": 2},
        callbacks=[Rows()],
        verbose=0,
    )
    return float(analysis.best_result["loss"])


def main() -> None:
    ray.init(address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False)
    try:
        tuner_with_asha()
        tuner_with_pbt()
        print(tune_run())
        Tuner(train_fn, param_space=add_to_a_space()).fit()
        Tuner(train_with_old_checkpoint).fit()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
