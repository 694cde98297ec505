"""The plots of a report, as plotly.js takes them: exact builtins; texts are escaped, as it reads tags in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from typed_tune_wandb.experiment.report import ExperimentReport, TrialReport, is_number

MAX_AXES: Final = 12
_MAX_LABELS: Final = 30
_MAX_LABEL_CHARS: Final = 24
_MIN_LOG_RATIO: Final = 50  # of the largest to the smallest value of an axis: from here on it is logarithmic
_GAP: Final = 0.12  # between numbers and other values, as a part of the axis
_AXIS_WIDTH_PX: Final = 110
# From the worst to the best: those of Viridis that are seen on white.
_COLORS: Final = ("#b5de2b", "#6ece58", "#35b779", "#1f9e89", "#26828e", "#31688e", "#3e4989", "#482878")
_FONT: Final = {"family": "system-ui, sans-serif", "size": 13, "color": "#24292f"}
_ABSENT: Final = "not set"
_BESIDE_NUMBERS: Final = frozenset({_ABSENT, "None", "nan", "inf", "-inf"})
_MAX_SPAN: Final = 1e300  # of an axis of numbers: what is drawn beside it is a float, too
_MAX_LOG_TICKS: Final = 10
_MIN_TICK_GAP: Final = 0.06  # as a part of the axis: if numbers are closer, they are not the ticks


def text_of(value: object, max_chars: int = _MAX_LABEL_CHARS) -> str:
    """Return a hyperparameter as a text that is not too long."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


def varied_parameters(trials: Sequence[TrialReport]) -> list[str]:
    """Return the hyperparameters that are not the same in all trials, in their order."""
    names = dict.fromkeys(name for trial in trials for name in trial.config)
    return [name for name in names if len({repr(trial.config.get(name, _ABSENT)) for trial in trials}) > 1]


def parallel_coordinates(report: ExperimentReport) -> dict[str, Any] | None:
    """Return the plot of hyperparameters, coloured by the last value of the metric; None if there is none to draw."""
    trials = [trial for trial in report.trials if trial.last is not None]
    names = varied_parameters(trials)[:MAX_AXES]
    if not names:
        return None
    axes = [_axis(name, [trial.config.get(name, _ABSENT) for trial in trials]) for name in names]
    values = [trial.last for trial in trials]
    colors = _COLORS if report.mode == "max" else _COLORS[::-1]
    scale = [[i / (len(colors) - 1), color] for i, color in enumerate(colors)]
    line = {
        "color": values,
        "colorscale": scale,
        "showscale": True,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "exponentformat": "e"},
    }
    dimensions = [*axes, _axis(str(report.metric), values)]
    trace = {"type": "parcoords", "dimensions": dimensions, "line": line, "labelangle": -20, "labelside": "top"}
    layout = {"height": 460, "margin": {"l": 90, "r": 70, "t": 90, "b": 30}, "font": _FONT}
    return {"data": [trace], "layout": layout, "min_width": _AXIS_WIDTH_PX * (len(dimensions) + 1)}


def learning_curves(report: ExperimentReport) -> dict[str, Any] | None:
    """Return the plot of the metric over the iterations, a line for each trial; None without any."""
    drawn = [trial for trial in reversed(report.trials) if trial.last is not None]  # the best one is on top
    if not drawn:
        return None
    # Ranks, not values: one trial that is far off would make all others alike.
    traces = [_line(trial, round(i * (len(_COLORS) - 1) / max(1, len(drawn) - 1))) for i, trial in enumerate(drawn)]
    positive = all(value is None or value > 0 for trial in drawn for value in trial.curve)
    buttons = [
        {"label": kind, "method": "relayout", "args": [{"yaxis.type": kind, "yaxis.autorange": True}]}
        for kind in ("linear", "log")
    ]
    menu = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.12, "buttons": buttons}
    layout = {
        "height": 420,
        "margin": {"l": 70, "r": 20, "t": 50, "b": 50},
        "font": _FONT,
        "showlegend": False,
        "hovermode": "closest",
        "plot_bgcolor": "#fff",
        "xaxis": {"title": {"text": "training iteration"}, "gridcolor": "#eaeef2", "zeroline": False},
        "yaxis": {
            "title": {"text": _label(str(report.metric), 40)},
            "gridcolor": "#eaeef2",
            "zeroline": False,
            "exponentformat": "e",
        },
        "updatemenus": [menu] if positive else [],
    }
    return {"data": traces, "layout": layout, "min_width": 0}


def _line(trial: TrialReport, color: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(trial.curve) > 1 else "markers",
        "x": trial.iterations,
        "y": trial.curve,
        "name": _label(trial.name, 80),
        "line": {"width": 1.5, "color": _COLORS[color]},
        "marker": {"size": 6, "color": _COLORS[color]},
        "opacity": 0.8,
        "hovertemplate": "%{fullData.name}<br>%{x}: %{y}<extra></extra>",
    }


def _axis(name: str, values: Sequence[object]) -> dict[str, Any]:
    """Return an axis: of numbers, perhaps logarithmic, with other values below them; or of categories."""
    numbers = [float(value) for value in values if is_number(value)]
    others = sorted({text_of(value) for value in values if not is_number(value)})
    span = max(numbers, default=0.0) - min(numbers, default=0.0)
    if not numbers or span > _MAX_SPAN or not {*others} <= _BESIDE_NUMBERS:
        return {"label": _label(name, 28), **_categories([text_of(value) for value in values])}
    is_log = min(numbers) > 0 and max(numbers) / min(numbers) >= _MIN_LOG_RATIO
    scaled = [math.log10(number) if is_log else number for number in numbers]
    low, high = min(scaled), max(scaled)
    below = {text: low - (i + 1) * _GAP * ((high - low) or 1) for i, text in enumerate(others)}
    ticks = sorted({*scaled})
    gaps = [second - first for first, second in pairwise(ticks)]
    if min(gaps, default=1) < _MIN_TICK_GAP * (high - low):
        ticks = _log_ticks(low, high) if is_log else [low + (high - low) * i / 5 for i in range(6)]
    found = iter(scaled)
    return {
        "label": _label(name, 28),
        "values": [next(found) if is_number(value) else below[text_of(value)] for value in values],
        "tickvals": [*below.values(), *ticks],
        "ticktext": [*below, *(f"{10**tick if is_log else tick:.3g}" for tick in ticks)],
    }


def _categories(texts: Sequence[str]) -> dict[str, Any]:
    places = {text: i for i, text in enumerate(sorted({*texts}))}
    shown = [*places][:: -(-len(places) // _MAX_LABELS)]
    return {"values": [places[text] for text in texts], "tickvals": [places[text] for text in shown], "ticktext": shown}


def _log_ticks(low: float, high: float) -> list[float]:
    """Return two logarithms, and the whole powers of ten between them that are not too close."""
    gap = _MIN_TICK_GAP * (high - low)
    whole = [float(power) for power in range(math.ceil(low), math.floor(high) + 1) if low + gap < power < high - gap]
    return [low, *whole[:: -(-len(whole) // _MAX_LOG_TICKS) or 1], high]


def _label(text: str, max_chars: int) -> str:
    return escape(text_of(text, max_chars), quote=False)
