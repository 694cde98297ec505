"""How each trial of an experiment is recorded: decided from its config, and checked, before the trial starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from attrs import Factory, define
from ray.tune.experiment import Trial
from ray.tune.utils import flatten_dict

from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb.credentials import Credential, Secret, resolve_api_key
from typed_tune_wandb.errors import Problem, WandbLoginError, WandbSettingsError
from typed_tune_wandb.payload import ResultConverter
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.settings import (
    LoggerOptions,
    WandbConfigDict,
    WandbInitKwargs,
    WandbSettings,
    check_environment,
    check_with_wandb,
    effective_mode,
    find_wandb_entry,
    has_project_in_environment,
    local_folder,
    nested_setting,
    redact_api_key,
    resolve_destination,
)
from typed_tune_wandb.settings._types import Mode
from typed_tune_wandb.tune._checks import (
    check_folder,
    check_search_values,
    check_trainable,
    describe_login_problem,
)
from typed_tune_wandb.tune._init_arguments import explicit_run_id, explicit_wandb_settings, init_arguments
from typed_tune_wandb.tune._inline_key import inline_key_warning
from typed_tune_wandb.tune._names import KeptNames, NameFiller, TrialNames
from typed_tune_wandb.tune._run_config import redactor_of, run_config, with_config_file
from typed_tune_wandb.tune._run_ids import default_run_id
from typed_tune_wandb.tune._saved_code import RECORDER_CODE_SETTINGS, code_settings

logger = logging.getLogger(__name__)

_INLINE_KEY: Final = inline_key_warning(
    "its searcher's state (basic-variant-state-*.json), which keeps it, and to experiment_state-*.json, which loses it "
    "when the experiment goes on, and had sent it to the trial"
)


@define
class TrialState:
    """How one trial is recorded: decided before it starts, from its own config and the logger's defaults."""

    settings: WandbSettings
    mode: Mode
    key: Secret | None
    key_source: str
    converter: ResultConverter
    code: dict[str, str]
    names: dict[str, object]
    """What the templates in the settings have become."""
    had_inline_key: bool = False
    last_config: dict[str, object] = Factory(dict)
    """What Tune's last result said of the trial; only differences are sent."""

    def parameters(self, config: dict[str, Any], warn: Callable[[str, str], None]) -> dict[str, object]:
        """Return the trial's hyperparameters as its run's config has them, nested ones with ``/``."""
        flat = flatten_dict(run_config(self.settings, config, warn), delimiter="/")
        return {key: value if isinstance(value, (int, float, str, bool)) else str(value) for key, value in flat.items()}

    @property
    def common_group(self) -> str | None:
        """The group of all runs; None where a template gives each its own."""
        return None if "group" in self.names else self.settings.group


