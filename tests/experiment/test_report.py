"""What a report shows, its plots, and its page: no Ray, no process."""

from __future__ import annotations

import importlib
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import write_experiment, write_runs, write_trial
from typed_tune_wandb import ExperimentRuns, RunInfo
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.experiment._report_page import report_page
from typed_tune_wandb.experiment._report_plots import MAX_AXES, learning_curves, parallel_coordinates
from typed_tune_wandb.experiment.report import ExperimentReport, TrialReport, make_report
from typed_tune_wandb.payload import sanitize_config

go: Any = importlib.import_module("plotly.graph_objects")  # without types
TEXTS = st.text(max_size=8) | st.sampled_from(["</script>", "<img src=x onerror=alert(1)>", "&lt;", "\ud800", "$x$"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def trial(number: int, config: dict[str, Any], last: float | None = 1.0, **more: Any) -> TrialReport:
    """Return a trial of a report."""
    curve: dict[str, Any] = (
        {"iterations": [1], "curve": [last]} if last is not None else {"iterations": [], "curve": []}
    )
    rest = {"state": "finished", "url": None, "files": (), "rows": 1, "problem": None, "error": None} | more
    return TrialReport(trial_id=str(number), name=f"t{number}", config=config, best=last, last=last, **curve, **rest)


def report(*trials: TrialReport, metric: str | None = "loss", experiment: str = "exp") -> ExperimentReport:
    """Return a report of trials."""
    return ExperimentReport(experiment, "some runs", metric, "min", [], 500, 0, [*trials])


def axes(*configs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the axes of trials with these configs, by name."""
    plot = parallel_coordinates(report(*(trial(i, config, float(i)) for i, config in enumerate(configs))))
    return {} if plot is None else {axis["label"]: axis for axis in plot["data"][0]["dimensions"]}


class _Page(HTMLParser):
    """Collects the elements and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_what_it_is_made_of(tmp_path: Path) -> None:
    """The best trial first; those without a value last, with their hyperparameters and errors."""
    made = make_report(ExperimentRuns.load(write_experiment(tmp_path)), mode="min")
    assert ("loss", ["loss", "nested/acc"]) == (made.metric, made.metrics)
    assert ["t5", "t3", "t2", "t1", "t0", "t4"] == [trial.trial_id for trial in made.trials]
    best, failed = made.trials[0], made.trials[-1]
    assert (1 / 9, 1 / 9, [1, 2, 3, 4, 5]) == (best.last, best.best, best.iterations)
    assert [None, 1 / 6] == best.curve[:2]
    assert [trial.trial_id for trial in made.trials if trial.failed] == ["t4"]
    assert (None, [], 1e-4, "relu") == (failed.last, failed.curve, failed.config["lr"], failed.config["net/act"])
    assert str(failed.error).endswith("<script>alert(1)")
    assert "\x1b" not in str(failed.error)


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    """By name, by the experiment's own secret_names, and in errors; excludes are left out."""
    runs = ExperimentRuns.load(write_experiment(tmp_path))
    made = make_report(runs, excludes=["net/act"], secret_names=["depth"])
    text = json.dumps(made.as_dict(), allow_nan=False)
    page = re.sub(r"<script>.*?</script>", "", report_page(made), flags=re.DOTALL)  # "relu" may be a word of plotly.js
    for secret in ("hunter2", "k1tten", "badge-", "relu"):
        assert secret not in text + page
    assert "***" in str(made.trials[0].config["badge"])
    assert {"***"} == {str(trial.config["depth"])[:3] for trial in made.trials if trial.config["depth"] is not None}


def test_the_loggers_own_names_count(tmp_path: Path) -> None:
    """They are in the file of the runs, since they are in no trial's config."""
    runs = ExperimentRuns.load(write_experiment(tmp_path))
    hidden = {"secret_names": ["depth"], "excludes": ["net/act"]}
    ExperimentRuns(runs, "exp", Folder.at(tmp_path), hidden).save()
    trials = make_report(ExperimentRuns.load(tmp_path)).trials
    assert {"***"} == {str(trial.config["depth"])[:3] for trial in trials if trial.config["depth"] is not None}
    assert not [trial for trial in trials if "net/act" in trial.config]


def test_a_metric_that_no_trial_has_is_an_error(tmp_path: Path) -> None:
    """With those that there are."""
    runs = ExperimentRuns.load(write_experiment(tmp_path))
    with pytest.raises(ValueError, match=r"as 'acc'. Metrics: loss, nested/acc"):
        make_report(runs, "acc")
    assert "nested/acc" == make_report(runs, "nested/acc").metric


def test_an_experiment_without_results_has_a_page(tmp_path: Path) -> None:
    """With no trial, with none that reported, and with no number at all."""
    write_runs(tmp_path / "none", [])
    write_runs(tmp_path / "lost", [RunInfo("a", "a", "a", "lost", problem="no disk")])
    write_runs(tmp_path / "text", [write_trial(tmp_path / "text", RunInfo("a", "a", "a"), {}, ["x"])])
    for name in ("none", "lost"):
        made = make_report(ExperimentRuns.load(tmp_path / name), "loss")
        assert "Hyperparameters" in report_page(made)
    assert "no disk" in report_page(make_report(ExperimentRuns.load(tmp_path / "lost")))
    assert ["nested/acc"] == make_report(ExperimentRuns.load(tmp_path / "text")).metrics


def test_long_curves_are_sampled(tmp_path: Path) -> None:
    """The first and the last point stay, and the page says so."""
    run = write_trial(tmp_path, RunInfo("a", "a", "a", "finished"), {"lr": 1}, [*range(2_000)])
    write_runs(tmp_path, [run])
    made = make_report(ExperimentRuns.load(tmp_path))
    (only,) = made.trials
    assert (500, 1, 2_000, 0.0, 1999.0) == (
        len(only.curve),
        *only.iterations[:: len(only.iterations) - 1],
        *only.curve[::499],
    )
    assert "500 of the results of each trial that has more (1)" in report_page(made)


def test_numbers_and_other_values_on_an_axis() -> None:
    """What is not set, None and NaN stand below the numbers; large ranges are logarithmic; the rest are categories."""
    found = axes(
        {"a": 1, "lr": 1e-5, "c": "x", "b": True},
        {"a": None, "lr": 0.1, "c": 3, "b": False},
        {"lr": 0.01, "a": math.nan},
    )
    assert ["a", "lr", "c", "b", "loss"] == [*found]
    assert ["None", "nan", "1"] == found["a"]["ticktext"]
    assert found["a"]["values"][0] > max(found["a"]["values"][1:])
    assert [-5.0, -1.0, -2.0] == pytest.approx(found["lr"]["values"])
    assert ["1e-05", "0.01", "0.1"] == found["lr"]["ticktext"]
    assert ["3", "not set", "x"] == found["c"]["ticktext"]
    assert ["False", "True", "not set"] == found["b"]["ticktext"]


def test_only_what_differs_is_an_axis() -> None:
    """At most twelve of them."""
    assert not axes({"a": 1}, {"a": 1})
    many = [{f"p{i}": value for i in range(40)} for value in (1, 2)]
    assert MAX_AXES + 1 == len(axes(*many))
    page = report_page(report(*(trial(i, config) for i, config in enumerate(many))))
    assert "The first 12 of 40 hyperparameters" in page
    assert "The first 30 of 40 hyperparameters" in page


@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=4), st.lists(st.none() | st.floats(-1e308, 1e308)))
def test_any_config_gives_valid_plots(configs: list[dict[str, Any]], lasts: list[float | None]) -> None:
    """As plotly validates them, and as JSON for a browser."""
    trials = [
        trial(i, sanitize_config(config), lasts[i] if i < len(lasts) else 1.0) for i, config in enumerate(configs)
    ]
    for plot in (parallel_coordinates(report(*trials)), learning_curves(report(*trials))):
        if plot is not None:
            json.dumps(plot, allow_nan=False)
            go.Figure(data=plot["data"], layout=plot["layout"])


@patch("plotly.offline.get_plotlyjs", str)  # 5 MB that no text changes
@given(TEXTS, VALUES, TEXTS)
def test_any_text_is_escaped(name: str, value: object, error: str) -> None:
    """Whatever the names are, the page has the same elements."""

    def page(name: str, value: object, error: str) -> list[str]:
        more: dict[str, Any] = {
            "problem": error,
            "error": error,
            "state": "failed",
            "url": f"javascript:{name}",
            "files": (f"/{name}",),
        }
        trials = [trial(i, {f"p{name}": [value, i], "q": f"{i}"}, **more) for i in range(2)]
        made = report(*trials, metric=f"m{name}", experiment=f"e{name}")
        text = report_page(made).encode().decode()
        return [tag for tag, _ in _Page(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)).elements]

    assert page("x", "x", "x") == page(name, value, f"x{error}")


