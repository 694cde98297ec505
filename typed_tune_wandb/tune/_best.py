"""The best trial of an experiment, and which checkpoints of a trial are the best: a look-up and a comparison each."""

from __future__ import annotations

import logging
from bisect import insort
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.experiment._best import BestTrial
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact
from typed_tune_wandb.recording.state import RunInfo
from typed_tune_wandb.settings import UploadCheckpoints
from typed_tune_wandb.tune._metric import Metric

logger = logging.getLogger(__name__)

ALIAS: Final = "best"
"""The alias of a trial's best checkpoint."""


class Best:
    """What one experiment's best is.

    Args:
        metric: What is compared; None if there is no metric.
        uploads: The logger's argument ``upload_checkpoints``.
        saved: What :meth:`save` gave in an earlier session of the experiment, if there was one.
    """

    def __init__(
        self, metric: Metric | None, uploads: UploadCheckpoints, saved: Mapping[str, Any] | None = None
    ) -> None:
        self.metric = metric
        self._uploads: UploadCheckpoints = uploads
        if saved is None or metric is None or saved["metric"] != [metric.name, metric.mode]:
            saved = {"scores": {}, "checkpoints": {}, "artifacts": {}}  # scores of another metric cannot be compared
        self._scores: dict[str, float] = dict(saved["scores"])
        """Trial id → the score of its best row."""
        self._checkpoints: dict[str, list[float]] = {key: [*scores] for key, scores in saved["checkpoints"].items()}
        """Trial id → the scores of its best checkpoints, the worst first."""
        self._artifacts: dict[str, str] = dict(saved["artifacts"])
        """Trial id → the artifact of its best checkpoint."""

    def save(self) -> dict[str, object]:
        """Return what a restored experiment goes on with."""
        metric = None if self.metric is None else [self.metric.name, self.metric.mode]
        checkpoints = {trial_id: [*scores] for trial_id, scores in self._checkpoints.items()}
        scores, artifacts = dict(self._scores), dict(self._artifacts)
        return {"metric": metric, "scores": scores, "checkpoints": checkpoints, "artifacts": artifacts}

    def check(self) -> None:
        """Check that there is a metric if one is needed.

        Raises:
            WandbSettingsError: There is none.
        """
        if self.metric is None and (self._uploads == "best" or _number(self._uploads)):
            message = (
                "the best checkpoints are those of a metric: give WandbLogger(metric=..., goal=...) "
                "or tune.TuneConfig(metric=..., mode=...)."
            )
            raise WandbSettingsError([Problem("upload_checkpoints", message)], "WandbLogger(...)")

    def warn_if_missing(self) -> None:
        """Warn that no trial has a value of the metric, if that is so."""
        if self.metric is not None and not self._scores:
            text = "No trial has recorded a finite number as %r: no run and no checkpoint is the best one."
            logger.warning(text, self.metric.name)

    # --- rows ---------------------------------------------------------------------------------------------------------

    @property
    def aggregates(self) -> dict[str, str]:
        """Metric → how W&B sums it up in a run's summary."""
        return {} if self.metric is None else {self.metric.name: self.metric.mode}

    def note(self, trial_id: str, row: Mapping[str, object]) -> bool:
        """Take in a trial's next row; tell whether it is the trial's best."""
        if self.metric is not None and (score := self.metric.score(row)) is not None:
            best = self._scores.get(trial_id)
            if best is None or score > best:
                self._scores[trial_id] = score
                return True
        return False

    def summary(self, trial_id: str) -> dict[str, object]:
        """Return what the summary of a trial's run has of the metric, as ``define_metric`` writes it."""
        if self.metric is None or trial_id not in self._scores:
            return {}
        return {self.metric.name: {self.metric.mode: self.metric.value(self._scores[trial_id])}}

    @property
    def value(self) -> float | None:
        """The best value of all trials; None if there is none."""
        return None if self.metric is None or not self._scores else self.metric.value(max(self._scores.values()))

    def value_of(self, trial_id: str) -> dict[str, object]:
        """Return the best value of a trial, as ``best/{metric}``; nothing if it has none."""
        if self.metric is None or trial_id not in self._scores:
            return {}
        return {f"best/{self.metric.name}": self.metric.value(self._scores[trial_id])}

    def trial(self, runs: Mapping[str, RunInfo], earlier: BestTrial | None) -> BestTrial | None:
        """Return the best trial, the first of several.

        Args:
            runs: The runs of the experiment.
            earlier: What an earlier session has marked on the server.
        """
        trial_id = max(self._scores, key=self._scores.__getitem__, default=None)
        if self.metric is None or trial_id is None or trial_id not in runs:
            return earlier
        value, artifact = self.metric.value(self._scores[trial_id]), self._artifacts.get(trial_id, "")
        marked = {} if earlier is None else earlier.marked
        return BestTrial(trial_id, self.metric.name, self.metric.mode, value, artifact, marked)

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def choose(self, trial_id: str, artifact: CheckpointArtifact) -> CheckpointArtifact | None:
        """Take in a trial's next checkpoint; return what is to become of it, or None if it is not uploaded.

        Of checkpoints with equal scores, the later one counts as better, as for Tune.

        Args:
            trial_id: Tune's id of the trial.
            artifact: The checkpoint, with the row that it belongs to as metadata.

        Example:
            >>> from typed_tune_wandb.recording.checkpoints import CheckpointArtifact
            >>> from typed_tune_wandb.tune._best import Best
            >>> from typed_tune_wandb.tune._metric import Metric
            >>> best = Best(Metric("score", "max"), "best")
            >>> saved = [CheckpointArtifact("model", "/tmp", metadata={"score": score}) for score in (2, 1, 3)]
            >>> [best.choose("t", checkpoint) is not None for checkpoint in saved]
            [True, False, True]
        """
        if self._uploads == "last":
            return evolve(artifact, keep=1)
        number = _number(self._uploads) or 1
        score = None if self.metric is None else self.metric.score(artifact.metadata)
        if score is None:
            return artifact if self._uploads is True else None
        scores = self._checkpoints.setdefault(trial_id, [])
        is_among = len(scores) < number or score >= scores[0]
        if not scores or score >= scores[-1]:
            self._artifacts[trial_id] = artifact.name
            artifact = evolve(artifact, aliases=(*artifact.aliases, ALIAS))
        insort(scores, score)
        del scores[:-number]
        if self._uploads is True:
            return artifact
        return evolve(artifact, keep=number, score=score) if is_among else None


def _number(uploads: UploadCheckpoints) -> int | None:
    """Return how many of the best checkpoints are kept; None if that is no number. ``True`` is not 1."""
    return uploads if isinstance(uploads, int) and not isinstance(uploads, bool) else None
