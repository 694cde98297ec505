"""``typed-tune-wandb sync``: uploads what is not on the server of an experiment's runs."""

from __future__ import annotations

import sys
import time

import click

from typed_tune_wandb.cli._experiments import as_dict, load_runs
from typed_tune_wandb.cli._output import PROBLEMS_FOUND, counted, json_option, print_json

_WATCH_INTERVAL_S = 10.0


@click.command()
@click.argument("experiment")
@click.option("--watch", is_flag=True, help="Go on until the experiment has ended and all of it is uploaded.")
@click.option("--timeout", default=300.0, show_default=True, help="Longest wait, in seconds, for one more run.")
@click.option("--attempts", default=3, show_default=True, help="How often to try a run that fails.")
@json_option
def sync(experiment: str, watch: bool, timeout: float, attempts: int, as_json: bool) -> None:
    """Upload what is not on the server of an EXPERIMENT's runs.

    EXPERIMENT is the folder in which Tune keeps its results. Every row is uploaded once, also of runs that were
    uploaded in part: call it again, as often as you like. A run that is still being written is left for later.

    \b
    Examples:
      typed-tune-wandb sync ~/ray_results/digits
      typed-tune-wandb sync --watch ~/ray_results/digits    # while the experiment runs elsewhere

    Exit codes: 0, all is uploaded; 1, something is left, and named; 2, a wrong call.
    """
    from typed_tune_wandb.experiment import sync_runs  # not for --help

    def report(line: str) -> None:
        click.echo(line, err=True)

    runs = sync_runs(load_runs(experiment), timeout_s=timeout, attempts=attempts, progress=report)
    while watch and (runs.not_uploaded or any(run.live for run in runs.values())):
        time.sleep(_WATCH_INTERVAL_S)
        runs = sync_runs(load_runs(experiment), timeout_s=timeout, attempts=1, progress=report)
    left = runs.not_uploaded
    if as_json:
        print_json(as_dict(runs))
    else:
        for run in left.values():
            reason = run.problem or ("it is still being written" if run.live else "it is not uploaded")
            click.echo(f"{click.style('left:', fg='red')} {run.name} ({run.id}): {reason}")
        click.echo(f"{len(runs) - len(left)} of {counted(len(runs), 'run')} uploaded")
        if runs.sweep is not None and runs.sweep.url is not None:
            click.echo(f"sweep: {runs.sweep.url}")
    if left:
        sys.exit(PROBLEMS_FOUND)
