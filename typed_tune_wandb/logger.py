"""WandbLogger: Tune's callback events, turned into calls of the recorder."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from attrs import Factory, define
from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.stopper import Stopper, TimeoutStopper
from typing_extensions import Unpack

from typed_tune_wandb._checkpoints import artifact_of
from typed_tune_wandb._entry import hide_key
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.credentials import Credential, inner_word, mode_of, resolve
from typed_tune_wandb.errors import Problem, TypedTuneWandbError, WandbLoginError, WandbRunError, WandbSettingsError
from typed_tune_wandb.location import located
from typed_tune_wandb.payload import ResultReader, WarnOnce, storable_config
from typed_tune_wandb.recorder import Recorder, RunRecord
from typed_tune_wandb.settings import WandbConfigDict, WandbInitKwargs, WandbSettings, find_entry
from typed_tune_wandb.trainable import is_mixed_in

if TYPE_CHECKING:
    import wandb

logger = logging.getLogger(__name__)

_ITERATION: Final = "training_iteration"
_UPLOAD_TIMEOUT: Final = 300.0
_INLINE_KEY: Final = (
    "it stands in the raw dict, readable. From here on it is hidden, but Tune had already handed it to the trial and "
    "written it to its searcher's state (basic-variant-state-*.json), which keeps it, and to experiment_state-*.json, "
    "which loses it when the experiment goes on. "
    'Write "api_key_file" there instead, or pass WandbSettings(api_key=...).to_config() as the entry.'
)


@define
class _TrialPlan:
    """How one trial is recorded: decided before it starts, from its own config and the logger's defaults."""

    settings: WandbSettings
    key: Secret | None
    reader: ResultReader
    conceals: bool = False
    sent_config: dict[str, object] = Factory(dict)
    next_step: int = 0


