"""The best trial of an experiment, and which checkpoints of a trial are the best: a look-up and a comparison each."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import Mapping
from typing import Any, Final

from attrs import define, evolve, frozen

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.experiment._best import BestTrial
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact, artifact_name
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.state import RunInfo
from typed_tune_wandb.settings import MAX_NAME_CHARS, LoggerOptions, UploadCheckpoints, shorten
from typed_tune_wandb.tune._metric import Metric, find_metric

logger = logging.getLogger(__name__)

BEST: Final = "best"
"""The alias of a trial's best checkpoint."""
MAX_CHECKPOINT_NAME_CHARS: Final = MAX_NAME_CHARS - len("checkpoint_")


@define
class BestValues:
    """The best value of each trial so far.

    Attributes:
        metric: What is compared; None if there is no metric.
        scores: Trial id → the score of its best row.
    """

    metric: Metric | None
    scores: dict[str, float]

    def note(self, trial_id: str, row: Mapping[str, object]) -> None:
        """Take in a trial's next row."""
        if self.metric is not None and (score := self.metric.score(row)) is not None:
            best = self.scores.get(trial_id)
            if best is None or score > best:
                self.scores[trial_id] = score

    @property
    def best_trial(self) -> str | None:
        """The trial with the best value, the first of several; None if no trial has a value."""
        return max(self.scores, key=self.scores.__getitem__, default=None)

    def summary(self, trial_id: str) -> dict[str, object]:
        """Return what the summary of a trial's run has of the metric, as ``define_metric`` writes it."""
        if self.metric is None or trial_id not in self.scores:
            return {}
        return {self.metric.name: {self.metric.mode: self.metric.value(self.scores[trial_id])}}


def how_many(uploads: UploadCheckpoints) -> int | None:
    """Return how many of the best checkpoints are kept; None if that is no number. ``True`` is not 1."""
    return uploads if isinstance(uploads, int) and not isinstance(uploads, bool) else None


@frozen
class Choice:
    """A checkpoint that is uploaded.

    Attributes:
        aliases: Its aliases, beside those that every checkpoint has.
        superseded: The iterations of those that are no longer among the best, and not kept.
    """

    aliases: tuple[str, ...] = ()
    superseded: tuple[int, ...] = ()


@define
class BestCheckpoints:
    """Which checkpoints are uploaded.

    Attributes:
        metric: What is compared; None if there is no metric.
        uploads: The logger's argument ``upload_checkpoints``.
        kept: Trial id → score and iteration of its best checkpoints, the worst first.
    """

    metric: Metric | None
    uploads: UploadCheckpoints
    kept: dict[str, list[tuple[float, int]]]

    def choose(self, trial_id: str, row: Mapping[str, object]) -> Choice | None:
        """Take in a trial's next checkpoint; tell whether and how it is uploaded.

        Args:
            trial_id: Tune's id of the trial.
            row: The row that it belongs to.

        Example:
            >>> from typed_tune_wandb.tune._best import BestCheckpoints
            >>> from typed_tune_wandb.tune._metric import Metric
            >>> checkpoints = BestCheckpoints(Metric("score", "max"), "best", {})
            >>> [checkpoints.choose("t", {"score": score}) is not None for score in (2, 1, 3)]
            [True, False, True]
        """
        others = Choice() if self.uploads is True or self.uploads == "last" else None
        score = None if self.metric is None else self.metric.score(row)
        if score is None:
            return others
        kept = self.kept.setdefault(trial_id, [])
        number = how_many(self.uploads) or 1
        is_best = not kept or score > kept[-1][0]
        if len(kept) >= number and score <= kept[0][0]:
            return others
        insort(kept, (score, _iteration(row)), key=lambda pair: pair[0])
        fallen = tuple(iteration for _, iteration in kept[:-number])
        del kept[:-number]
        return Choice((BEST,) if is_best else (), fallen if how_many(self.uploads) else ())


def _iteration(row: Mapping[str, object]) -> int:
    number = row.get("training_iteration")
    return number if isinstance(number, int) else 0


