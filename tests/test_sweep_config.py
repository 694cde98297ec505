"""Tune's search space as the configuration of a W&B sweep: it allows every value that Tune draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray import tune
from ray.tune.search.sample import Domain

from typed_tune_wandb import ExperimentRuns, RunInfo
from typed_tune_wandb.experiment._index import Index, from_json, to_json
from typed_tune_wandb.payload import Redactor
from typed_tune_wandb.recording.sweep import SweepInfo
from typed_tune_wandb.tune._console import Console
from typed_tune_wandb.tune._search_space import SearchSpace, find_search_space, sweep_config

# What W&B documents of a parameter: the keys that each distribution needs, and no others.
KEYS = {
    "uniform": {"min", "max"},
    "log_uniform_values": {"min", "max"},
    "int_uniform": {"min", "max"},
    "normal": {"mu", "sigma"},
    "q_uniform": {"min", "max", "q"},
    "q_log_uniform_values": {"min", "max", "q"},
    "q_normal": {"mu", "sigma", "q"},
}


def parameter_of(value: object) -> dict[str, Any]:
    config, unsaid = sweep_config(SearchSpace({"x": value}), "exp")
    assert [] == unsaid
    parameter: dict[str, Any] = config["parameters"]["x"]
    return parameter


def allows(parameter: dict[str, Any], value: Any) -> bool:
    """Whether W&B's own search could draw a value from a parameter."""
    if "values" in parameter:
        return value in parameter["values"]
    if "mu" in parameter:
        inside = True
    else:
        slack = 1e-9 * max(abs(parameter["min"]), abs(parameter["max"]), 1e-300)
        inside = parameter["min"] - slack <= value <= parameter["max"] + slack
    if parameter["distribution"] == "int_uniform":
        return inside and value == int(value)
    step = parameter.get("q")
    return inside and (step is None or math.isclose(value / step, round(value / step), rel_tol=1e-6, abs_tol=1e-6))


floats = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
positive = st.floats(1e-6, 1e6)
steps = st.integers(2, 20)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    kind = draw(
        st.sampled_from(["uniform", "loguniform", "randint", "lograndint", "normal", "q", "qint", "qlog", "qn"])
    )
    low, high = sorted(draw(st.lists(floats, min_size=2, max_size=2, unique=True)))
    small, large = sorted(draw(st.lists(positive, min_size=2, max_size=2, unique=True)))
    first, count, step = draw(st.integers(1, 1000)), draw(st.integers(1, 1000)), draw(steps)
    makers: dict[str, Callable[[], Domain]] = {
        "uniform": lambda: tune.uniform(low, high),
        "loguniform": lambda: tune.loguniform(small, large),
        "randint": lambda: tune.randint(first - 500, first - 500 + count),
        "lograndint": lambda: tune.lograndint(first, first + count),
        "normal": lambda: tune.randn(low, small),
        "q": lambda: tune.quniform(first * step / 8, (first + count) * step / 8, step / 8),
        "qint": lambda: tune.qrandint(first * step, (first + count) * step, step),
        "qlog": lambda: tune.qlograndint(first * step, (first + count) * step, step),
        "qn": lambda: tune.qrandn(low, small, step),
    }
    return makers[kind]()


@given(domain=domains(), seed=st.integers(0, 2**31))
def test_it_allows_every_value_that_tune_draws(domain: Domain, seed: int) -> None:
    """The ends of integers are the hard part: W&B draws the upper one, Tune does not."""
    parameter = parameter_of(domain)
    assert KEYS[parameter["distribution"]] == {*parameter} - {"distribution"}
    assert {int, float} >= {type(value) for name, value in parameter.items() if name != "distribution"}
    values = np.atleast_1d(domain.sample(size=20, random_state=np.random.default_rng(seed)))
    assert [] == [value for value in values.tolist() if not allows(parameter, value)]


@given(values=st.lists(st.one_of(st.integers(-(2**50), 2**50), st.booleans(), st.none()), min_size=1))
def test_choices_and_grids_are_lists_of_values(values: list[Any]) -> None:
    """In their order, with their types."""
    for search in (tune.choice(values), tune.grid_search(values)):
        assert {"values": values} == parameter_of(search)


def test_whole_numbers_end_before_tunes_upper_end() -> None:
    """randint(1, 5) is 1 to 4; qrandint(2, 8, 2) is 2 to 8."""
    assert {"distribution": "int_uniform", "min": 1, "max": 4} == parameter_of(tune.randint(1, 5))
    assert {"distribution": "q_uniform", "min": 2, "max": 8, "q": 2} == parameter_of(tune.qrandint(2, 8, 2))


