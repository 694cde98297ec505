"""The best trial of an experiment, and its marks on the server: by the logger at the end, or later by ``sync``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import Factory, evolve, frozen

from typed_tune_wandb.recording._protocol import MarkBest
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.state import RunInfo

_TIMEOUT_S: Final = 20


@frozen
class BestTrial:
    """The trial with the best value of the experiment's metric.

    Attributes:
        trial_id: Tune's id of the trial.
        metric: The metric.
        mode: ``"max"`` or ``"min"``.
        value: Its best value.
        artifact: The artifact of its checkpoints; ``""`` if none are uploaded.
        marked: What has the marks on the server: path of the run → artifact. More than the best where an earlier
            session, or another release, had another one.
    """

    trial_id: str
    metric: str
    mode: str
    value: float
    artifact: str = ""
    marked: Mapping[str, str] = Factory(dict)

    def is_marked(self, run: RunInfo) -> bool:
        """Tell whether the server has all marks, and no others."""
        return self.marked == {run_path(run): self.artifact}


def run_path(run: RunInfo) -> str | None:
    """Return entity, project and id of a run, with slashes between; None if it is not on a server.

    Example:
        >>> from typed_tune_wandb import RunInfo
        >>> from typed_tune_wandb.experiment._best import run_path
        >>> run_path(RunInfo("t", "t-1", "first", url="https://wandb.ai/me/mnist/runs/t-1"))
        'me/mnist/t-1'
    """
    parts = urlsplit(run.url or "").path.split("/")
    if len(parts) < 4 or parts[-2] != "runs":
        return None
    return "/".join(unquote(part) for part in (parts[-4], parts[-3], parts[-1]))


def mark(
    recorder: Recorder, best: BestTrial, run: RunInfo, key: str | None = None, base_url: str | None = None
) -> tuple[BestTrial, str | None]:
    """Mark the best trial's run on the server; nothing if it is not there.

    Args:
        recorder: Its process asks the server.
        best: The best trial.
        run: Its run.
        key: The API key, or None for the one that wandb finds by itself.
        base_url: The server, or None for wandb's own choice.

    Returns:
        The best trial with what has its marks then, and what went wrong, or None.
    """
    path = run_path(run)
    if path is None or not run.uploaded:
        return best, None
    others = {other: artifact for other, artifact in best.marked.items() if other != path}
    problem = recorder.mark_best(MarkBest(key, base_url, path, best.artifact, others, _TIMEOUT_S))
    return (best, problem) if problem is not None else (evolve(best, marked={path: best.artifact}), None)
