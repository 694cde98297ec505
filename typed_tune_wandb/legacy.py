"""The names of the documented page on today's Ray: ``run(loggers=...)``, ``report(loss=1)`` and ``DEFAULT_LOGGERS``.

Beside them stands everything that ``ray.tune`` has. So a program of the page changes by its import lines alone::

    from typed_tune_wandb import WandbLogger, legacy as tune
    from typed_tune_wandb.legacy import DEFAULT_LOGGERS
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from ray import tune as _tune
from ray.tune import Callback as Callback
from ray.tune import Checkpoint as Checkpoint
from ray.tune import CheckpointConfig as CheckpointConfig
from ray.tune import CLIReporter as CLIReporter
from ray.tune import Experiment as Experiment
from ray.tune import ExperimentAnalysis as ExperimentAnalysis
from ray.tune import FailureConfig as FailureConfig
from ray.tune import JupyterNotebookReporter as JupyterNotebookReporter
from ray.tune import PlacementGroupFactory as PlacementGroupFactory
from ray.tune import ProgressReporter as ProgressReporter
from ray.tune import Result as Result
from ray.tune import ResultGrid as ResultGrid
from ray.tune import ResumeConfig as ResumeConfig
from ray.tune import RunConfig as RunConfig
from ray.tune import Stopper as Stopper
from ray.tune import SyncConfig as SyncConfig
from ray.tune import Trainable as Trainable
from ray.tune import TuneConfig as TuneConfig
from ray.tune import TuneContext as TuneContext
from ray.tune import TuneError as TuneError
from ray.tune import Tuner as Tuner
from ray.tune import choice as choice
from ray.tune import create_scheduler as create_scheduler
from ray.tune import create_searcher as create_searcher
from ray.tune import get_checkpoint as get_checkpoint
from ray.tune import get_context as get_context
from ray.tune import grid_search as grid_search
from ray.tune import lograndint as lograndint
from ray.tune import loguniform as loguniform
from ray.tune import qlograndint as qlograndint
from ray.tune import qloguniform as qloguniform
from ray.tune import qrandint as qrandint
from ray.tune import qrandn as qrandn
from ray.tune import quniform as quniform
from ray.tune import randint as randint
from ray.tune import randn as randn
from ray.tune import register_env as register_env
from ray.tune import register_trainable as register_trainable
from ray.tune import run_experiments as run_experiments
from ray.tune import sample_from as sample_from
from ray.tune import uniform as uniform
from ray.tune import with_parameters as with_parameters
from ray.tune import with_resources as with_resources
from ray.tune.logger import CSVLoggerCallback, JsonLoggerCallback, LoggerCallback, TBXLoggerCallback
from typing_extensions import TypedDict, Unpack

from typed_tune_wandb.credentials import resolve_api_key
from typed_tune_wandb.settings import (
    WandbSettings,
    check_environment,
    find_wandb_entry,
    has_project_in_environment,
    replace_wandb_entry,
    resolve_destination,
)
from typed_tune_wandb.settings._search_space import enumerate_entries, is_enumerable, redact_api_keys
from typed_tune_wandb.tune.callback import WandbLogger

if TYPE_CHECKING:
    from datetime import timedelta

    from ray.tune.experiment import Trial
    from ray.tune.experimental.output import AirVerbosity
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.search import SearchAlgorithm, Searcher
    from ray.tune.utils.log import Verbosity

Loggers: TypeAlias = Sequence["type[LoggerCallback] | LoggerCallback"]

DEFAULT_LOGGERS: Final[tuple[type[LoggerCallback], ...]] = (JsonLoggerCallback, CSVLoggerCallback, TBXLoggerCallback)
"""The loggers that Tune has by default, in the old order: ``loggers=DEFAULT_LOGGERS + (WandbLogger,)``."""


class TuneRunKwargs(TypedDict, total=False):
    """The parameters that :func:`run` hands on to ``ray.tune.run`` as they are, with its types (ray 2.60)."""

    name: str | None
    metric: str | None
    mode: str | None
    stop: Mapping[str, Any] | Stopper | Callable[[str, Mapping[str, Any]], bool] | None
    time_budget_s: int | float | timedelta | None
    resources_per_trial: Mapping[str, float | int | Mapping[str, Any]] | PlacementGroupFactory | None
    num_samples: int
    storage_path: str | None
    storage_filesystem: Any  # a pyarrow.fs.FileSystem: pyarrow has no types
    search_alg: Searcher | SearchAlgorithm | str | None
    scheduler: TrialScheduler | str | None
    checkpoint_config: CheckpointConfig | None
    verbose: int | AirVerbosity | Verbosity | None
    progress_reporter: ProgressReporter | None
    log_to_file: bool
    trial_name_creator: Callable[[Trial], str] | None
    trial_dirname_creator: Callable[[Trial], str] | None
    sync_config: SyncConfig | None
    export_formats: Sequence[Any] | None
    max_failures: int
    fail_fast: bool
    restore: str | None
    resume: bool | str | None
    resume_config: ResumeConfig | None
    reuse_actors: bool
    raise_on_failed_trial: bool
    max_concurrent_trials: int | None
    # What Ray still takes, and says itself that it is deprecated.
    keep_checkpoints_num: int | None
    checkpoint_score_attr: str | None
    checkpoint_freq: int
    checkpoint_at_end: bool
    chdir_to_trial_dir: bool
    local_dir: str | None


def run(
    run_or_experiment: str | Callable[..., Any] | type[Any],
    *,
    config: dict[str, Any] | None = None,
    loggers: Loggers | None = None,
    callbacks: Sequence[Callback] | None = None,
    **arguments: Unpack[TuneRunKwargs],
) -> ExperimentAnalysis:
    """Today's ``ray.tune.run``, with ``loggers=`` back and the W&B entry checked before Ray starts.

    A readable API key in the entry is hidden before Tune receives it: nothing that Tune writes holds it.

    Args:
        run_or_experiment: The trainable, as for ``ray.tune.run``.
        config: The search space. Its W&B entry may hold search values; each of their known values is checked.
        loggers: Classes or instances of ``LoggerCallback``; a class is made without arguments. They are used beside
            ``callbacks`` and beside Tune's own JSON, CSV and TensorBoard loggers, which ``DEFAULT_LOGGERS`` only names:
            none of them writes twice. ``TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1`` leaves out those that are not named.
        callbacks: As for ``ray.tune.run``.
        **arguments: Everything else that ``ray.tune.run`` takes.

    Returns:
        What ``ray.tune.run`` returns.

    Raises:
        WandbSettingsError: Mistakes in the W&B entry, no project, or no usable key.
        TypeError: ``loggers`` holds something that is no logger.

    Example:
        >>> from typed_tune_wandb import WandbLogger, legacy
        >>> def train_fn(config):
        ...     legacy.report(loss=config["lr"])
        >>> legacy.run(
        ...     train_fn,
        ...     config={"lr": 0.1, "wandb": {"project": "mnist"}},
        ...     loggers=legacy.DEFAULT_LOGGERS + (WandbLogger,),
        ... )  # doctest: +SKIP
    """
    used = _all_callbacks(loggers, callbacks)
    return _tune.run(run_or_experiment, config=_checked(config, used), callbacks=used or None, **arguments)


@overload
def report(metrics: Mapping[str, Any], /, *, checkpoint: Checkpoint | None = None) -> None: ...
@overload
def report(*, checkpoint: Checkpoint | None = None, **metrics: Any) -> None: ...
def report(*metrics: Any, checkpoint: Checkpoint | None = None, **named: Any) -> None:
    """Report a result of the trial: as keywords, like the documented page, or as today's one dict.

    Args:
        metrics: The metrics, where they are no keywords.
        checkpoint: A checkpoint that belongs to them, as in ``ray.tune.report``.
        **named: The metrics. ``done=True`` ends the trial, after this result.

    Raises:
        TypeError: Both a dict and keywords, or something else than one dict.

    Example:
        >>> from typed_tune_wandb import legacy
        >>> def train_fn(config):
        ...     legacy.report(loss=0.5)
        ...     legacy.report({"eval/loss": 0.6})
    """
    if not metrics and named.keys() == {"metrics"} and isinstance(named["metrics"], Mapping):
        named = dict(named["metrics"])  # ray.tune.report(metrics={...}) is right today
    given = [*metrics, named] if named or not metrics else metrics
    if len(given) != 1 or not isinstance(given[0], Mapping):
        raise TypeError("report takes metrics as keywords, report(loss=0.5), or as one dict, report({'loss': 0.5}).")
    _tune.report(dict(given[0]), checkpoint=checkpoint)


def _all_callbacks(loggers: Loggers | None, callbacks: Sequence[Callback] | None) -> list[Callback]:
    """The callbacks and the loggers as instances, each once."""
    if not isinstance(loggers or (), (list, tuple)):
        raise TypeError("loggers takes a list or tuple: loggers=DEFAULT_LOGGERS + (WandbLogger,).")
    used = list(callbacks or ())
    # The classes of Tune's own loggers come last: an instance of the user's stands for its class, and the others may
    # still change a result before it is written.
    for given in sorted(loggers or (), key=DEFAULT_LOGGERS.__contains__):
        kind = given if isinstance(given, type) else type(given)
        if not issubclass(kind, LoggerCallback):
            hint = "other callbacks go to callbacks=." if issubclass(kind, Callback) else "see ray.tune.logger."
            raise TypeError(f"loggers takes classes and instances of LoggerCallback, got {kind.__name__}: {hint}")
        # Two loggers of one of Tune's formats would write the same file.
        twin = next((own for own in DEFAULT_LOGGERS if issubclass(kind, own)), given)
        if not any(other is twin or (isinstance(twin, type) and isinstance(other, twin)) for other in used):
            used.append(given() if isinstance(given, type) else given)
    return used


def _checked(config: dict[str, Any] | None, callbacks: Sequence[Callback]) -> dict[str, Any] | None:
    """The config with its W&B entry checked, and no readable key in it.

    Raises:
        WandbSettingsError: No entry, mistakes in it, no project, or no usable key.
    """
    if not isinstance(config, dict):
        return config
    recorders = [callback for callback in callbacks if isinstance(callback, WandbLogger)]
    if recorders:
        check_environment(os.environ)
    found = find_wandb_entry(config)
    without_settings = any(recorder.defaults == WandbSettings() for recorder in recorders)
    if found is None and without_settings and not has_project_in_environment():
        WandbSettings.from_config(config)  # raises: there are no settings at all
    source, entry = found or ("", {})
    entries = enumerate_entries(entry, source)
    if is_enumerable(entry):
        for recorder, settings in product(recorders, entries):
            merged = recorder.defaults.merged_with(settings, source=source)
            resolve_api_key(resolve_destination(merged, default_group=None))
    keys = {settings.api_key for settings in entries if settings.api_key is not None}
    if not keys:
        return config
    return replace_wandb_entry(config, redact_api_keys(entry, keys))