class WandbLogger(LoggerCallback):
    """Records every trial of a Tune experiment as a W&B run.

    A trial's settings are the logger's, overridden field by field by the entry ``config["wandb"]`` of the trial (also
    in RLlib's ``logger_config``). What neither names is Tune's: the run's id is the trial's id, its name the trial's
    name, its group the experiment's name, its config the trial's config without the W&B entry.

    A mistake in them ends the experiment before a trial has trained. After that, nothing that W&B does holds up or ends
    the training, unless ``on_error="raise"``.

    Args:
        defaults: Settings for all trials.
        upload_checkpoints: Store each checkpoint that Tune saves as a version of the artifact ``checkpoint_{name}``.
        upload_timeout: The longest wait, in seconds, for uploads when the experiment ends. Default 300.
        on_error: What a run that cannot be opened costs: ``"warn"`` (default), that run (one that the server refuses is
            recorded offline); ``"raise"``, the experiment.
        media: Turn numeric arrays into media: 3-D an Image, 4-D Images, 5-D Videos.
        image_kwargs: Arguments of ``wandb.Image`` for them.
        video_kwargs: Arguments of ``wandb.Video`` for them.
        verify: Check key and server before the first trial, where runs are online.
        mask_secrets: Store ``***`` in the run's config for texts under keys such as ``token`` or ``password``.
        **fields: Fields of :class:`WandbSettings`, as a short form of ``defaults``.

    Raises:
        WandbSettingsError: The settings have mistakes.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import WandbLogger
        >>> run_config = tune.RunConfig(callbacks=[WandbLogger(project="mnist", mode="offline")])
    """

    def __init__(
        self,
        defaults: WandbSettings | None = None,
        /,
        *,
        upload_checkpoints: bool = False,
        upload_timeout: float = _UPLOAD_TIMEOUT,
        on_error: Literal["warn", "raise"] = "warn",
        media: bool = False,
        image_kwargs: Mapping[str, object] | None = None,
        video_kwargs: Mapping[str, object] | None = None,
        verify: bool = True,
        mask_secrets: bool = True,
        **fields: Unpack[WandbConfigDict],
    ) -> None:
        said = WandbSettings() if defaults is None else WandbSettings.from_dict(defaults, source="WandbLogger(...)")
        self._defaults = said.overridden_by(fields, source="WandbLogger(...)")
        self._upload_checkpoints = upload_checkpoints
        self._upload_timeout = upload_timeout
        self._on_error = on_error
        self._media = media
        self._image_kwargs = image_kwargs
        self._video_kwargs = video_kwargs
        self._verify = verify
        self._mask_secrets = mask_secrets
        self._restored_with = WandbSettings()
        self._begin()

    def _begin(self) -> None:
        """The state of an experiment, as opposed to what the user said."""
        self._plans: dict[str, _TrialPlan] = {}
        self._trial_of_run: dict[tuple[str | None, str], str] = {}
        self._restored_steps: dict[str, int] = {}
        self._warn = WarnOnce()
        # What trials share is checked for the first of them: a lookup of the trainable alone takes milliseconds.
        self._checked: set[Credential | Path | str] = set()
        self._stoppers: list[Stopper] = []
        self._recorder = Recorder(image_kwargs=self._image_kwargs, video_kwargs=self._video_kwargs)

    # Tune pickles its callbacks into tuner.pkl: what the user said goes there (a key as a reference alone).

    def __getstate__(self) -> dict[str, object]:
        made_anew = {"_plans", "_trial_of_run", "_restored_steps", "_warn", "_checked", "_stoppers", "_recorder"}
        return {name: value for name, value in self.__dict__.items() if name not in made_anew}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._restored_with = self._restored_with.overridden_by(_said_on_restore)
        self._begin()

    @property
    def defaults(self) -> WandbSettings:
        """Settings for all trials, as they were given."""
        return self._defaults

    @property
    def runs(self) -> Mapping[str, RunRecord]:
        """Trial id → the run's id, name, URL or local path, state and recorded rows, as they are now."""
        return self._recorder.runs

    # --- Tune's events ------------------------------------------------------------------------------------------------

    def setup(self, *args: Any, stop: object = None, time_budget_s: object = None, **info: Any) -> None:
        """Called once, before the first trial: starts the recorder, so that it is ready when a trial is."""
        self._stoppers = [item for item in (stop if isinstance(stop, list) else [stop]) if isinstance(item, Stopper)]
        if isinstance(time_budget_s, (int, float, timedelta)):
            self._stoppers.append(TimeoutStopper(time_budget_s))
            self._stoppers[-1].stop_all()  # its time begins now
        self._recorder.start()

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called at each turn of Tune's loop: checks the trials that have come, before they have a worker."""
        if len(trials) != len(self._plans):
            for trial in trials:
                self._plan(trial)
        # Here, because Tune wraps what is raised while it takes in a result.
        if self._on_error == "raise" and any(run.problem is not None for run in self.runs.values()):
            self._recorder.close(self._upload_timeout)
            self._raise_if_lost()

    def log_trial_start(self, trial: Trial) -> None:
        """Open the trial's run; after a pause or a retry, it is still open and goes on."""
        plan = self._plan(trial)
        config = storable_config(trial.config, plan.settings.excludes, mask_secrets=self._mask_secrets)
        if self._recorder.is_open(trial.trial_id):
            self._recorder.update_config(trial.trial_id, config)
            return
        init, settings = self._init_arguments(trial, plan, config)
        self._recorder.open(trial.trial_id, init, settings, plan.next_step)

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Record a row."""
        plan = self._plan(trial)
        if plan.conceals:
            conceal_key(result.get("config"))  # before Tune's own loggers write it down
        if trial.trial_id not in self.runs:
            self.log_trial_start(trial)
        payload = plan.reader.read(result)
        # "date" is another one each second: alone it is no news.
        news = {**payload.config, "date": None}
        if news == plan.sent_config:
            payload.config = {}
        plan.sent_config = news
        step = max(int(result.get(_ITERATION, 0)), plan.next_step)
        plan.next_step = step + 1
        self._recorder.log(trial.trial_id, step, payload)

    def log_trial_save(self, trial: Trial) -> None:
        """Upload the checkpoint that Tune has saved, with ``upload_checkpoints``."""
        if self._upload_checkpoints and trial.checkpoint is not None and self._recorder.is_open(trial.trial_id):
            metrics = self._plan(trial).reader.read(trial.last_result).row
            name = self.runs[trial.trial_id].name
            self._recorder.save_checkpoint(artifact_of(trial.checkpoint, trial.trial_id, name, metrics))

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """End the trial's run, as failed or finished."""
        self._recorder.finish(trial.trial_id, "failed" if failed else "finished")

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """End the runs that are still open, and wait until all are up, at most ``upload_timeout`` seconds."""
        # Trials that Tune ends by itself are terminated without another word: as the user wanted it (a stopper, a time
        # budget), or not (Ctrl-C, fail_fast).
        wanted = any(stopper.stop_all() for stopper in self._stoppers)
        for trial in trials:
            failed = trial.status == Trial.ERROR
            finished = trial.status == Trial.TERMINATED and wanted
            self._recorder.finish(trial.trial_id, "failed" if failed else "finished" if finished else "interrupted")
        self._recorder.close(self._upload_timeout, tell=lambda line: print(line, file=sys.stderr))
        for run in self.runs.values():
            if run.problem is not None:
                logger.error(
                    "The W&B run %s (%s) is not on the server as it should be: %s. What there is of it is in %s. %s",
                    *(run.name, run.id, run.problem, run.path or "no file", run.how_to_upload),
                )
        if self._on_error == "raise":
            self._raise_if_lost()

    def _raise_if_lost(self) -> None:
        for run in self.runs.values():
            if run.problem is not None:
                lost = "lost" if run.state == "lost" else "not online"
                raise WandbRunError(f"The W&B run of trial {run.trial_id} is {lost}: {run.problem}.")

    def get_state(self) -> dict[str, object]:
        """What a restored experiment goes on with: the next step of each trial's run."""
        self._recorder.flush()  # a row that Tune's own state counts as reported is not in this process alone any more
        return {"next_steps": {trial_id: plan.next_step for trial_id, plan in self._plans.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where an earlier session's state was saved."""
        self._restored_steps = dict(state.get("next_steps", {}))

    # --- from a trial to its run --------------------------------------------------------------------------------------

    def _plan(self, trial: Trial) -> _TrialPlan:
        """The trial's plan; made, and everything in it checked, the first time."""
        plan = self._plans.get(trial.trial_id)
        if plan is None:
            try:
                plan = self._new_plan(trial)
            except TypedTuneWandbError:
                # The experiment ends here: nothing of it stays behind.
                self._recorder.close(self._upload_timeout)
                raise
            self._plans[trial.trial_id] = plan
        return plan

    def _new_plan(self, trial: Trial) -> _TrialPlan:
        if trial.trainable_name not in self._checked:
            _check_trainable(trial)
            self._checked.add(trial.trainable_name)
        # First of all: Tune writes the config down where it has mistakes, too.
        conceals = conceal_key(trial.config)
        if conceals:
            self._warn("api_key", _INLINE_KEY)
            _check_search_values(trial)
        settings = self._settings_of(trial)
        credential = resolve(settings)
        folder = _folder_of(settings)
        if mode_of(settings) != "disabled" and folder not in self._checked:
            _check_folder(folder)
            self._checked.add(folder)
        if self._verify and mode_of(settings) == "online":
            self._verify_once(settings, credential)
        run = (settings.project, _run_id(settings, trial))
        other = self._trial_of_run.setdefault(run, trial.trial_id)
        if other != trial.trial_id:
            message = f"the trials {other} and {trial.trial_id} come to the same W&B run: leave id out, or vary it."
            raise WandbSettingsError([Problem("id", message)])
        reader = ResultReader(
            settings.excludes,
            log_config=settings.log_config,
            media=self._media,
            warn=self._warn,
            mask_secrets=self._mask_secrets,
        )
        next_step = self._restored_steps.get(trial.trial_id, 0)
        return _TrialPlan(settings, credential.key, reader, conceals, next_step=next_step)

    def _verify_once(self, settings: WandbSettings, credential: Credential) -> None:
        """Ask the server, before the first trial with this key trains, whether it takes the key.

        Raises:
            WandbLoginError: It does not, or there is no server.
        """
        if credential in self._checked:
            return
        key = None if credential.key is None else credential.key.reveal()
        answer = self._recorder.verify(key, inner_word(settings, "base_url"))
        if answer.problem is not None:
            raise WandbLoginError(
                f"W&B at {answer.url} does not take the API key from {credential.source}, or is not there "
                f"({answer.problem}). Check the key and WANDB_BASE_URL, or record with mode='offline' and upload later "
                "by `wandb sync`; WandbLogger(verify=False) leaves this check out."
            )
        self._checked.add(credential)

    def _settings_of(self, trial: Trial) -> WandbSettings:
        found = find_entry(trial.config)
        if found is None and self._defaults == WandbSettings():
            found = ("", WandbSettings.from_config(trial.config))  # raises: nobody says anything
        source, entry = found or ("", WandbSettings())
        settings = self._defaults.overridden_by(cast("WandbConfigDict", entry), source=source)
        return located(settings.overridden_by(self._restored_with), default_group=trial.experiment_dir_name)

    def _init_arguments(
        self, trial: Trial, plan: _TrialPlan, config: dict[str, object]
    ) -> tuple[WandbInitKwargs, dict[str, object]]:
        """The arguments of ``wandb.init`` and of ``wandb.Settings`` for a trial's run."""
        init = WandbInitKwargs(id=_run_id(plan.settings, trial), name=str(trial), allow_val_change=True)
        if plan.settings.resume_from is None and plan.settings.fork_from is None:
            # W&B's advice for a run with an explicit id: a retry or a restore goes on with it.
            init["resume"] = "allow"
        init.update(plan.settings.init_kwargs())
        own_config = init.get("config")
        if not isinstance(own_config, str):
            init["config"] = {**config, **storable_config(own_config or {}, mask_secrets=self._mask_secrets)}
        init.pop("reinit", None)  # the recorder holds many runs: each is created beside the others
        given = init.pop("settings", None)
        settings = dict(given) if isinstance(given, dict) else _said_in(given)
        if plan.key is not None:
            settings["api_key"] = plan.key.reveal()
        return init, settings


def _check_trainable(trial: Trial) -> None:
    """One run for a trial: the logger's, or the trainable's own.

    Raises:
        WandbSettingsError: The trainable opens its own.
    """
    if is_mixed_in(trial.get_trainable_cls()):
        message = "the trainable opens its own run (wandb_mixin): leave WandbLogger out, or the mixin."
        raise WandbSettingsError([Problem("wandb", message)], "the experiment")


def _check_search_values(trial: Trial) -> None:
    """Tune names folders by search values: a key must be none.

    Raises:
        WandbSettingsError: It is one.
    """
    found = find_entry(trial.config)
    key = found[1].get("api_key") if found and isinstance(found[1], dict) else None
    text = key.reveal() if isinstance(key, Secret) else None
    if text is not None and text in repr(trial.evaluated_params):
        advice = (
            "it is a search value, which Tune writes into names of folders: search over WandbSettings(api_key=...)."
        )
        raise WandbSettingsError([Problem("api_key", advice)])


def _folder_of(settings: WandbSettings) -> Path:
    """Where a run's local files go."""
    return Path(settings.dir or inner_word(settings, "root_dir") or os.environ.get("WANDB_DIR") or ".").expanduser()


def _check_folder(folder: Path) -> None:
    """Local files need a folder that can be written: wandb would quietly take another one.

    Raises:
        WandbSettingsError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WandbSettingsError([Problem("dir", f"{folder} cannot be written ({error.strerror}).")]) from None


def _run_id(settings: WandbSettings, trial: Trial) -> str:
    # wandb wants the id of a run that is rewound to be its own.
    rewound = (settings.resume_from or "").partition("?")[0]
    return settings.id or rewound or str(trial.trial_id)


_said_on_restore = WandbSettings()


@contextmanager
def restored_with(overrides: WandbSettings | None = None, /, **fields: Unpack[WandbConfigDict]) -> Iterator[None]:
    """Give the WandbLogger of a restored experiment other settings: a new key, another folder, another mode.

    ``Tuner.restore`` brings the logger back as it was and takes no callbacks. What is said here counts more than the
    logger's own settings and than each trial's entry, now and in later restores. Keys are in no file of an experiment:
    one that was given in settings must be given again, if neither ``WANDB_API_KEY`` nor wandb's login is there.

    Args:
        overrides: Settings for all trials.
        **fields: Fields of :class:`WandbSettings`, as a short form.

    Raises:
        WandbSettingsError: The settings have mistakes.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import restored_with
        >>> with restored_with(api_key_file="~/other_key"):
        ...     tuner = tune.Tuner.restore("~/ray_results/exp", train_fn)  # doctest: +SKIP
    """
    global _said_on_restore
    before = _said_on_restore
    _said_on_restore = (overrides or WandbSettings()).overridden_by(fields, source="restored_with(...)")
    try:
        yield
    finally:
        _said_on_restore = before


def conceal_key(config: object) -> bool:
    """Put a hidden key in the place of a readable one in a config's W&B entry; whether there was one."""
    found = find_entry(config) if isinstance(config, Mapping) else None
    if found is None or not isinstance(found[1], dict):
        return False
    entry: dict[str, object] = found[1]
    return hide_key(entry)


def _said_in(settings: wandb.Settings | None) -> dict[str, object]:
    """What a user set in a ``wandb.Settings``, as arguments for another one."""
    if settings is None:
        return {}
    return {name: getattr(settings, name) for name in settings.model_fields_set}