def test_the_method_says_who_searches() -> None:
    """Grid where all that is searched is grid_search; constants do not count."""
    grid = tune.grid_search([1, 2])
    assert "grid" == sweep_config(SearchSpace({"a": grid, "b": {"c": grid}, "d": 1}), "exp")[0]["method"]
    for other in (tune.choice([1]), tune.uniform(0, 1), tune.sample_from(lambda _: 1)):
        assert "random" == sweep_config(SearchSpace({"a": grid, "b": other}), "exp")[0]["method"]
    assert "random" == sweep_config(SearchSpace({"a": 1}), "exp")[0]["method"]


def test_what_wandb_cannot_say_is_left_out_and_named() -> None:
    """Functions, objects, search values in lists and in candidates, and names that W&B does not take."""
    space = {
        "a": tune.sample_from(lambda spec: 1),
        "b": ("__fn_ph", "0123abcd"),
        "c": tune.choice([("__ref_ph", "0123abcd"), 1]),
        "d": [tune.uniform(0, 1)],
        "e": tune.choice([{"f": tune.uniform(0, 1)}]),
        "g h": tune.uniform(0, 1),
        "i": {"j": {}, "k": ("__ref_ph", "0123abcd")},
        "l": tune.uniform(0, 1),
    }
    config, unsaid = sweep_config(SearchSpace(space), "exp")
    assert {"l"} == {*config["parameters"]}
    assert ["a", "b", "c", "d", "e", "g h"] == [text.partition(":")[0] for text in unsaid]


def test_a_space_that_tune_does_not_know_is_named() -> None:
    """Optuna's define-by-run: without parameters, the metric alone is left."""
    config, unsaid = sweep_config(SearchSpace({}, "loss", "min", "OptunaSearch"), "exp")
    assert {"name": "exp", "method": "random", "metric": {"name": "loss", "goal": "minimize"}} == config
    assert ["the space of OptunaSearch: Tune was not told it"] == unsaid


def test_no_secret_and_no_entry_gets_into_it() -> None:
    """The W&B entry and excluded keys are left out; secrets are redacted, as constants and as candidates."""
    space = {
        "wandb": {"api_key": "hunter2hunter2", "tags": tune.choice([["a"]])},
        "logger_config": {"wandb": {"api_key": "hunter2hunter2"}},
        "db": {"password": "hunter2hunter2", "host": "h"},
        "hf_token": tune.choice(["hunter2hunter2", "hunter3hunter3"]),
        "badge": "hunter2hunter2",
        "own": tune.uniform(0, 1),
        "lr": tune.uniform(0, 1),
    }
    config, _ = sweep_config(SearchSpace(space), "exp", Redactor(["badge"]), ("own",))
    assert "hunter" not in str(config)
    assert {"db", "hf_token", "badge", "lr"} == {*config["parameters"]}
    assert 2 == len({*config["parameters"]["hf_token"]["values"]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [*range(200)]])
def test_constants_that_say_nothing_are_left_out(value: object) -> None:
    """What no plot could show."""
    assert "parameters" not in sweep_config(SearchSpace({"a": value}), "exp")[0]


def test_outside_of_tune_there_is_no_space() -> None:
    """No frame of Tune's is on the stack."""
    assert find_search_space() is None


def test_the_experiments_file_keeps_the_sweep() -> None:
    """All that is known of it; a file without one has none, and keys of a later release are passed over."""
    sweep = SweepInfo({"method": "grid"}, "p", "me", "abc", "https://wandb.ai/me/p/sweeps/abc", finished=True)
    index = Index("exp", {}, {}, sweep)
    text = to_json(index)
    assert index == from_json(text) == from_json(text.replace('"finished"', '"later": 1, "finished"'))
    assert None is from_json(to_json(Index("exp"))).sweep
    assert "me/p/abc" == sweep.path


def test_the_console_names_the_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    """Its page, where it has one."""
    runs = {"a": RunInfo("a", "a", "a", "finished", url="https://wandb.ai/me/p/runs/a")}
    for url, lines in ((None, 1), ("https://wandb.ai/me/p/sweeps/abc", 2)):
        Console(quiet=False).print_end(ExperimentRuns(runs, sweep=SweepInfo(url=url)), "/exp")
        printed = capsys.readouterr().err.splitlines()
        assert lines == len(printed)
        assert url is None or f"W&B: sweep {url}" == printed[-1]