def test_nothing_is_loaded(tmp_path: Path) -> None:
    """Of all elements only links lead elsewhere, and the policy allows two scripts by their hash."""
    page = report_page(make_report(ExperimentRuns.load(write_experiment(tmp_path))))
    elements = _Page(page).elements
    assert {"a"} == {tag for tag, attributes in elements if {"src", "href"} & {*attributes}}
    (policy,) = (found["content"] for _, found in elements if found.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert 2 == str(policy).count("'sha256-")
    links = {str(found["href"]) for tag, found in elements if tag == "a"}
    assert {"https://wandb.ai/me/p/runs/1", (tmp_path / "wandb" / "run-t0.wandb").as_uri()} <= links


def test_a_thousand_trials_have_a_page_of_bounded_size() -> None:
    """Beside plotly.js, 4.8 MB, the curves' points are the most of it."""
    get_plotlyjs = importlib.import_module("plotly.offline").get_plotlyjs
    configs = ({"lr": 1 / (i + 1), "text": f"{'x' * 10_000}{i}"} for i in range(1_000))
    trials = [trial(i, config, 1 / (i + 1)) for i, config in enumerate(configs)]
    trials = [evolve(one, iterations=[*range(50)], curve=[1 / 3] * 50) for one in trials]
    assert len(report_page(report(*trials))) - len(get_plotlyjs()) < 3_000_000


def test_ticks_are_not_on_top_of_each_other() -> None:
    """Few numbers are the ticks of their axis; close ones are not; the ends always are."""
    found = axes(*({"b": [0, 1, 100][i % 3]} for i in range(5)))
    assert ["1", "2", "4", "8", "16"] == axes(*({"a": 2**i} for i in range(5)))["a"]["ticktext"]
    assert ["0", "20", "40", "60", "80", "100"] == found["b"]["ticktext"]
    assert ["1e-05", "0.0001", "0.001", "0.01", "0.1"] == axes(*({"x": 10 ** -(1 + i / 25)} for i in range(101)))["x"][
        "ticktext"
    ]
