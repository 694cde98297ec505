"""A W&B run inside the trial's own process: ``wandb_mixin``, ``WandbTrainableMixin`` and ``setup_wandb``.

Where the logger records what is *reported*, these let the training code itself use W&B: ``wandb.log``, tables, images,
its printed lines, and the system metrics of the node it runs on.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from typing_extensions import ParamSpec, Unpack

from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import RunOverrides, WandbSettings, find_wandb_entry, strip_wandb_entry
from typed_tune_wandb.settings._templates import as_literal
from typed_tune_wandb.settings._types import StrPath
from typed_tune_wandb.settings._wording import type_name
from typed_tune_wandb.tune._trial_run import (
    FINISH_TIMEOUT_S,
    TrialContext,
    TrialRun,
    fail_run_on_error,
    is_resolved,
    open_run,
    resolve_on_driver,
    settings_from_config,
)

if TYPE_CHECKING:
    from ray.train._internal.storage import StorageContext
    from ray.tune import Trainable
    from ray.tune.execution.placement_groups import PlacementGroupFactory
    from wandb import Run
else:
    # The mixins stand before a Trainable in a class' bases; they are none, so that this module loads no ray.
    Trainable = object

__all__ = ["WandbTrainableMixin", "has_wandb_mixin", "setup_wandb", "wandb_mixin"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound="Trainable")


class _DriverCheckMixin(Trainable):
    """Lets the driver check a trial's W&B entry, and resolve its login, before the trial starts.

    ``default_resource_request`` is the one place where Tune shows a trial's config to its class on the driver: when the
    trial is added to the experiment, new or restored.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("default_resource_request")
        if isinstance(own, classmethod):

            def default_resource_request(inner: type[_DriverCheckMixin], config: dict[str, Any]) -> object:
                resolve_on_driver(config)
                return own.__get__(None, inner)(config)

            cls.default_resource_request = classmethod(default_resource_request)  # type: ignore[assignment]  # seen by Tune alone

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory | None:
        resolve_on_driver(config)
        return super().default_resource_request(config)