class TrialStates:
    """How the trials of one experiment are recorded.

    Args:
        options: The logger's own arguments.
        defaults: Settings for all trials.
        overrides: Settings that count more than those of a restored trial.
        recorder: Asks the server whether it accepts a key.
        warn: Warns of each key once.
        suffix: Ends the ids of the runs, so that another experiment has others.
        names: Trial id → what templates became in an earlier session of the experiment; gets those of new trials.

    Attributes:
        known: Trial id → the state of a trial that was checked.
        progress: Called with a line about what is waited for.
    """

    def __init__(
        self,
        options: LoggerOptions,
        defaults: WandbSettings,
        overrides: WandbSettings,
        *,
        recorder: Recorder,
        warn: WarnOnce,
        suffix: str | None,
        names: dict[str, KeptNames],
    ) -> None:
        self._options, self._defaults, self._overrides = options, defaults, overrides
        self._recorder, self._warn, self._suffix, self._names = recorder, warn, suffix, names
        self.known: dict[str, TrialState] = {}
        self.progress: Callable[[str], None] = logger.info
        self._trial_of_run: dict[tuple[str | None, str | None], str] = {}
        # For an earlier trial: looking a trainable up takes milliseconds.
        self._checked: set[Credential | Path | str] = set()

    def of(self, trial: Trial) -> TrialState:
        """Return how a trial is recorded; the first time, everything in its settings is checked.

        Raises:
            TypedTuneWandbError: Something in them is wrong, or W&B does not accept the key.
        """
        state = self.known.get(trial.trial_id)
        if state is None:
            state = self.known[trial.trial_id] = self._new(trial)
        return state

    def init_arguments(self, trial: Trial, state: TrialState) -> tuple[WandbInitKwargs, dict[str, object]]:
        """Return the arguments of ``wandb.init``, without the config, and of ``wandb.Settings`` for a trial's run."""
        run_id = self.run_id(state.settings, trial)
        init = init_arguments(state.settings, default_id=run_id, name=str(trial), filled=state.names)
        init["id"] = run_id  # also where the run is rewound
        init.setdefault("mode", state.mode)  # the program may have set it in wandb alone
        init.pop("reinit", None)  # the recorder holds many runs: each is created beside the others
        given = state.settings.settings
        settings = dict(given) if isinstance(given, dict) else explicit_wandb_settings(given)
        if state.code:
            settings = {**RECORDER_CODE_SETTINGS, **settings, **state.code}
        if state.key is not None:
            settings["api_key"] = state.key.reveal()
        return init, settings

    def run_id(self, settings: WandbSettings, trial: Trial) -> str:
        """Return the id of a trial's run."""
        return explicit_run_id(settings) or default_run_id(trial.trial_id, self._suffix)

    def _new(self, trial: Trial) -> TrialState:
        if not self.known:
            check_environment(os.environ)
        if trial.trainable_name not in self._checked:
            check_trainable(trial)
            self._checked.add(trial.trainable_name)
        # First of all: Tune writes the config down even if it has mistakes.
        had_inline_key = redact_api_key(trial.config)
        if had_inline_key:
            self._warn("api_key", _INLINE_KEY)
            check_search_values(trial)
        settings = self._settings_of(trial)
        if problems := check_with_wandb(settings.settings):
            raise WandbSettingsError(problems, "the settings")
        credential = resolve_api_key(settings)
        folder, mode = local_folder(settings), cast("Mode", effective_mode(settings))
        if mode != "disabled" and folder not in self._checked:
            check_folder(folder)
            self._checked.add(folder)
        if self._options.verify and mode == "online":
            self._verify_once(settings, credential)
        self._check_run_is_its_own(settings, trial)
        converter = ResultConverter(
            settings.excludes,
            metrics=settings.metrics,
            step_metric=settings.step_metric,
            log_config=settings.log_config,
            media=self._options.media,
            warn=self._warn,
            redactor=redactor_of(settings),
        )
        key, code = credential.explicit_key, code_settings(settings)
        names = self._fill_names(trial, settings, credential)
        return TrialState(settings, mode, key, credential.source, converter, code, names, had_inline_key)

    def _fill_names(self, trial: Trial, settings: WandbSettings, credential: Credential) -> dict[str, object]:
        names = TrialNames(trial.trainable_name, trial.experiment_dir_name, trial.trial_id, str(trial))
        key = None if credential.secret is None else credential.secret.reveal()
        kept = self._names.get(trial.trial_id, {})
        filled = NameFiller(settings, names, trial.config, self._warn, key, kept).arguments()
        if kept:
            self._names[trial.trial_id] = kept
        return filled

    def _check_run_is_its_own(self, settings: WandbSettings, trial: Trial) -> None:
        """Check that no other trial has the same run.

        Raises:
            WandbSettingsError: One has.
        """
        run = settings.project, self.run_id(settings, trial)
        other = self._trial_of_run.setdefault(run, trial.trial_id)
        if other != trial.trial_id:
            message = (
                f"the trials {other} and {trial.trial_id} come to the same W&B run: leave id and resume_from (also "
                "WANDB_RESUME_FROM) out, or vary them."
            )
            raise WandbSettingsError([Problem("id", message)])

    def _verify_once(self, settings: WandbSettings, credential: Credential) -> None:
        """Ask the server whether it accepts the key, before the first trial with this key trains.

        Raises:
            WandbLoginError: It does not, or there is no server.
        """
        if credential in self._checked:
            return
        key = None if credential.explicit_key is None else credential.explicit_key.reveal()
        answer = self._recorder.check_login(key, nested_setting(settings, "base_url"), progress=self.progress)
        if answer.problem is not None:
            url = str(redactor_of(settings).redact("url", answer.url))  # it may hold a password
            raise WandbLoginError(describe_login_problem(answer.problem, url, credential.source))
        self._checked.add(credential)

    def _settings_of(self, trial: Trial) -> WandbSettings:
        found = find_wandb_entry(trial.config)
        if found is None and self._defaults == WandbSettings() and not has_project_in_environment():
            found = ("", WandbSettings.from_config(trial.config))  # raises: there are no settings at all
        source, entry = found or ("", WandbSettings())
        settings = self._defaults.merged_with(cast("WandbConfigDict", entry), source=source)
        settings = with_config_file(settings.merged_with(self._overrides))
        return resolve_destination(settings, default_group=trial.experiment_dir_name)
