"""Mistakes that the stubs show, each with mypy's code and pyright's rule on its line."""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.search.sample import Categorical, Domain


def train_fn(config: dict[str, Any]) -> None:
    tune.report(loss=1)  # E: call-arg reportCallIssue
    tune.report({"loss": 1}, None)  # E: call-arg reportCallIssue
    tune.report([("loss", 1)])  # E: arg-type reportArgumentType
    tune.report({"loss": 1}, checkpoint="folder")  # E: arg-type reportArgumentType
    tune.get_checkpoint().to_directory()  # E: union-attr reportOptionalMemberAccess
    tune.get_context().get_trial_ids()  # E: attr-defined reportAttributeAccessIssue
    steps: int = tune.get_context().get_trial_id()  # E: assignment reportAssignmentType


def search_space() -> None:
    tune.uniform("a", 1)  # E: arg-type reportArgumentType
    tune.uniform(0)  # E: call-arg reportCallIssue
    tune.choice(3)  # E: call-overload reportCallIssue reportArgumentType
    tune.choice("a", "b")  # E: call-overload reportCallIssue
    tune.randint(0.5, 2)  # E: arg-type reportArgumentType
    tune.quniform(0, 1)  # E: call-arg reportCallIssue
    tune.grid_search(3)  # E: arg-type reportArgumentType
    tune.sample_from(3)  # E: call-overload reportCallIssue reportArgumentType
    rate: int = tune.uniform(0, 1)  # E: assignment reportAssignmentType
    project: str = tune.choice(["a", "b"])  # E: assignment reportAssignmentType
    kind: Categorical[int] = tune.choice(["a", "b"])  # E: list-item reportAssignmentType
    domain: Domain[str] = tune.randint(1, 3)  # E: assignment reportAssignmentType
    tune.loguniform(1e-4, 1e-1).smaple()  # E: union-attr reportAttributeAccessIssue


class Counter(tune.Trainable):
    def setup(self, config: str) -> None: ...  # E: override reportIncompatibleMethodOverride
    def step(self) -> None: ...  # E: override reportIncompatibleMethodOverride
    def cleanup(self, force: bool) -> None: ...  # E: override reportIncompatibleMethodOverride
    def reset_config(self, new: str) -> None: ...  # E: override reportIncompatibleMethodOverride


class Logger(LoggerCallback):
    def log_trial_start(self) -> None: ...  # E: override reportIncompatibleMethodOverride
    def log_trial_end(self, trial: Trial) -> None: ...  # E: override reportIncompatibleMethodOverride
    def log_trial_result(self, row: int) -> None: ...  # E: override reportIncompatibleMethodOverride
    def on_trial_start(self, trial: Trial) -> None: ...  # E: override reportIncompatibleMethodOverride
    def set_state(self, state: str) -> None: ...  # E: override reportIncompatibleMethodOverride


def experiment(grid: tune.ResultGrid) -> None:
    tune.with_resources(train_fn, {"cpu": "1"})  # E: arg-type reportArgumentType
    tune.with_parameters(3, data=1)  # E: call-overload reportCallIssue reportArgumentType
    tune.with_parameters(train_fn, data=1)(1)  # E: arg-type reportArgumentType
    count: str = grid.num_errors  # E: assignment reportAssignmentType
    tune.chioce([1])  # E: attr-defined reportAttributeAccessIssue
