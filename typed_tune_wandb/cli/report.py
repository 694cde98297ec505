"""``typed-tune-wandb report``: an experiment as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from typed_tune_wandb.cli._experiments import load_runs
from typed_tune_wandb.cli._output import counted, json_option, print_json


@click.command()
@click.argument("experiment")
@click.option("-o", "--output", type=click.Path(dir_okay=False), default="report.html", show_default=True)
@click.option("--metric", help="Compare trials by this metric of Tune's results; the first one by default.")
@click.option("--mode", type=click.Choice(["max", "min"]), default="max", show_default=True, help="Which is best.")
@click.option("--exclude", multiple=True, help="Leave out this hyperparameter; again for more.")
@click.option("--secret-name", multiple=True, help="Redact hyperparameters of this name, or pattern; again for more.")
@json_option
def report(
    experiment: str,
    output: str,
    metric: str | None,
    mode: str,
    exclude: tuple[str, ...],
    secret_name: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write one HTML page about an EXPERIMENT, which needs no server and no other file.

    It has the hyperparameters as parallel coordinates, the learning curves, the table of trials with links to their
    runs, and the errors of failed trials. EXPERIMENT is the folder in which Tune keeps its results. With --json, what
    would be in the page is printed, and no page is written.

    \b
    Examples:
      typed-tune-wandb report ~/ray_results/digits --metric accuracy
      typed-tune-wandb report ~/ray_results/digits --metric loss --mode min -o digits.html

    The page needs plotly: pip install "typed-tune-wandb[report]".

    Exit codes: 0, the page is written; 2, a wrong call, such as a folder without an experiment, or plotly is missing.
    """
    runs = load_runs(experiment)
    from typed_tune_wandb.experiment._report_page import report_page  # not for --help
    from typed_tune_wandb.experiment.report import make_report

    try:
        made = make_report(runs, metric, "min" if mode == "min" else "max", exclude, secret_name)
        if as_json:
            print_json(made.as_dict())
            return
        page = report_page(made)
        Path(output).write_text(page, encoding="utf-8", newline="\n")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "plotly":
            raise
        raise click.UsageError('the page needs plotly: pip install "typed-tune-wandb[report]".') from None
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{output}: {counted(len(made.trials), 'trial')}, {len(page.encode()) / 1e6:.1f} MB")
