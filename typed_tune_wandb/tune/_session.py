"""One experiment: its runs, its sweep and its overview, from the first trial to the end, and across a restore."""

from __future__ import annotations

import logging
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from attrs import evolve
from ray.tune.experiment import Trial
from ray.tune.stopper import Stopper

from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb.errors import TypedTuneWandbError
from typed_tune_wandb.experiment import ExperimentRuns
from typed_tune_wandb.experiment._best import mark
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.experiment._index import INDEX_FILE, Index, from_json, to_json
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.state import OVERVIEW, EndState, RunInfo
from typed_tune_wandb.recording.sweep import SweepInfo
from typed_tune_wandb.settings import LoggerOptions, WandbSettings, nested_setting
from typed_tune_wandb.tune._best import Best
from typed_tune_wandb.tune._metric import find_metric
from typed_tune_wandb.tune._names import KeptNames
from typed_tune_wandb.tune._overview import Overview, overview_config, table_of_trials
from typed_tune_wandb.tune._run_config import redactor_of
from typed_tune_wandb.tune._run_ids import default_run_id, new_suffix
from typed_tune_wandb.tune._sweep import ExperimentSweep
from typed_tune_wandb.tune._trial_states import TrialState, TrialStates

logger = logging.getLogger(__name__)


class Session:
    """What belongs to one experiment, and is never pickled.

    Args:
        options: The logger's own arguments.
        defaults: Settings for all trials.
        overrides: Settings that count more than those of a restored trial.
        saved: What :meth:`save` gave in an earlier session of the experiment; None if there was none.

    Attributes:
        recorder: Records the runs.
        best: What is known of the best trial and checkpoints.
        warn: Warns of each key once.
        states: How the trials are recorded.
        stoppers: What may end the experiment as the user wants it.
        folder: The experiment's folder; None before its first trial.
    """

    def __init__(
        self,
        options: LoggerOptions,
        defaults: WandbSettings,
        overrides: WandbSettings,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        self._options, self._defaults = options, defaults
        self.recorder = Recorder(image_kwargs=options.image_kwargs, video_kwargs=options.video_kwargs)
        self.warn = WarnOnce()
        self.best = Best(find_metric(options), options.upload_checkpoints, (saved or {}).get("best"))
        self.stoppers: list[Stopper] = []
        self.folder: Folder | None = None
        self._sweep = ExperimentSweep(self.best.metric) if options.sweep else None
        self._staging: Folder | None = None  # Tune copies what is there into the experiment's folder
        self.overview = None
        if options.overview:
            self.overview = Overview(self.recorder, self.best.metric, (saved or {}).get("overview"))
        self._restored = saved is not None
        self._earlier = from_json((saved or {}).get("runs", to_json(Index())))
        self._experiment = self._earlier.experiment
        # Ends the ids of the runs; None if an earlier session recorded them under the trials' ids, as 0.1.0 did.
        self._suffix = new_suffix() if saved is None else saved.get("suffix")
        self._positions = None if saved is None else _positions(saved)
        # Trial id → what templates became: it stays where the config changes, under PBT or in a later session.
        self._names: dict[str, KeptNames] = dict((saved or {}).get("names", {}))
        self.states = TrialStates(
            *(options, defaults, overrides),
            recorder=self.recorder,
            warn=self.warn,
            suffix=self._suffix,
            names=self._names,
        )

    def state_of(self, trial: Trial) -> TrialState:
        """Return how a trial is recorded; the first time, everything in its settings is checked."""
        if not self.states.known:
            self.find_folder(trial)
        try:
            return self.states.of(trial)
        except TypedTuneWandbError:
            # The experiment ends here: nothing of it is left running.
            self.recorder.close(self._options.upload_timeout)
            raise

    @property
    def runs(self) -> ExperimentRuns:
        """All runs of the experiment, those of earlier sessions too. A view that follows the changes."""
        own: Any = TrialRuns(self.recorder.runs)
        earlier: Any = self._earlier.runs
        hidden = {"secret_names": self._defaults.secret_names or (), "excludes": self._defaults.excludes or ()}
        runs: Mapping[str, RunInfo] = ChainMap(own, earlier)
        best = self.best.trial(runs, self._earlier.best)
        return ExperimentRuns(runs, self._experiment, self.folder, hidden, self.sweep, best, self._overview_run)

    @property
    def _overview_run(self) -> RunInfo | None:
        return self.recorder.runs.get(OVERVIEW, self._earlier.overview)

    @property
    def sweep(self) -> SweepInfo | None:
        """The experiment's W&B sweep; None if it has none."""
        own = None if self._sweep is None else self._sweep.refresh()
        return own or self._earlier.sweep

    def mark_best(self) -> None:
        """Mark the run of the best trial on the server; one that is not there is marked by ``sync``."""
        runs = self.runs
        best = runs.best_trial
        if best is None or (run := runs.get(best.trial_id)) is None:
            return
        state = self.states.known.get(best.trial_id)
        key = None if state is None or state.key is None else state.key.reveal()
        url = None if state is None else nested_setting(state.settings, "base_url")
        best, problem = mark(self.recorder, best, run, key, url)
        self._earlier = evolve(self._earlier, best=best)
        if problem is not None:
            text = "The W&B run of the best trial, %s, could not be tagged (%s). `typed-tune-wandb sync` does it later."
            logger.warning(text, run.name, problem)

    def save(self) -> dict[str, object]:
        """Return what a restored experiment goes on with: its runs, with the next step and last iteration of each.

        The runs are written to the experiment's folder as well.
        """
        positions = {**(self._positions or {}), **self.recorder.positions}
        runs = self.runs.to_json()
        self._write_index(self._staging, runs)
        own = {"suffix": self._suffix, "names": self._names, "best": self.best.save()}
        if self.overview is not None:
            own["overview"] = self.overview.save()
        return {"positions": positions, "runs": runs, **own}

    def find_folder(self, trial: Trial) -> None:
        """Learn from a trial where the experiment's folder is."""
        if trial.storage is not None:
            self._staging = Folder.at(trial.local_experiment_path)
            self.folder = Folder(trial.storage.storage_filesystem, trial.remote_experiment_path)
        self._experiment = trial.experiment_dir_name
        if self._restored and self.folder is not None:
            with suppress(Exception):  # what Tune saved is older: it has no run's end
                saved = ExperimentRuns.load_from(self.folder)
                known = saved.sweep, saved.best_trial, saved.overview
                self._earlier = Index(self._experiment, dict(saved), {}, *known)

    def save_runs(self) -> None:
        """Write the runs to the experiment's folder: Tune saves no state after its last trial."""
        self._write_index(self.folder, self.runs.to_json())

    def _write_index(self, folder: Folder | None, text: str) -> None:
        if folder is None or not self.runs:
            return
        try:
            folder.write(INDEX_FILE, text)
        except Exception as error:  # of whatever file system
            self.warn(INDEX_FILE, f"it cannot be written to {folder.path} ({type(error).__name__}).")

    def open_run(self, trial: Trial, state: TrialState, config: dict[str, object]) -> None:
        """Open the run of a trial, which goes on where an earlier session of the experiment stopped.

        Args:
            trial: The trial.
            state: How it is recorded.
            config: The run's config.
        """
        init, settings = self.states.init_arguments(trial, state)
        self._open_overview(state, init, settings)
        init["config"] = config
        restored = self._positions is not None and trial.trial_id not in self.recorder.runs
        next_step, iteration = (self._positions or {}).pop(trial.trial_id, (0, 0))
        sweep_file = ""
        if self._sweep is not None:
            sweep_file = self._sweep.join(state.settings, init, settings, self._experiment, self._earlier.sweep)
        self.recorder.open(
            *(trial.trial_id, init, settings, next_step),
            recorded_iteration=iteration,
            restored=restored,
            step_metric=state.settings.step_metric,
            sweep_file=sweep_file,
            aggregates=self.best.aggregates,
            earlier=self._earlier.runs.get(trial.trial_id) if restored else None,
        )

    def _open_overview(self, state: TrialState, init: Mapping[str, Any], settings: Mapping[str, object]) -> None:
        """Open the experiment's overview run, beside the first run of a trial."""
        if self.overview is None or self.overview.is_open or state.mode == "disabled":
            return
        next_step, _ = (self._positions or {}).pop(OVERVIEW, (0, 0))
        redactor = redactor_of(state.settings)
        self.overview.open(
            *(init, settings, overview_config(self._experiment, redactor, tuple(state.settings.excludes or ()))),
            filled=state.names,
            id=default_run_id(OVERVIEW, self._suffix),
            name=str(redactor.redact("name", self._experiment)),
            restored=self._positions is not None,
            next_step=next_step,
            earlier=self._earlier.overview,
        )

    def end_overview(self, trials: list[Trial]) -> None:
        """Record the table of all trials in the overview run, and end it."""
        if self.overview is None or not self.overview.is_open:
            return
        runs = self.runs
        rows = [self._row_of_table(trial, runs.get(trial.trial_id)) for trial in trials]
        self.overview.finish({trial.trial_id: str(trial.status) for trial in trials}, table_of_trials(rows))

    def _row_of_table(self, trial: Trial, run: RunInfo | None) -> dict[str, object]:
        row: dict[str, object] = {"trial_id": trial.trial_id, "status": str(trial.status)}
        if run is not None:
            row |= {"run": run.name, "url": run.url}
        if (state := self.states.known.get(trial.trial_id)) is not None:
            row |= {f"config/{key}": value for key, value in state.parameters(trial.config, self.warn).items()}
            metrics = state.converter.convert(trial.last_result or {}).row
            row |= self.best.value_of(trial.trial_id)
            row |= {key: value for key, value in metrics.items() if isinstance(value, (int, float, str))}
        return row

    def end_run(self, trial: Trial, state: EndState) -> None:
        """End the run of a trial, with its best value in the summary."""
        self.recorder.finish(trial.trial_id, state, self.best.summary(trial.trial_id))

    def end_sweep(self, trials: list[Trial]) -> None:
        """Finish the sweep, if all trials have ended: an experiment that was interrupted may go on in it."""
        if self._sweep is not None:
            ended = all(trial.status in (Trial.TERMINATED, Trial.ERROR) for trial in trials)
            self._sweep.close(finish=ended, timeout_s=self._options.upload_timeout)


class TrialRuns(Mapping[str, RunInfo]):
    """The runs of trials among those of a recorder. A view that follows the changes."""

    def __init__(self, runs: Mapping[str, RunInfo]) -> None:
        self._runs = runs

    def __getitem__(self, trial_id: str) -> RunInfo:
        if trial_id == OVERVIEW:
            raise KeyError(trial_id)
        return self._runs[trial_id]

    def __iter__(self) -> Iterator[str]:
        return (trial_id for trial_id in self._runs if trial_id != OVERVIEW)

    def __len__(self) -> int:
        return len(self._runs) - (OVERVIEW in self._runs)


def _positions(state: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return the next step and the last iteration of each trial's run in a saved state."""
    steps = {trial_id: (step, 0) for trial_id, step in state.get("next_steps", {}).items()}  # written by 0.1.0
    return {**steps, **state.get("positions", {})}
