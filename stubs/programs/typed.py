"""What the stubs know and Ray does not say: each line fails without them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray import tune
from ray.air.result import Result
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.search.sample import Categorical, Float, Function, Integer
from typing_extensions import assert_type


def train_fn(config: dict[str, Any], data: int) -> dict[str, float]:
    return {"loss": 0.0}


def half(config: dict[str, Any]) -> int:
    return int(config["width"]) // 2


def one() -> int:
    return 1


def search_space() -> None:
    assert_type(tune.uniform(0, 1), Float | Any)
    assert_type(tune.quniform(0, 1, 0.1), Float | Any)
    assert_type(tune.loguniform(1e-4, 1e-1), Float | Any)
    assert_type(tune.qloguniform(1e-4, 1e-1, 1e-4), Float | Any)
    assert_type(tune.randn(), Float | Any)
    assert_type(tune.qrandn(0, 1, 0.1), Float | Any)
    assert_type(tune.randint(1, 9), Integer | Any)
    assert_type(tune.qrandint(2, 8, 2), Integer | Any)
    assert_type(tune.lograndint(1, 9), Integer | Any)
    assert_type(tune.qlograndint(2, 8, 2), Integer | Any)
    assert_type(tune.choice(["a", "b"]), Categorical[str] | Any)
    assert_type(tune.sample_from(half), Function[int] | Any)
    assert_type(tune.sample_from(one), Function[int] | Any)


def domains(kind: Categorical[str], rate: Float) -> None:
    assert_type(kind.sample(), str)
    assert_type(kind.categories, list[str])
    assert_type(kind[0], str)
    assert_type(rate.sample(), float)
    assert_type(rate.quantized(0.1), Float)


def inside_a_trial() -> None:
    assert_type(tune.report({"loss": 1}), None)
    assert_type(tune.get_checkpoint(), tune.Checkpoint | None)
    assert_type(tune.Checkpoint.from_directory("folder"), tune.Checkpoint)
    assert_type(tune.get_context(), tune.TuneContext)
    assert_type(tune.get_context().get_trial_id(), str)
    assert_type(tune.get_context().get_trial_name(), str)
    assert_type(tune.get_context().get_trial_dir(), str)
    assert_type(tune.get_context().get_experiment_name(), str)
    assert_type(tune.get_context().get_trial_resources(), tune.PlacementGroupFactory)


def trainables(trainable: tune.Trainable, callback: LoggerCallback, trial: Trial) -> None:
    assert_type(tune.with_parameters(train_fn, data=1), Callable[[dict[str, Any]], dict[str, float]])
    assert_type(tune.with_parameters(tune.Trainable, data=1), type[tune.Trainable])
    assert_type(trainable.setup({}), None)
    assert_type(trainable.train(), dict[str, Any])
    assert_type(trainable.cleanup(), None)
    assert_type(trainable.trial_id, str)
    assert_type(trainable.logdir, str)
    assert_type(trainable.iteration, int)
    assert_type(callback.log_trial_start(trial), None)
    assert_type(callback.log_trial_end(trial, failed=True), None)
    assert_type(callback.get_state(), dict[Any, Any] | None)


def results(grid: tune.ResultGrid) -> None:
    assert_type([result for result in grid], list[Result])
    assert_type(grid.errors, list[Exception])
    assert_type(grid.num_errors, int)
    assert_type(grid.num_terminated, int)