class Best:
    """What one experiment's best is, and what W&B is told of it.

    Args:
        options: The logger's own arguments.
        recorder: Uploads checkpoints.
        saved: What :meth:`save` gave in an earlier session of the experiment, if there was one.
    """

    def __init__(self, options: LoggerOptions, recorder: Recorder, saved: Mapping[str, Any] | None = None) -> None:
        self._uploads, self._recorder = options.upload_checkpoints, recorder
        self.metric = metric = find_metric(options)
        known = saved
        if known is None or metric is None or known["metric"] != [metric.name, metric.mode]:
            known = {"scores": {}, "checkpoints": {}}  # scores of another metric cannot be compared
        kept = {
            trial_id: [(score, number) for score, number in pairs] for trial_id, pairs in known["checkpoints"].items()
        }
        self.values = BestValues(metric, dict(known["scores"]))
        self._checkpoints = BestCheckpoints(metric, options.upload_checkpoints, kept)
        self._last: dict[str, CheckpointArtifact] = {}

    def check(self) -> None:
        """Check that there is a metric if one is needed.

        Raises:
            WandbSettingsError: There is none.
        """
        if self.metric is None and (self._uploads == BEST or how_many(self._uploads)):
            message = (
                "the best checkpoints are those of a metric: give WandbLogger(metric=..., goal=...) "
                "or tune.TuneConfig(metric=..., mode=...)."
            )
            raise WandbSettingsError([Problem("upload_checkpoints", message)], "WandbLogger(...)")

    def warn_if_missing(self) -> None:
        """Warn if no trial had a value of the metric, although there were rows."""
        rows = any(run.rows for run in self._recorder.runs.values())
        if self.metric is not None and not self.values.scores and rows:
            text = "No trial has recorded a finite number as %r: no run and no checkpoint is the best one."
            logger.warning(text, self.metric.name)

    @property
    def aggregates(self) -> dict[str, str]:
        """Metric → how W&B sums it up in a run's summary."""
        return {} if self.metric is None else {self.metric.name: self.metric.mode}

    def save_checkpoint(self, trial_id: str, row: Mapping[str, object], artifact: CheckpointArtifact) -> None:
        """Upload a checkpoint that Tune has saved, if it is one of those that are uploaded.

        Args:
            trial_id: Tune's id of the trial.
            row: The row that it belongs to.
            artifact: What it becomes.
        """
        choice = self._checkpoints.choose(trial_id, row)
        if choice is None:
            return
        artifact = evolve(artifact, aliases=(*artifact.aliases, *choice.aliases))
        if self._uploads == "last":
            self._last[trial_id] = artifact
        else:
            self._recorder.save_checkpoint(trial_id, artifact)

    def end_trial(self, trial_id: str) -> dict[str, object]:
        """Upload the trial's last checkpoint, if that is wanted; return what its run's summary has of the metric."""
        artifact = self._last.pop(trial_id, None)
        if artifact is not None and self._recorder.is_open(trial_id):
            self._recorder.save_checkpoint(trial_id, artifact)
        return self.values.summary(trial_id)

    def trial(self, runs: Mapping[str, RunInfo], earlier: BestTrial | None) -> BestTrial | None:
        """Return the best trial, with what an earlier session has marked; None if there is none."""
        trial_id = self.values.best_trial
        if self.metric is None or trial_id is None or trial_id not in runs:
            return earlier
        artifact = (
            "" if self._uploads is False else artifact_name(shorten(runs[trial_id].name, MAX_CHECKPOINT_NAME_CHARS))
        )
        value = self.metric.value(self.values.scores[trial_id])
        marked = {} if earlier is None else earlier.marked
        return BestTrial(trial_id, self.metric.name, self.metric.mode, value, artifact, marked)

    def save(self) -> dict[str, object]:
        """Return what a restored experiment goes on with."""
        metric = None if self.metric is None else [self.metric.name, self.metric.mode]
        kept = {trial_id: [list(pair) for pair in pairs] for trial_id, pairs in self._checkpoints.kept.items()}
        return {"metric": metric, "scores": dict(self.values.scores), "checkpoints": kept}
