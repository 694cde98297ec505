"""A W&B run inside the trial's own process: ``wandb_mixin``, ``WandbTrainableMixin`` and ``setup_wandb``.

Where the logger records what is *reported*, these let the training code itself use W&B: ``wandb.log``, tables, images,
its printed lines, and the system metrics of the node it runs on.
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast, overload

from typing_extensions import ParamSpec, TypedDict, Unpack

from typed_tune_wandb._entry import Mode, Reinit, Resume, StrPath
from typed_tune_wandb._secret import Secret
from typed_tune_wandb._strict import type_name
from typed_tune_wandb._trial_run import (
    LONGEST_FINISH,
    Identity,
    LiveRun,
    failing_with,
    hand_over,
    open_run,
    settings_of,
    was_handed_over,
)
from typed_tune_wandb.payload import without_entry
from typed_tune_wandb.settings import WandbSettings, find_entry

if TYPE_CHECKING:
    from ray.tune import Trainable
    from ray.tune.execution.placement_groups import PlacementGroupFactory
    from wandb import Run
else:
    # The mixins stand before a Trainable in a class' bases; they are none, so that this module loads no ray.
    Trainable = object

__all__ = ["WandbTrainableMixin", "is_mixed_in", "setup_wandb", "wandb_mixin"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T", bound="Trainable")


class _OnDriver(Trainable):
    """Lets the driver check a trial's W&B entry, and resolve its login, before the trial starts.

    ``default_resource_request`` is the one place where Tune shows a trial's config to its class on the driver: when the
    trial is added to the experiment, new or restored.
    """

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("default_resource_request")
        if isinstance(own, classmethod):

            def default_resource_request(inner: type[_OnDriver], config: dict[str, Any]) -> object:
                hand_over(config)
                return own.__get__(None, inner)(config)

            cls.default_resource_request = classmethod(default_resource_request)  # type: ignore[assignment]  # seen by Tune alone

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory | None:
        hand_over(config)
        return super().default_resource_request(config)


class WandbTrainableMixin(_OnDriver):
    """A W&B run for each trial of a class trainable: ``class T(WandbTrainableMixin, tune.Trainable)``.

    It stands first in the bases. The run is open before ``setup`` and is ended after ``cleanup``: finished, or failed
    if the setup, a step, a save or a restore raised. With ``reuse_actors=True`` each trial has its own; a trial that is
    paused, retried or restored continues its run by the trial's id. ``config`` has no W&B entry in it.

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
    _live: LiveRun

    def __init_subclass__(cls, **kwargs: object) -> None:
        from ray.tune import Trainable as TuneTrainable

        super().__init_subclass__(**kwargs)
        if [base for base in cls.__mro__ if base in (WandbTrainableMixin, TuneTrainable)][1:] != [TuneTrainable]:
            expected = "class T(WandbTrainableMixin, tune.Trainable)"
            raise TypeError(f"WandbTrainableMixin takes a Trainable after it in a class' bases: {expected}.")

    def __init__(self, config: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> None:
        bare = self._open(config or {})
        try:
            with failing_with(self._live):
                super().__init__(bare, *args, **kwargs)
        except BaseException:
            self._live.leave()
            raise

    def train(self) -> dict[str, Any]:
        """Do an iteration, as Tune asks for it."""
        with failing_with(self._live):
            return super().train()

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """Save a checkpoint, as Tune asks for it."""
        with failing_with(self._live):
            return super().save(*args, **kwargs)

    def restore(self, *args: Any, **kwargs: Any) -> None:
        """Go back to a checkpoint, as Tune asks for it."""
        with failing_with(self._live):
            super().restore(*args, **kwargs)

    def reset(self, new_config: dict[str, Any], *args: Any, **kwargs: Any) -> bool:
        """Take over another trial: the run of the last one ends, that of the next one is opened."""
        self._live.end(0)
        bare = self._open(new_config)
        with failing_with(self._live):
            done = super().reset(bare, *args, **kwargs)
        if not done:
            # Tune fails the trial then.
            self._live.end(1)
        return done

    def stop(self) -> None:
        """Clean up and end the run."""
        try:
            with failing_with(self._live):
                super().stop()
            self._live.end(0)
        finally:
            self._live.leave()

    def _open(self, config: dict[str, Any]) -> dict[str, Any]:
        """Open the run of the trial that a config is of; returns the config less the entry."""
        # Tune hands a trial's names to its class by these keys of the config (seen in ray 2.60), and takes them out.
        from ray.tune.result import STDERR_FILE, STDOUT_FILE, TRIAL_INFO

        trial = config.get(TRIAL_INFO)
        identity = Identity(trial.trial_id, trial.trial_name, trial.experiment_name) if trial else Identity()
        bare = without_entry(config)
        shown = {key: value for key, value in bare.items() if key not in (TRIAL_INFO, STDOUT_FILE, STDERR_FILE)}
        self._live = LiveRun(settings_of(config), shown, identity)
        self.wandb = self._live.run
        return bare


class _FunctionMixin(_OnDriver):
    """Stands before Tune's own class of a function trainable (``__mixins__``): ends the run of a stopped trial."""

    live: ClassVar[LiveRun | None] = None

    def train(self) -> dict[str, Any]:
        try:
            return super().train()
        except BaseException:
            # A generator is still open where its trial fails outside of it.
            if _FunctionMixin.live is not None:
                _FunctionMixin.live.end(1)
            raise

    def stop(self) -> None:
        # This lets the function go on, into SystemExit(0): out of tune.report, through its own finally, out of ours.
        try:
            super().stop()
        finally:
            live = _FunctionMixin.live
            if live is not None:
                if not live.wait(LONGEST_FINISH):
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

    The id, name and group are the trial's id, its name and the experiment's name, unless the entry has its own. The
    run's config is the trial's config. Of the entry's words ``log_config`` says nothing here, and ``excludes`` holds
    for the config: what the trial logs, it logs.

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
    if is_mixed_in(trainable):
        return trainable
    if isinstance(trainable, type):
        from ray.tune import Trainable as TuneTrainable

        if issubclass(trainable, TuneTrainable):
            names = {name: getattr(trainable, name) for name in ("__module__", "__qualname__", "__doc__")}
            return type(trainable.__name__, (WandbTrainableMixin, trainable), names)
    elif callable(trainable):
        return _mixed_function(trainable)
    got = f"the class {trainable.__name__}" if isinstance(trainable, type) else type_name(trainable)
    raise TypeError(f"wandb_mixin takes a training function or a subclass of ray.tune.Trainable, got {got}.")


def is_mixed_in(trainable: object) -> bool:
    """Whether a trainable opens a run of its own: as given to Tune, or as the class that Tune makes of it."""
    classes = (trainable,) if isinstance(trainable, type) else getattr(trainable, "__mixins__", ())
    return any(issubclass(cls, _OnDriver) for cls in classes)


def _mixed_function(train: Callable[..., Any]) -> Callable[..., Any]:
    def many(config: dict[str, Any], *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _function_run(config) as bare:
            return (yield from train(bare, *args, **kwargs))

    def one(config: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        with _function_run(config) as bare:
            return train(bare, *args, **kwargs)

    # Tune itself asks so whether a function gives one result or many.
    chosen: Callable[..., Any] = many if inspect.isgeneratorfunction(train) else one
    mixed = wraps(train, updated=())(chosen)
    if not hasattr(train, "__name__"):
        # A partial is called like its function, an object like its class.
        mixed.__name__ = getattr(getattr(train, "func", type(train)), "__name__", "func")
    # What Tune leaves on a function, and reads again: the resources of with_resources, and classes to mix in.
    marks = {name: getattr(train, name) for name in ("_resources",) if hasattr(train, name)}
    vars(mixed).update(marks, __mixins__=(_FunctionMixin, *getattr(train, "__mixins__", ())))
    return mixed


@contextmanager
def _function_run(config: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """A run for a call of a training function; gives the config that the function receives."""
    identity = _identity()
    if identity.in_ray and not was_handed_over(config):
        raise TypeError(
            "Tune did not see wandb_mixin inside a functools.partial or another wrapper: put it around what Tune gets, "
            "wandb_mixin(functools.partial(...)). In a loop of Ray Train, call setup_wandb instead."
        )
    # With reuse_actors, Ray lets the next trial fail where a function is not over after these seconds.
    os.environ.setdefault("TUNE_FUNCTION_THREAD_TIMEOUT_S", str(LONGEST_FINISH))
    bare = without_entry(config)
    live = LiveRun(settings_of(config), bare, identity)
    _FunctionMixin.live = live
    with failing_with(live):
        yield bare
    live.end(0)


class _RunWords(TypedDict, total=False):
    """The entry's words less ``config`` and ``settings``, which are parameters of ``setup_wandb`` itself."""

    api_key: str | Secret | None
    api_key_file: StrPath | None
    excludes: list[str] | tuple[str, ...] | None
    log_config: bool | None
    run_id: str | None
    run_name: str | None
    entity: str | None
    project: str | None
    dir: StrPath | None
    id: str | None
    name: str | None
    notes: str | None
    tags: list[str] | tuple[str, ...] | None
    config_exclude_keys: list[str] | None
    config_include_keys: list[str] | None
    allow_val_change: bool | None
    group: str | None
    job_type: str | None
    mode: Mode | None
    force: bool | None
    reinit: Reinit | None
    resume: Resume | None
    resume_from: str | None
    fork_from: str | None
    save_code: bool | None
    tensorboard: bool | None
    sync_tensorboard: bool | None
    monitor_gym: bool | None


def setup_wandb(
    config: Mapping[str, object] | None = None,
    *,
    settings: WandbSettings | None = None,
    rank_zero_only: bool = True,
    **overrides: Unpack[_RunWords],
) -> Run:
    """Open a W&B run in a Tune function, on a Ray Train worker (V1 and V2), or in a plain script.

    The caller has to end it, in a trial or on a worker best in a ``finally``: ``run.finish()``. Ray kills wandb's
    service together with the process: a run that is still open then loses its last rows, those of the last second or so
    in its local file, and has no exit code. ``run.finish()`` comes back a moment before the local file is closed: where
    the process ends right then and the file counts (offline), call ``wandb.teardown()`` after it. In a trial,
    :func:`wandb_mixin` does all this by itself. A run that is still open when the next is opened is finished then.

    In a Tune function the run's id, name and group are the trial's id, its name and the experiment's name; on a Ray
    Train V1 worker likewise, and on V2, which knows no trial, name and group are the experiment's name and wandb makes
    the id: give one to continue the run when Ray Train restarts its workers.

    The login is that of the node, or a key in the settings: ``WandbSettings(api_key=...).to_config()`` reaches every
    node without being written anywhere. Local files go to the folder ``wandb`` in the process' current one, which is
    Tune's or Ray Train's own for a trial or worker: ``dir`` names another.

    Args:
        config: The config of the trial or of the train loop. It becomes the run's config; its W&B entry, if it has one,
            counts more than ``settings``.
        settings: Settings of the run; by default there are none but the entry and the overrides.
        rank_zero_only: On a Ray Train worker: a live run on rank 0 and a disabled one, which takes everything and
            records nothing, on the others. With False, each rank has a run of its own, in one group: its name, and a
            given id, end in ``-rank-<n>``.
        **overrides: Words of the entry (``project="mnist"``): they count most.

    Raises:
        WandbSettingsError: Mistakes in the entry or in the overrides; no project; no usable key.
        wandb.Error: W&B could not open the run.

    Example:
        >>> from typed_tune_wandb import setup_wandb
        >>> run = setup_wandb({"lr": 0.1}, project="mnist", mode="disabled")
        >>> run.log({"loss": 0.5})
        >>> run.finish()
    """
    identity = _identity()
    said = settings or WandbSettings()
    if config is not None and find_entry(config) is not None:
        said = said.overridden_by(settings_of(config))
    said = said.overridden_by(cast("Mapping[str, object]", overrides), source="setup_wandb(...)")
    if identity.rank is not None and not rank_zero_only:
        suffix = f"-rank-{identity.rank}"
        words = {"id": said.id or identity.id, "name": said.name or identity.name}
        said = said.overridden_by({name: f"{word}{suffix}" for name, word in words.items() if word})
    elif identity.rank:
        said, identity = WandbSettings(mode="disabled"), Identity()
    return open_run(said, config or {}, identity)


def _identity() -> Identity:
    """Ask Ray where this code runs."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return Identity()
    import ray.train
    import ray.tune
    from ray.train.context import TrainContext  # V1's, whatever RAY_TRAIN_V2_ENABLED says

    with warnings.catch_warnings():
        # Where there is no trial, Ray warns and gives None.
        warnings.simplefilter("ignore")
        trial = ray.tune.get_context()
        trial_id: str | None = trial.get_trial_id()
        if trial_id is not None:
            rank: int | None = TrainContext().get_world_rank()  # None in a Tune function
            return Identity(trial_id, trial.get_trial_name(), trial.get_experiment_name(), rank)
        try:
            worker = ray.train.get_context()
            experiment: str | None = worker.get_experiment_name()
        except RuntimeError:
            return Identity()
        if experiment is None:
            return Identity()
        return Identity(None, experiment, experiment, worker.get_world_rank())
