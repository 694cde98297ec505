"""``typed-tune-wandb runs``: a table of an experiment's runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from typed_tune_wandb.cli._experiments import as_dict, load_runs
from typed_tune_wandb.cli._output import json_option, print_json, print_table

if TYPE_CHECKING:
    from typed_tune_wandb.experiment import ExperimentRuns

_BARS: Final = "▁▂▃▄▅▆▇█"
_MAX_BARS: Final = 20


@click.command()
@click.argument("experiment")
@click.option("--metric", help="Sort by this metric of Tune's results, and draw it; nested ones with a slash.")
@click.option("--mode", type=click.Choice(["max", "min"]), default="max", show_default=True, help="Which is best.")
@click.option("--failed", is_flag=True, help="Only runs that failed, were interrupted or are lost.")
@click.option("--not-uploaded", is_flag=True, help="Only runs that are not all on the server.")
@json_option
def runs(experiment: str, metric: str | None, mode: str, failed: bool, not_uploaded: bool, as_json: bool) -> None:
    """Show the W&B runs of an EXPERIMENT's trials.

    EXPERIMENT is the folder in which Tune keeps its results; nothing else is needed, and no server is asked.

    \b
    Examples:
      typed-tune-wandb runs ~/ray_results/digits
      typed-tune-wandb runs ~/ray_results/digits --metric accuracy
      typed-tune-wandb runs ~/ray_results/digits --failed --json

    Exit codes: 0, the table is printed; 2, a wrong call, such as a folder without an experiment.
    """
    shown = everything = load_runs(experiment)
    if failed:
        shown = shown.failed
    if not_uploaded:
        shown = shown.not_uploaded
    table = _by_metric(shown, metric, mode) if metric else [(trial_id, None, "") for trial_id in shown]
    if as_json:
        values = {trial_id: value for trial_id, value, _ in table}
        content = as_dict(shown.sorted_as([*values]))
        print_json(content | ({"metric": metric, "values": values} if metric else {}))
        return
    header = ("run", "state", "rows", *((metric, "curve") if metric else ()), "where")
    lines: list[tuple[str, ...]] = [header]
    for trial_id, value, curve in table:
        run = shown[trial_id]
        metric_cells = ("-" if value is None else f"{value:.6g}", curve) if metric else ()
        lines.append((run.name, run.state, str(run.rows), *metric_cells, run.where))
    print_table(lines)
    click.echo()
    click.echo(everything.summary())
    for line in _about_the_search(everything):
        click.echo(line)


def _about_the_search(runs: ExperimentRuns) -> Iterator[str]:
    best, sweep, overview = runs.best_trial, runs.sweep, runs.overview
    if best is not None and best.trial_id in runs:
        yield f"best trial: {runs[best.trial_id].name}, {best.metric} {best.value:.6g} ({best.mode})"
    if sweep is not None:
        missing = sweep.problem or "typed-tune-wandb sync creates it"
        yield f"sweep: {sweep.url or sweep.id or missing}"
    if overview is not None:
        yield f"overview: {overview.where}"


def _by_metric(runs: ExperimentRuns, metric: str, mode: str) -> list[tuple[str, float | None, str]]:
    """Return trial id, last value and curve of each run, the best first, then those without a value."""
    results = runs.results()
    ranked = runs.ranked(metric, "min" if mode == "min" else "max")
    best = dict(ranked)
    rest = [trial_id for trial_id in runs if trial_id not in best]
    curves = {trial_id: sparkline(results[trial_id].values(metric)) for trial_id in best}
    return [(trial_id, best.get(trial_id), curves.get(trial_id, "")) for trial_id in [*best, *rest]]


def sparkline(values: list[float]) -> str:
    """Draw numbers as bars, at most twenty.

    Example:
        >>> from typed_tune_wandb.cli.runs import sparkline
        >>> sparkline([0, 1, 2, 3])
        '▁▃▅█'
    """
    step = max(1, -(-len(values) // _MAX_BARS))
    chosen = values[::step]
    low, span = min(chosen, default=0.0), max(chosen, default=0.0) - min(chosen, default=0.0)
    return "".join(_BARS[int((value - low) / span * (len(_BARS) - 1))] if span else _BARS[0] for value in chosen)
