"""WandbLogger: Tune's callback events, turned into calls of the recorder."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from ray.tune.experiment import Trial
from ray.tune.logger import LoggerCallback
from ray.tune.stopper import Stopper, TimeoutStopper
from typing_extensions import Unpack

from typed_tune_wandb import _cluster
from typed_tune_wandb._versions import log_newer_versions
from typed_tune_wandb.errors import WandbRunError
from typed_tune_wandb.experiment import ExperimentRuns
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.checkpoints import checkpoint_artifact
from typed_tune_wandb.settings import (
    MAX_NAME_CHARS,
    Goal,
    UploadCheckpoints,
    WandbConfigDict,
    WandbSettings,
    local_folder,
    redact_api_key,
    validate_logger_arguments,
)
from typed_tune_wandb.tune._console import Console
from typed_tune_wandb.tune._names import artifact_name
from typed_tune_wandb.tune._restore import override_on_restore
from typed_tune_wandb.tune._run_config import run_config
from typed_tune_wandb.tune._session import Session
from typed_tune_wandb.tune._tune_call import is_silent

logger = logging.getLogger(__name__)

_ITERATION: Final = "training_iteration"
_UPLOAD_TIMEOUT_S: Final = 300.0
_MAX_CHECKPOINT_NAME_CHARS: Final = MAX_NAME_CHARS - len("checkpoint_")


class WandbLogger(LoggerCallback):
    """Records every trial of a Tune experiment as a W&B run.

    A trial's settings are the logger's, overridden field by field by the entry ``config["wandb"]`` of the trial (also
    in RLlib's ``logger_config``). What neither names is Tune's: the run's name is the trial's name, its group the
    experiment's name, its config the trial's config without the W&B entry, and its id the trial's id with eight
    hexadecimal digits after it, which are the experiment's. A restored experiment goes on in the same runs. Names
    may be templates: see :class:`WandbSettings`.

    A mistake in them ends the experiment before a trial has trained. After that, nothing that W&B does holds up or ends
    the training, unless ``on_error="raise"``.

    Args:
        defaults: Settings for all trials.
        upload_checkpoints: Which checkpoints that Tune saves become versions of their trial's artifact
            ``checkpoint_{name}``: ``False`` (default), none; ``True``, each, at once; ``"best"``, the best one of a
            trial, ``"last"``, the last one, and a number N, the N best ones, when its run ends. A version has the
            aliases ``latest`` and ``iteration-{number}``; the best one of its trial has ``best``.
        upload_timeout: The longest wait, in seconds (0 or more), for uploads when the experiment ends. Default 300.
        on_error: What a run that cannot be opened costs: ``"warn"`` (default), that run (one that the server refuses is
            recorded offline); ``"raise"``, the experiment.
        media: Turn numeric arrays into media: 3-D an Image, 4-D Images, 5-D Videos.
        image_kwargs: Arguments of ``wandb.Image`` for them.
        video_kwargs: Arguments of ``wandb.Video`` for them.
        verify: Check key and server before the first trial, where runs are online.
        sweep: Make the experiment a W&B sweep of Tune's search space, to which the trials' runs belong.
        quiet: Print nothing to the console; so does ``verbose=0`` of Tune. Warnings are logged all the same.
        metric: The metric by which trials and checkpoints are compared, nested ones with ``/``. Default: that of
            ``tune.TuneConfig``, of the searcher or of the scheduler; ``False``: none. A run's summary has its best
            value, as ``{metric}.max`` or ``{metric}.min``, and the best trial's run gets the tag ``best`` when the
            experiment ends. A value that is no finite number is never the best.
        goal: ``"maximize"`` or ``"minimize"``, together with ``metric``.
        overview: Record one more run, of the job type ``tune``: the search space and the versions as its config, the
            best value and the numbers of trials over time, and a table of all trials.
        **fields: Fields of :class:`WandbSettings`, as a short form of ``defaults``.

    Raises:
        WandbSettingsError: The arguments or the settings have mistakes: all are named at once.

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
        upload_checkpoints: UploadCheckpoints = False,
        upload_timeout: float = _UPLOAD_TIMEOUT_S,
        on_error: Literal["warn", "raise"] = "warn",
        media: bool = False,
        image_kwargs: Mapping[str, object] | None = None,
        video_kwargs: Mapping[str, object] | None = None,
        verify: bool = True,
        sweep: bool = False,
        quiet: bool = False,
        metric: str | Literal[False] | None = None,
        goal: Goal | None = None,
        overview: bool = False,
        **fields: Unpack[WandbConfigDict],
    ) -> None:
        arguments = {
            "upload_checkpoints": upload_checkpoints,
            "upload_timeout": upload_timeout,
            "on_error": on_error,
            "media": media,
            "image_kwargs": image_kwargs,
            "video_kwargs": video_kwargs,
            "verify": verify,
            "sweep": sweep,
            "quiet": quiet,
            "metric": metric,
            "goal": goal,
            "overview": overview,
        }
        self._options, self._defaults = validate_logger_arguments(arguments, defaults, fields)
        self._restored_with = WandbSettings()
        self._restored_state: Mapping[str, Any] | None = None
        self._session = self._new_session()
        self._mailbox: str | None = None
        self._fetched_runs = ExperimentRuns({})
        self._console = Console(quiet=quiet)

    def _new_session(self) -> Session:
        return Session(self._options, self._defaults, self._restored_with, self._restored_state)

    # Tune pickles its callbacks into tuner.pkl: what the user gave goes there (a key as a reference alone).

    def __getstate__(self) -> dict[str, object]:
        if self._mailbox is None and _cluster.is_client():
            self._mailbox = f"runs/{uuid4().hex}"  # Tune runs with the copy that is pickled now
        own = ("_session", "_restored_state", "_fetched_runs", "_console")
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, object]) -> None:
        self._mailbox = None  # a pickle of an older release has none
        for name, value in state.items():
            setattr(self, name, value)
        self._restored_with = override_on_restore(self._restored_with)
        self._restored_state = None
        self._session = self._new_session()
        self._fetched_runs = ExperimentRuns({})
        self._console = Console(quiet=self._options.quiet)

    @property
    def defaults(self) -> WandbSettings:
        """Settings for all trials, as they were given."""
        return self._defaults

    @property
    def runs(self) -> ExperimentRuns:
        """Trial id → the run's id, name, URL or local path, state and recorded rows, as they are now.

        ``ExperimentRuns.load(path)`` reads them from the experiment's folder, also after the program has ended. With
        Ray Client (``ray.init("ray://...")``) Tune runs on the cluster: they are here when ``fit()`` returns.
        """
        if self._session.recorder.runs or self._mailbox is None:
            return self._session.runs
        if _cluster.is_client() and (fetched := _cluster.fetch(self._mailbox)) is not None:
            runs, sweep = pickle.loads(fetched)
            self._fetched_runs = ExperimentRuns(runs, sweep=sweep)
        return self._fetched_runs

    def _send_runs(self) -> None:
        """Let the logger of which this is a copy know the runs."""
        if self._mailbox is not None:
            _cluster.store(self._mailbox, pickle.dumps((dict(self._session.runs), self._session.sweep)))

    # --- Tune's events ------------------------------------------------------------------------------------------------

    def setup(self, *args: Any, stop: object = None, time_budget_s: object = None, **info: Any) -> None:
        """Start the recorder, before the first trial: it is ready when a trial is."""
        self._session = self._new_session()  # Tune has called set_state before, if it restores
        self._session.best.check()
        self._restored_state = None
        stoppers = [item for item in (stop if isinstance(stop, list) else [stop]) if isinstance(item, Stopper)]
        if isinstance(time_budget_s, (int, float, timedelta)):
            stoppers.append(TimeoutStopper(time_budget_s))
            stoppers[-1].stop_all()  # its time begins now
        self._session.stoppers = stoppers
        self._console = Console(quiet=self._options.quiet or is_silent())
        self._session.states.progress = self._console.print
        log_newer_versions()
        self._session.recorder.start()
        self._send_runs()  # there are none: those of an earlier experiment do not count any more

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Check new trials at each turn of Tune's loop, before they have a process."""
        for trial in trials[len(self._session.states.known) :]:  # Tune appends new ones
            self._session.state_of(trial)
        first = next(iter(self._session.states.known.values()), None)
        if first is not None and not self._console.started:
            folder = str(local_folder(first.settings).absolute() / "wandb")
            recorded = self._session.recorder.runs
            self._console.print_start(first.mode, folder, first.common_group, first.key_source, recorded)
        # Here, because Tune wraps what is raised while it takes in a result.
        if self._options.on_error == "raise" and any(run.problem for run in self._session.recorder.runs.values()):
            self._session.recorder.close(self._options.upload_timeout)
            self._raise_on_lost_run()

    def log_trial_start(self, trial: Trial) -> None:
        """Open the trial's run; after a pause or a retry, it is still open and goes on."""
        session, state = self._session, self._session.state_of(trial)
        config = run_config(state.settings, trial.config, session.warn)
        if session.recorder.is_open(trial.trial_id):
            session.recorder.update_config(trial.trial_id, config)
            return
        session.open_run(trial, state, config)
        if session.overview is not None:
            session.overview.note_status(trial.trial_id, "running")

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        """Record a row."""
        state = self._session.state_of(trial)
        if state.had_inline_key:
            redact_api_key(result.get("config"))  # before Tune's own loggers write it down
        if trial.trial_id not in self._session.recorder.runs:
            self.log_trial_start(trial)
        payload, last = state.converter.convert(result), state.last_config
        state.last_config = payload.config
        if payload.config == last or payload.config_snapshot == Payload(config=last).config_snapshot:
            payload.config = {}
        iteration = int(result.get(_ITERATION, 0))
        self._session.recorder.log(trial.trial_id, iteration, payload, iteration)
        if self._session.best.note(trial.trial_id, payload.row) and self._session.overview is not None:
            self._session.overview.note_best(self._session.best.value)

    def log_trial_save(self, trial: Trial) -> None:
        """Upload the checkpoint that Tune has saved, with ``upload_checkpoints``."""
        recorder = self._session.recorder
        if self._options.upload_checkpoints and trial.checkpoint is not None and recorder.is_open(trial.trial_id):
            state, run_name = self._session.state_of(trial), recorder.runs[trial.trial_id].name
            metrics = state.converter.convert(trial.last_result).row
            name = artifact_name(state.settings, run_name, trial.trial_id, _MAX_CHECKPOINT_NAME_CHARS)
            artifact = self._session.best.choose(trial.trial_id, checkpoint_artifact(trial.checkpoint, name, metrics))
            if artifact is not None:
                recorder.save_checkpoint(trial.trial_id, artifact)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """End the trial's run, as failed or finished."""
        self._session.end_run(trial, "failed" if failed else "finished")
        if self._session.overview is not None:
            self._session.overview.note_status(trial.trial_id, "failed" if failed else "finished")

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """End the runs that are still open, and wait until all are uploaded, at most ``upload_timeout`` seconds."""
        recorder = self._session.recorder
        # Tune tells nothing of trials that it terminates by itself: as the user wanted it (a stopper, a time budget),
        # or not (Ctrl-C, fail_fast).
        wanted = any(stopper.stop_all() for stopper in self._session.stoppers)
        for trial in trials:
            failed = trial.status == Trial.ERROR
            finished = trial.status == Trial.TERMINATED and wanted
            self._session.end_run(trial, "failed" if failed else "finished" if finished else "interrupted")
        self._session.end_overview(trials)
        if trials and self._session.folder is None:  # all had ended in an earlier session
            self._session.find_folder(trials[0])
        recorder.close(self._options.upload_timeout, self._console.print, self._session.mark_best)
        self._session.end_sweep(trials)
        self._send_runs()
        if any(run.rows for run in recorder.runs.values()):
            self._session.best.warn_if_missing()
        self._session.save_runs()
        for run in recorder.runs.values():
            if run.problem is not None:
                text = "The W&B run %s (%s) is not on the server as it should be: %s. What was recorded is in %s. %s"
                logger.error(text, run.name, run.id, run.problem, run.path or "no file", run.how_to_upload)
        if self._session.folder is not None:
            self._console.print_end(self._session.runs, self._session.folder.path)
        if self._options.on_error == "raise":
            self._raise_on_lost_run()

    def _raise_on_lost_run(self) -> None:
        for run in self._session.recorder.runs.values():
            if run.problem is not None:
                lost = "lost" if run.state == "lost" else "not online"
                raise WandbRunError(f"The W&B run of trial {run.trial_id} is {lost}: {run.problem}.")

    def get_state(self) -> dict[str, object]:
        """Return what a restored experiment goes on with: the next step and the last iteration of each trial's run."""
        # A row that Tune's own state counts as reported is not in this process alone any more.
        self._session.recorder.flush()
        return self._session.save()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where an earlier session's state was saved."""
        self._restored_state = state
