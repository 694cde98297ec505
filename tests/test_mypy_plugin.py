"""The mypy plugin: raw dicts as documented, checked as if they were annotated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mistakes import MISTAKES
from tests.typing import checkers

PROGRAMS = Path(__file__).parent / "typing"

HEAD = """
from typing import Any
from ray import tune
from typed_tune_wandb import WandbConfigDict
def train(config: dict[str, Any]) -> None: ...
"""
WAYS = {
    "annotated": "annotated_{i}: WandbConfigDict = {entry}",
    "run": 'tune.run(train, config={{"lr": 0.1, "wandb": {entry}}})',
    "Tuner": 'tune.Tuner(train, param_space={{"wandb": {entry}}})',
    "logger_config": 'tune.Tuner(train, param_space={{"logger_config": {{"wandb": {entry}}}}})',
    "variable": 'config_{i} = {{"wandb": {entry}}}; tune.run(train, config=config_{i})',
    "search": 'tune.run(train, config={{"wandb": tune.choice([{entry}])}})',
}


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("mypy")


@pytest.mark.parametrize("stubs", [True, False], ids=["stubs", "no stubs"])
def test_every_way_in_is_as_good_as_an_annotation(cache: Path, tmp_path: Path, stubs: bool) -> None:
    """Each mistake that types tell has the same error, by message and code, whatever way the dict comes in."""
    program = tmp_path / "ways.py"
    lines = [way.format(i=i, entry=mistake.entry) for i, mistake in enumerate(MISTAKES) for way in WAYS.values()]
    program.write_text(HEAD + "\n".join(lines), encoding="utf-8")
    found = checkers.mypy([program], cache / ("stubs" if stubs else "bare"), stubs=stubs)
    first = len(HEAD.splitlines()) + 1
    messages: dict[int, set[str]] = {}
    for finding in found:
        messages.setdefault(finding.line - first, set()).add(f"{finding.message} [{finding.code}]")
    for index, mistake in enumerate(MISTAKES):
        told = [messages.get(index * len(WAYS) + way, set()) for way in range(len(WAYS))]
        assert {mistake.title: mistake.in_types} == {mistake.title: bool(told[0])}
        assert [told[0]] * len(WAYS) == told


@pytest.mark.parametrize("stubs", [True, False], ids=["stubs", "no stubs"])
@pytest.mark.parametrize("name", ["raw_dicts.py", "raw_dicts_elsewhere.py"])
def test_search_values_variables_and_lines(cache: Path, name: str, stubs: bool) -> None:
    """The raw-dict programs have their errors where they say, and no other, with the stubs or without."""
    right, wrong = PROGRAMS / "pass" / name, PROGRAMS / "fail" / name
    folder = cache / ("stubs" if stubs else "bare")
    assert [] == checkers.mypy([right], folder, stubs=stubs)
    found = [finding.without_message() for finding in checkers.mypy([wrong], folder, stubs=stubs)]
    assert checkers.expected("mypy", [wrong]) == found


def test_only_the_plugin_sees_raw_dicts(cache: Path) -> None:
    """Without the plugin mypy has nothing to say about the same mistakes."""
    wrong = PROGRAMS / "fail" / "raw_dicts.py"
    assert [] == checkers.mypy([wrong], cache / "no plugin", plugin=False)


def test_a_program_without_this_library(cache: Path, tmp_path: Path) -> None:
    """A program that imports Ray alone is checked as well: its logger may come by RAY_TUNE_CALLBACKS."""
    program = tmp_path / "alone.py"
    entry = '"wandb": {"projct": "a"}'
    calls = [f'ray.tune.run("PPO", config={{{entry}}})', f'ray.tune.Tuner("PPO", param_space={{{entry}}})']
    program.write_text("\n".join(["import ray.tune", *calls]), encoding="utf-8")
    found = [finding.without_message() for finding in checkers.mypy([program], cache / "bare", stubs=False)]
    assert [checkers.Finding("alone.py", line, "typeddict-unknown-key") for line in (2, 3)] == found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder, whose mypy has the plugin."""
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = typed_tune_wandb.mypy_plugin", encoding="utf-8")
    return tmp_path


@pytest.fixture
def daemon(project: Path) -> Iterator[Callable[[], str]]:
    """What mypy's daemon says of the programs in the folder."""
    options = ["--timeout", "300", "--"]
    yield lambda: checkers.run(["mypy.dmypy", "run", *options, *sorted(p.name for p in project.glob("*.py"))], project)
    checkers.run(["mypy.dmypy", "stop"], project)


def test_the_daemon_names_no_other_file(daemon: Callable[[], str], project: Path) -> None:
    """It keeps other files' functions, which mypy forgets: what they return is not looked into."""
    made = 'def made(given: str | int) -> dict[str, Any]:\n    return {"wandb": {"projct": given}}'
    (project / "library.py").write_text(f"from typing import Any\n\n\n{made}", encoding="utf-8")
    lines = ["from ray import tune", "from library import made", 'tune.Tuner("PPO", param_space=made(1))']
    (project / "program.py").write_text("\n".join(lines), encoding="utf-8")
    assert "Success: no issues found in 2 source files" in daemon()
    (project / "program.py").write_text("\n".join([*lines, lines[2]]), encoding="utf-8")
    assert "Success: no issues found in 2 source files" in daemon()


def test_without_installed_packages(project: Path) -> None:
    """``--no-site-packages`` hides Ray and this library alike: the plugin adds no error that a user cannot silence."""
    program = project / "program.py"
    program.write_text("import ray  # type: ignore[import-not-found]", encoding="utf-8")
    said = checkers.run(["mypy", "--no-site-packages", program.name], project)
    assert "Success: no issues found in 1 source file\n" == said
