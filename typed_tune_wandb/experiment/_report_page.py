"""A report as one HTML page, which asks no server for anything: what it needs is in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from typed_tune_wandb.experiment._report_plots import (
    MAX_AXES,
    learning_curves,
    parallel_coordinates,
    text_of,
    varied_parameters,
)
from typed_tune_wandb.experiment.report import ExperimentReport, TrialReport

_MAX_COLUMNS: Final = 30
_MAX_CONSTANTS: Final = 100
_MAX_FAILURES: Final = 100
_MAX_CELL_CHARS: Final = 60
_FILES: Final = Path(__file__).parent / "_page"


def report_page(report: ExperimentReport) -> str:
    """Return the page.

    Raises:
        ModuleNotFoundError: plotly is not installed.
    """
    from plotly.offline import get_plotlyjs

    plots = {"parameters": parallel_coordinates(report), "curves": learning_curves(report)}
    scripts = [get_plotlyjs(), (_FILES / "report.js").read_text("utf-8")]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    # No script but these two, and no request to anywhere. plotly.js compiles what it draws parallel coordinates with.
    sources = " ".join(f"'sha256-{digest}'" for digest in hashes)
    policy = f"default-src 'none'; script-src {sources} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
    title = escape(report.experiment or "experiment")
    lines = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{(_FILES / 'report.css').read_text('utf-8')}</style>\n</head>\n<body>\n<main>",
        f"<h1>{title}</h1>\n<p>{escape(report.summary)}</p>",
        *_sections(report, plots),
        f'</main>\n<script type="application/json" id="plots">{_json(plots)}</script>',
        *(f"<script>{script}</script>" for script in scripts),
        "</body>\n</html>\n",
    ]
    return "\n".join(lines).encode("utf-8", "replace").decode()  # a name may have a lone surrogate


def _sections(report: ExperimentReport, plots: Mapping[str, dict[str, Any] | None]) -> Iterable[str]:
    metric = escape(str(report.metric))
    if report.metric is None:
        yield "<p>No trial has reported a number.</p>"
    else:
        good = "smaller" if report.mode == "min" else "larger"
        yield f"<p>Compared by <b>{metric}</b> ({report.mode}: {good} is better).</p>"
    yield "<h2>Hyperparameters</h2>"
    yield _plot("parameters", plots["parameters"], _notes_on_parameters(report))
    yield "<h2>Learning curves</h2>"
    yield _plot("curves", plots["curves"], _notes_on_curves(report))
    yield "<h2>Trials</h2>"
    yield from _trials(report)
    yield "<h2>Failures</h2>"
    yield from _failures([trial for trial in report.trials if trial.failed])


def _plot(name: str, plot: dict[str, Any] | None, notes: Sequence[str]) -> str:
    text = "".join(f"<p class=note>{escape(note)}</p>" for note in notes)
    if plot is None:
        return text
    frame = f'<div class=frame tabindex=0><div id="{name}" style="min-width:{plot["min_width"]}px"></div></div>'
    return f"{frame}{text}<p class=note id={name}-error hidden></p>"


def _notes_on_parameters(report: ExperimentReport) -> list[str]:
    drawn = [trial for trial in report.trials if trial.last is not None]
    names, left_out = varied_parameters(drawn), len(report.trials) - len(drawn)
    if not names:
        return ["There is nothing to compare: no hyperparameter differs between trials that reported the metric."]
    notes = ["A line is a trial, dark where it is good. Drag along an axis to select trials, and an axis to move it."]
    if len(names) > MAX_AXES:
        notes.append(f"The first {MAX_AXES} of {len(names)} hyperparameters that differ between trials are drawn.")
    if left_out:
        notes.append(f"Trials without a value of the metric are not drawn: {left_out}.")
    return notes


def _notes_on_curves(report: ExperimentReport) -> list[str]:
    if report.metric is None:
        return ["There is none."]
    if not report.sampled:
        return []
    return [f"Curves are sampled: {report.max_points} of the results of each trial that has more ({report.sampled})."]


def _trials(report: ExperimentReport) -> Iterable[str]:
    varied = varied_parameters(report.trials)
    shown = varied[:_MAX_COLUMNS]
    metric = [f"{report.metric} (last)", f"{report.metric} (best)"] if report.metric else []
    yield _table(["trial", "state", *metric, *shown, "rows", "run"], (_cells(t, shown, report) for t in report.trials))
    if len(varied) > len(shown):
        yield f"<p class=note>The first {len(shown)} of {len(varied)} hyperparameters that differ are shown.</p>"
    constants = {name: value for trial in report.trials[:1] for name, value in trial.config.items()}
    same = [(name, value) for name, value in constants.items() if name not in set(varied)]
    if same:
        more = f" (the first {_MAX_CONSTANTS} of {len(same)})" if len(same) > _MAX_CONSTANTS else ""
        yield f"<h3>The same in all trials{more}</h3>"
        rows = ([_cell(name), _cell(_text(value))] for name, value in same[:_MAX_CONSTANTS])
        yield _table(["hyperparameter", "value"], rows)


def _cells(trial: TrialReport, parameters: Sequence[str], report: ExperimentReport) -> list[str]:
    values = [_number(trial.last), _number(trial.best)] if report.metric else []
    config = [
        _number(value) if isinstance(value := trial.config.get(name, ""), float) else _cell(_text(value))
        for name in parameters
    ]
    state = f'<td class="state {escape(trial.state)}">{escape(trial.state)}</td>'
    name = _cell(trial.name or trial.trial_id)
    return [name, state, *values, *config, _cell(str(trial.rows)), f"<td>{_link(trial)}</td>"]


def _text(value: object) -> str:
    return text_of(value, _MAX_CELL_CHARS)


def _link(trial: TrialReport) -> str:
    if trial.url and trial.url.startswith(("https://", "http://")):
        return f'<a href="{escape(trial.url)}" rel=noreferrer>W&amp;B</a>'
    if not trial.files:
        return "-"
    path = trial.files[-1]
    if not path.startswith("/"):  # in a storage
        return escape(path)
    return f'<a href="file://{quote(path, errors="replace")}" title="{escape(path)}">local file</a>'


def _failures(failed: Sequence[TrialReport]) -> Iterable[str]:
    if not failed:
        yield "<p>None.</p>"
    for trial in failed[:_MAX_FAILURES]:
        config = ", ".join(f"{name}={_text(value)}" for name, value in [*trial.config.items()][:_MAX_COLUMNS])
        head = f"<b>{escape(trial.name or trial.trial_id)}</b> <span class=state>{escape(trial.state)}</span>"
        last = (trial.error or trial.problem or "No error was kept.").rsplit("\n", 1)[-1]
        yield f"<details><summary>{head} {escape(last[:200])}</summary>"
        yield f"<p class=note>{escape(config)}</p>"
        for text in (trial.problem, trial.error):
            yield f"<pre>{escape(text)}</pre>" if text else ""
        yield "</details>"
    if len(failed) > _MAX_FAILURES:
        yield f"<p class=note>The first {_MAX_FAILURES} of {len(failed)} are shown.</p>"


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _number(value: float | None) -> str:
    return "<td></td>" if value is None else f'<td data-value="{value!r}">{value:.6g}</td>'


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th><button>{escape(title)}</button></th>" for title in titles)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<div class=frame tabindex=0><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _json(value: object) -> str:
    """Return JSON that ends no script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028")
