"""ExperimentRuns: the W&B runs of an experiment's trials, while it runs and after it."""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from typed_tune_wandb.experiment._best import BestTrial
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.experiment._index import INDEX_FILE, Index, from_json, to_json
from typed_tune_wandb.experiment._results import TrialResults, read_results
from typed_tune_wandb.recording.state import OVERVIEW, UNSUCCESSFUL_STATES, RunInfo
from typed_tune_wandb.recording.sweep import SweepInfo

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["min", "max"]
Scope = Literal["last", "all"]


class ExperimentRuns(Mapping[str, RunInfo]):
    """Trial id → what is known of its W&B run, in the order in which the runs were opened.

    ``WandbLogger.runs`` is one, which follows the changes. :meth:`load` reads it from the experiment's folder, where
    :class:`WandbLogger` keeps it as ``wandb_runs.json`` while the experiment runs.

    Args:
        runs: Trial id → its run.
        experiment: The experiment's name.
        folder: Where Tune keeps the experiment's results; None if that is not known yet.
        hidden: The logger's ``secret_names`` and ``excludes``.
        sweep: The experiment's W&B sweep, with its ``id``, ``url`` and ``config``; None if it has none.
        best_trial: The trial with the best value of the experiment's metric; None if there is none.
        overview: The experiment's overview run, which is no trial's; None if it has none.

    Example:
        >>> from typed_tune_wandb import ExperimentRuns, RunInfo
        >>> runs = ExperimentRuns({"a": RunInfo("a", "a-1", "first", "finished", rows=10)}, "search")
        >>> runs
        ExperimentRuns('search', 1 run: 1 finished; 10 rows)
        >>> runs["a"].id
        'a-1'
    """

    def __init__(
        self,
        runs: Mapping[str, RunInfo],
        experiment: str = "",
        folder: Folder | None = None,
        hidden: Mapping[str, Sequence[str]] = MappingProxyType({}),
        sweep: SweepInfo | None = None,
        best_trial: BestTrial | None = None,
        overview: RunInfo | None = None,
    ) -> None:
        self._runs, self.experiment, self._folder, self.hidden = runs, experiment, folder, hidden
        self.sweep, self.best_trial, self.overview = sweep, best_trial, overview

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ExperimentRuns:
        """Read the runs of an experiment.

        Args:
            path: Its folder: a path, or a URI such as ``s3://bucket/experiment``; ``ResultGrid.experiment_path``.

        Raises:
            FileNotFoundError: No WandbLogger has recorded an experiment there.
            ValueError: ``wandb_runs.json`` cannot be read, or a newer release has written it.
        """
        return cls.load_from(Folder.at(path))

    @classmethod
    def load_from(cls, folder: Folder) -> ExperimentRuns:
        """Read the runs of an experiment from a folder in any file system; see :meth:`load`."""
        text = folder.read(INDEX_FILE)
        if text is None:
            raise FileNotFoundError(
                f"{folder.path} has no {INDEX_FILE}: it is no folder of an experiment that WandbLogger recorded."
            )
        index = from_json(text, folder.path)
        return cls(index.runs, index.experiment, folder, index.hidden, index.sweep, index.best, index.overview)

    def save(self) -> None:
        """Write the runs to the experiment's folder.

        Raises:
            OSError: It cannot be written.
            ValueError: The runs have no folder.
        """
        if self._folder is None:
            raise ValueError("these runs have no folder to be saved in.")
        self._folder.write(INDEX_FILE, self.to_json())

    def to_json(self) -> str:
        """Return the runs as the text of ``wandb_runs.json``."""
        index = Index(self.experiment, self._runs, self.hidden, self.sweep, self.best_trial, self.overview)
        return to_json(index, None if self._folder is None else self._folder.path)

    # --- as a mapping -------------------------------------------------------------------------------------------------

    def __getitem__(self, trial_id: str) -> RunInfo:
        return self._runs[trial_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def where(self, condition: Callable[[RunInfo], bool]) -> ExperimentRuns:
        """Return the runs for which a condition holds, as they are now."""
        return self._with(runs={trial_id: run for trial_id, run in self._runs.items() if condition(run)})

    def with_changes(self, changed: Mapping[str, RunInfo]) -> ExperimentRuns:
        """Return the runs with others in place of some; the overview run's key is :data:`OVERVIEW`."""
        overview = changed.get(OVERVIEW, self.overview)
        trials = {trial_id: run for trial_id, run in changed.items() if trial_id != OVERVIEW}
        return self._with(runs={**self._runs, **trials}, overview=overview)

    def sorted_as(self, trial_ids: list[str]) -> ExperimentRuns:
        """Return the runs of some trials, in their order."""
        return self._with(runs={trial_id: self._runs[trial_id] for trial_id in trial_ids})

    def _with(self, **changes: Any) -> ExperimentRuns:
        own = {"runs": self._runs, "experiment": self.experiment, "folder": self._folder, "hidden": self.hidden}
        more = {"sweep": self.sweep, "best_trial": self.best_trial, "overview": self.overview}
        return ExperimentRuns(**{**own, **more, **changes})

    def with_sweep(self, sweep: SweepInfo) -> ExperimentRuns:
        """Return the runs with another sweep."""
        return self._with(sweep=sweep)

    def with_best_trial(self, best: BestTrial) -> ExperimentRuns:
        """Return the runs with another best trial."""
        return self._with(best_trial=best)

    @property
    def failed(self) -> ExperimentRuns:
        """The runs that failed, were interrupted or are lost."""
        return self.where(lambda run: run.state in UNSUCCESSFUL_STATES)

    @property
    def not_uploaded(self) -> ExperimentRuns:
        """The runs that have local files and are not all on the server."""
        return self.where(lambda run: bool(run.paths) and not run.uploaded)

    @property
    def waiting(self) -> dict[str, RunInfo]:
        """The runs that have local files and are not all on the server, the overview run among them."""
        overview = {} if self.overview is None else {OVERVIEW: self.overview}
        return {id_: run for id_, run in {**overview, **self._runs}.items() if run.paths and not run.uploaded}

    @property
    def rows(self) -> int:
        """Number of rows recorded in all runs."""
        return sum(run.rows for run in self._runs.values())

    def summary(self) -> str:
        """Return the numbers of runs, by state, and of rows, in a line.

        Example:
            >>> from typed_tune_wandb import ExperimentRuns
            >>> ExperimentRuns({}).summary()
            '0 runs; 0 rows'
        """
        counts = Counter(run.state for run in self._runs.values())
        states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        runs = f"{len(self)} run{'' if len(self) == 1 else 's'}"
        return f"{runs}{': ' if states else ''}{states}; {self.rows:,} row{'' if self.rows == 1 else 's'}"

    # --- with Tune's results ------------------------------------------------------------------------------------------

    def results(self) -> dict[str, TrialResults]:
        """Return trial id → what its trial reported, from Tune's ``result.json`` files; none without a folder."""
        return {} if self._folder is None else read_results(self._folder)

    def trial_folders(self) -> list[Folder]:
        """Return the folders in the experiment's folder: those of its trials, and perhaps others."""
        return [] if self._folder is None else self._folder.subfolders()

    def best(self, metric: str, mode: Mode, scope: Scope = "last") -> RunInfo:
        """Return the run of the best trial.

        Args:
            metric: A key of the results, nested ones with ``/``.
            mode: ``"min"`` or ``"max"``, as in ``tune.TuneConfig``.
            scope: Compare the ``"last"`` value of each trial, or the best of ``"all"``; as in
                ``ResultGrid.get_best_result``.

        Raises:
            ValueError: No trial reported a finite number under this key, or an argument has another value.
        """
        ranked = self.ranked(metric, mode, scope)
        if not ranked:
            raise ValueError(f"no trial has reported a finite number as {metric!r}.")
        return self[ranked[0][0]]

    def ranked(self, metric: str, mode: Mode, scope: Scope = "last") -> list[tuple[str, float]]:
        """Return trial ids with their values of a metric, the best first; see :meth:`best`."""
        if mode not in ("min", "max") or scope not in ("last", "all"):
            raise ValueError(f'expected mode "min" or "max" and scope "last" or "all", got {mode!r} and {scope!r}.')
        best = min if mode == "min" else max
        values = {trial_id: result.values(metric) for trial_id, result in self.results().items() if trial_id in self}
        found = [(id_, numbers[-1] if scope == "last" else best(numbers)) for id_, numbers in values.items() if numbers]
        return sorted(found, key=lambda pair: pair[1], reverse=mode == "max")

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a row for each trial: its run, its hyperparameters (``config/...``), its last results."""
        import pandas as pd

        results = self.results()
        table = []
        for run in self._runs.values():
            row: dict[str, object] = {
                **{name: getattr(run, name) for name in ("trial_id", "id", "name", "project", "entity", "url")},
                **{name: getattr(run, name) for name in ("state", "exit_code", "rows", "uploaded", "problem")},
            }
            if run.trial_id in results:
                trial = results[run.trial_id]
                row |= {f"config/{key}": value for key, value in trial.config.items()}
                row |= {key: value for key, value in trial.rows[-1].items() if key not in row}
            table.append(row)
        return pd.DataFrame(table)

    # --- shown --------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"ExperimentRuns({self.experiment!r}, {self.summary()})"

    def _repr_html_(self) -> str:
        """Return a table with links, for notebooks."""
        header = "".join(f"<th>{name}</th>" for name in ("trial", "run", "state", "rows", "where"))
        lines = "".join(f"<tr>{_html_cells(run)}</tr>" for run in self._runs.values())
        return f"<table><caption>{html.escape(repr(self))}</caption><tr>{header}</tr>{lines}</table>"


def _html_cells(run: RunInfo) -> str:
    name, where = html.escape(run.name), html.escape(run.where)
    if run.url and run.url.startswith(("https://", "http://")):
        where = f'<a href="{html.escape(run.url)}">{where}</a>'
    cells = (html.escape(run.trial_id), name, html.escape(run.state), str(run.rows), where)
    return "".join(f"<td>{cell}</td>" for cell in cells)
