"""What a user reads in the console: one line when an experiment starts, one or two when it has ended."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from urllib.parse import quote

from typed_tune_wandb.experiment import ExperimentRuns
from typed_tune_wandb.recording.state import RunInfo


class Console:
    """Prints to standard error, once each; nothing where it is quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.started = False

    def print(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def print_start(self, mode: str, folder: str, group: str | None, key: str, runs: Mapping[str, RunInfo]) -> None:
        """Print where the runs go, as soon as that is known: online, when the first run has its URL.

        Args:
            mode: The mode of the first trial's run.
            folder: Where its local files are.
            group: Its group.
            key: Where its key comes from.
            runs: The runs up to now.
        """
        if self.started:
            return
        if mode == "online":
            url = next((run.url for run in runs.values() if run.url), None)
            if url is None:
                return
            self.print(f"W&B: online, {group_url(url, group)}, key from {key.removeprefix('the variable ')}")
        elif mode == "disabled":
            self.print("W&B: disabled, nothing is recorded")
        else:
            self.print(f"W&B: {mode}, runs in {folder}")
        self.started = True

    def print_end(self, runs: ExperimentRuns, path: str) -> None:
        """Print how the runs have ended, and what is left to do.

        Args:
            runs: All runs of the experiment.
            path: The experiment's folder.
        """
        if not runs:
            return
        urls = [run.url for run in runs.values() if run.url]
        folders = {run.folder.rpartition("/")[0] for run in runs.values() if run.folder}
        places = [urls[0].partition("/runs/")[0]] if urls else sorted(folders)[:1]
        self.print(f"W&B: {'; '.join([runs.summary(), *places])}")
        if runs.sweep is not None and runs.sweep.url is not None:
            self.print(f"W&B: sweep {runs.sweep.url}")
        if left := runs.not_uploaded:
            all_or_some = "all" if len(left) == len(runs) else f"{len(left)} runs"
            self.print(f"W&B: upload {all_or_some} by: typed-tune-wandb sync {shlex.quote(path)}")


def group_url(run_url: str, group: str | None) -> str:
    """Return the page of a run's group; that of its project if it has none.

    Example:
        >>> from typed_tune_wandb.tune._console import group_url
        >>> group_url("https://wandb.ai/me/mnist/runs/a1", "search 1")
        'https://wandb.ai/me/mnist/groups/search%201'
    """
    project = run_url.partition("/runs/")[0]
    return f"{project}/groups/{quote(group, safe='')}" if group else project