class WandbTrainableMixin(_DriverCheckMixin):
    """A W&B run for each trial of a class trainable: ``class T(WandbTrainableMixin, tune.Trainable)``.

    It stands first in the bases. The run is open before ``setup`` and is ended after ``cleanup``: finished, or failed
    if the setup, a step, a save or a restore raised. With ``reuse_actors=True`` each trial has its own; a trial that is
    paused, retried or restored continues its run. ``config`` has no W&B entry in it.

    The entry, the names, the login and the end of a run are those of :func:`wandb_mixin`.

    Attributes:
        wandb: The trial's run.

    Raises:
        TypeError: When the class is made, if the bases are others or in another order.
        WandbSettingsError: On the driver, before the trial starts, where the W&B entry has mistakes.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import WandbTrainableMixin
        >>> class Training(WandbTrainableMixin, tune.Trainable):
        ...     def step(self):
        ...         self.wandb.log({"loss": 1 / (self.iteration + 1)})
        ...         return {"loss": 1 / (self.iteration + 1)}
        ...     def save_checkpoint(self, checkpoint_dir):
        ...         return {}
        >>> config = {"wandb": {"project": "mnist"}}
        >>> tune.Tuner(Training, param_space=config).fit()  # doctest: +SKIP
    """

    wandb: Run
    _live: TrialRun

    def __init_subclass__(cls, **kwargs: object) -> None:
        from ray.tune import Trainable as TuneTrainable

        super().__init_subclass__(**kwargs)
        if [base for base in cls.__mro__ if base in (WandbTrainableMixin, TuneTrainable)][1:] != [TuneTrainable]:
            expected = "class T(WandbTrainableMixin, tune.Trainable)"
            raise TypeError(f"WandbTrainableMixin takes a Trainable after it in a class' bases: {expected}.")

    def __init__(self, config: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        user_config = self._open(config or {}, *args, **kwargs)
        try:
            with fail_run_on_error(self._live):
                super().__init__(user_config, *args, **kwargs)
        except BaseException:
            self._live.leave()
            raise

    def train(self) -> dict[str, Any]:
        """Do an iteration, as Tune asks for it."""
        with fail_run_on_error(self._live):
            return super().train()

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """Save a checkpoint, as Tune asks for it."""
        with fail_run_on_error(self._live):
            return super().save(*args, **kwargs)

    def restore(self, *args: Any, **kwargs: Any) -> None:
        """Go back to a checkpoint, as Tune asks for it."""
        with fail_run_on_error(self._live):
            super().restore(*args, **kwargs)

    def reset(self, new_config: dict[str, Any], *args: Any, **kwargs: Any) -> bool:
        """Take over another trial: the run of the last one ends, that of the next one is opened."""
        self._live.end(0)
        user_config = self._open(new_config, *args, **kwargs)
        with fail_run_on_error(self._live):
            done = super().reset(user_config, *args, **kwargs)
        if not done:
            # Tune fails the trial then.
            self._live.end(1)
        return done

    def stop(self) -> None:
        """Clean up and end the run."""
        try:
            with fail_run_on_error(self._live):
                super().stop()
            self._live.end(0)
        finally:
            self._live.leave()

    def _open(self, config: dict[str, Any], storage: StorageContext | None = None, **_: Any) -> dict[str, Any]:
        """Open the run of the trial that a config belongs to; return the config without the entry."""
        # Tune hands a trial's names to its class by these keys of the config (seen in ray 2.60), and takes them out.
        from ray.tune.result import STDERR_FILE, STDOUT_FILE, TRIAL_INFO

        trial = config.get(TRIAL_INFO)
        context = TrialContext()
        if trial:
            context = TrialContext(trial.trial_id, trial.trial_name, trial.experiment_name, storage=storage)
        user_config = strip_wandb_entry(config)
        logged_config = {
            key: value for key, value in user_config.items() if key not in (TRIAL_INFO, STDOUT_FILE, STDERR_FILE)
        }
        self._live = TrialRun(settings_from_config(config), logged_config, context)
        self.wandb = self._live.run
        return user_config


class _FunctionTrainableMixin(_DriverCheckMixin):
    """Stands before Tune's own class of a function trainable (``__mixins__``): ends the run of a stopped trial."""

    live: ClassVar[TrialRun | None] = None

    def train(self) -> dict[str, Any]:
        try:
            return super().train()
        except BaseException:
            # A generator is still open where its trial fails outside of it.
            if _FunctionTrainableMixin.live is not None:
                _FunctionTrainableMixin.live.end(1)
            raise

    def stop(self) -> None:
        # This lets the function go on, into SystemExit(0): out of tune.report, through its own finally, out of ours.
        try:
            super().stop()
        finally:
            live = _FunctionTrainableMixin.live
            if live is not None:
                if not live.wait(FINISH_TIMEOUT_S):
                    live.end(0)
                live.leave()


@overload
def wandb_mixin(trainable: type[T]) -> type[T]: ...
@overload
def wandb_mixin(trainable: Callable[P, R]) -> Callable[P, R]: ...
def wandb_mixin(trainable: object) -> object:
    """Give each trial of a training function, or of a Trainable class, its own W&B run.

    The run is opened in the trial's process from ``config["wandb"]`` (or RLlib's ``config["logger_config"]["wandb"]``)
    and is the one of ``wandb.log``; in a class it is ``self.wandb`` too (a decorator tells a type checker of no new
    attribute: write ``wandb: Run`` into the class, or let it inherit :class:`WandbTrainableMixin`). The function
    receives the config without that entry. The run ends with the trial: finished, also where a scheduler stops the
    trial, or failed where it raises.

    The name and group are the trial's name and the experiment's name, and the id is the trial's id with eight digits
    after it that tell experiments apart, unless the entry has its own. A retry and a restored experiment go on in the
    same run. The run's config is the trial's config. Of the entry's options, ``log_config`` has no effect here, and
    ``excludes`` applies to the config alone and ``metrics`` to nothing: what the trial logs is recorded as it is. In a
    template, ``{trainable}`` is what Tune's name of the trial begins with; a ``trial_name_creator`` takes it away.

    The entry is checked, and project and login are found, on the driver, before the trial starts; the login is handed
    to the trial's process on whatever node, never as text in the config. Where the driver finds none, the node's own
    counts. Paths in the entry are the driver's.

    A run's end waits for its uploads, at most 60 seconds where the trial was stopped. When the experiment ends, Tune
    stops the processes of its last trials after 10 seconds: what is not up by then is in their local files.

    Not together with ``WandbLogger``: every run would be written twice.

    Args:
        trainable: A function of ``config`` (a lambda, a ``functools.partial``, a generator function, a callable object,
            what ``tune.with_parameters`` and ``tune.with_resources`` return), or a subclass of ``tune.Trainable``.

    Returns:
        A function with the same signature, or a subclass with the same name.

    Raises:
        TypeError: It is neither; or, when a trial starts, Tune did not see the mixin inside another wrapper than
            ``with_parameters`` or ``with_resources``: write ``wandb_mixin(functools.partial(...))``.

    Example:
        >>> import wandb
        >>> from ray import tune
        >>> from typed_tune_wandb import wandb_mixin
        >>> @wandb_mixin
        ... def train_fn(config):
        ...     for step in range(10):
        ...         wandb.log({"loss": config["lr"] / (step + 1)})
        >>> config = {"lr": tune.choice([0.1, 1.0]), "wandb": {"project": "mnist"}}
        >>> tune.Tuner(train_fn, param_space=config).fit()  # doctest: +SKIP
    """
    if has_wandb_mixin(trainable):
        return trainable
    if isinstance(trainable, type):
        from ray.tune import Trainable as TuneTrainable

        if issubclass(trainable, TuneTrainable):
            names = {name: getattr(trainable, name) for name in ("__module__", "__qualname__", "__doc__")}
            return type(trainable.__name__, (WandbTrainableMixin, trainable), names)
    elif callable(trainable):
        return _wrap_function(trainable)
    got = f"the class {trainable.__name__}" if isinstance(trainable, type) else type_name(trainable)
    raise TypeError(f"wandb_mixin takes a training function or a subclass of ray.tune.Trainable, got {got}.")


def has_wandb_mixin(trainable: object) -> bool:
    """Tell whether a trainable opens a run of its own: as given to Tune, or as the class that Tune makes of it."""
    classes = (trainable,) if isinstance(trainable, type) else getattr(trainable, "__mixins__", ())
    return any(issubclass(cls, _DriverCheckMixin) for cls in classes)


def _wrap_function(train: Callable[..., Any]) -> Callable[..., Any]:
    def generator_wrapper(config: dict[str, Any], *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _trial_run_for(config) as user_config:
            return (yield from train(user_config, *args, **kwargs))

    def function_wrapper(config: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        with _trial_run_for(config) as user_config:
            return train(user_config, *args, **kwargs)

    # Tune itself asks so whether a function gives one result or many.
    chosen: Callable[..., Any] = generator_wrapper if inspect.isgeneratorfunction(train) else function_wrapper
    mixed = wraps(train, updated=())(chosen)
    if not hasattr(train, "__name__"):
        # A partial is called like its function, an object like its class.
        mixed.__name__ = getattr(getattr(train, "func", type(train)), "__name__", "func")
    # What Tune leaves on a function, and reads again: the resources of with_resources, and classes to mix in.
    marks = {name: getattr(train, name) for name in ("_resources",) if hasattr(train, name)}
    vars(mixed).update(marks, __mixins__=(_FunctionTrainableMixin, *getattr(train, "__mixins__", ())))
    return mixed


@contextmanager
def _trial_run_for(config: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Open a run for a call of a training function; give the config that the function receives."""
    context = _trial_context()
    if context.in_ray and not is_resolved(config):
        raise TypeError(
            "Tune did not see wandb_mixin inside a functools.partial or another wrapper: put it around what Tune gets, "
            "wandb_mixin(functools.partial(...)). In a loop of Ray Train, call setup_wandb instead."
        )
    # With reuse_actors, Ray lets the next trial fail where a function is not over after these seconds.
    os.environ.setdefault("TUNE_FUNCTION_THREAD_TIMEOUT_S", str(FINISH_TIMEOUT_S))
    user_config = strip_wandb_entry(config)
    live = TrialRun(settings_from_config(config), user_config, context)
    _FunctionTrainableMixin.live = live
    with fail_run_on_error(live):
        yield user_config
    live.end(0)


def setup_wandb(
    config: Mapping[str, object] | None = None,
    api_key: str | Secret | None = None,
    api_key_file: StrPath | None = None,
    rank_zero_only: bool = True,
    *,
    settings: WandbSettings | None = None,
    **overrides: Unpack[RunOverrides],
) -> Run:
    """Open a W&B run in a Tune function, on a Ray Train worker (V1 and V2), or in a plain script.

    The caller has to end it, in a trial or on a worker best in a ``finally``: ``run.finish()``. Ray kills wandb's
    service together with the process: a run that is still open then loses its last rows, those of the last second or so
    in its local file, and has no exit code. ``run.finish()`` comes back a moment before the local file is closed: where
    the process ends right then and the file counts (offline), call ``wandb.teardown()`` after it. In a trial,
    :func:`wandb_mixin` does all this by itself. A run that is still open when the next is opened is finished then.

    In a Tune function the run's name, group and id come from the trial, as for :func:`wandb_mixin`; on a Ray
    Train V1 worker likewise, and on V2, which knows no trial, name and group are the experiment's name and wandb makes
    the id: give one to continue the run when Ray Train restarts its workers.

    The login is that of the node, or a key in the settings: ``WandbSettings(api_key=...).to_config()`` reaches every
    node without being written anywhere. Local files go to the folder ``wandb`` in the process' current one, which is
    Tune's or Ray Train's own for a trial or worker: ``dir`` names another.

    Args:
        config: The config of the trial or of the train loop. It becomes the run's config; its W&B entry, if it has one,
            counts more than ``settings``.
        api_key: The API key; it counts more than the entry's.
        api_key_file: A file with the key on its only line.
        settings: Settings of the run; by default there are none but the entry and the overrides.
        rank_zero_only: On a Ray Train worker: a live run on rank 0 and a disabled one, which takes everything and
            records nothing, on the others. With False, each rank has a run of its own, in one group: its name, and a
            given id, end in ``-rank-<n>``.
        **overrides: Options of the entry (``project="mnist"``): they count most.

    Raises:
        WandbSettingsError: Mistakes in the entry or in the overrides; no project; no usable key.
        wandb.Error: W&B could not open the run.

    Example:
        >>> from typed_tune_wandb import setup_wandb
        >>> run = setup_wandb({"lr": 0.1}, project="mnist", mode="disabled")
        >>> run.log({"loss": 0.5})
        >>> run.finish()
    """
    if not isinstance(rank_zero_only, bool):
        problem = Problem("rank_zero_only", f"expected a bool, got {type_name(rank_zero_only)}.")
        raise WandbSettingsError([problem], "setup_wandb(...)")
    context = _trial_context()
    chosen = WandbSettings.from_dict(settings or {}, source="setup_wandb(settings=...)")
    if config is not None and find_wandb_entry(config) is not None:
        chosen = chosen.merged_with(settings_from_config(config))
    chosen = chosen.merged_with(
        {"api_key": api_key, "api_key_file": api_key_file, **overrides}, source="setup_wandb(...)"
    )
    if context.rank is not None and not rank_zero_only:
        suffix = f"-rank-{context.rank}"
        # A worker of Ray Train V2 knows no trial: what W&B has started is one run, which the ranks share between them.
        own_id = chosen.id or context.default_run_id() or os.environ.get("WANDB_RUN_ID")
        names = {"id": own_id, "name": chosen.name or (context.name and as_literal(context.name))}
        chosen = chosen.merged_with({key: f"{name}{suffix}" for key, name in names.items() if name})
    elif context.rank:
        chosen, context = WandbSettings(mode="disabled"), TrialContext()
    run = open_run(chosen, config or {}, context)
    if context.in_ray:
        _end_of_thread.guard = _UnfinishedRun(run)
    return run


_end_of_thread = threading.local()
"""Holds what happens when the thread ends in which Ray runs a training function."""


class _UnfinishedRun:
    """Warns when a training function has returned without ``run.finish()``, as far as there is time.

    Tune ends the process a few milliseconds later (seen in Ray 2.60), on a busy machine before the function's thread
    has ended: that is too late to finish the run here.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __del__(self) -> None:
        with suppress(Exception):  # at the interpreter's exit anything may be gone
            if sys.modules["wandb"].run is self._run:
                text = "The W&B run %s was not finished: its last rows may be lost. Call run.finish() in a finally."
                logger.warning(text, self._run.id)


def _trial_context() -> TrialContext:
    """Ask Ray where this code runs."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return TrialContext()
    import ray.train
    import ray.tune
    from ray.train.context import TrainContext  # V1's, whatever RAY_TRAIN_V2_ENABLED says

    with warnings.catch_warnings():
        # Where there is no trial, Ray warns and gives None.
        warnings.simplefilter("ignore")
        trial = ray.tune.get_context()
        trial_id: str | None = trial.get_trial_id()
        if trial_id is not None:
            context = TrainContext()
            rank: int | None = context.get_world_rank()  # None in a Tune function
            name, experiment_name = trial.get_trial_name(), trial.get_experiment_name()
            return TrialContext(trial_id, name, experiment_name, rank, context.get_storage())
        try:
            worker = ray.train.get_context()
            experiment: str | None = worker.get_experiment_name()
        except RuntimeError:
            return TrialContext()
        if experiment is None:
            return TrialContext()
        return TrialContext(None, experiment, experiment, worker.get_world_rank())
