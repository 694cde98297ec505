"""Which settings count, and where each comes from; and how settings show themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb import WandbSettings, explain_settings
from typed_tune_wandb._hooks import API_KEY_HOOK, LOCATION_HOOK
from typed_tune_wandb.settings import effective_mode, explicit_option, local_folder, resolve_destination

KEY = "0123456789abcdef0123456789abcdef01234567"


def explained(config: Any = None, defaults: WandbSettings | None = None) -> dict[str, tuple[str | None, str]]:
    return {row.name: (row.value, row.source) for row in explain_settings(config, defaults=defaults).settings}


def name_a_project() -> None:
    os.environ["WANDB_PROJECT_NAME"] = "hooked"


def give_a_key() -> str:
    return KEY


def test_fields_of_the_entry_and_of_the_logger() -> None:
    """The entry's count more, also those in its settings; the others are the logger's."""
    config = {"wandb": {"project": "p", "settings": {"run_group": "g", "base_url": "http://host:1/"}}}
    rows = explained(config, WandbSettings(project="other", mode="offline", dir="runs"))
    assert ("p", 'the field project of config["wandb"]') == rows["project"]
    assert ("g", 'the field settings.run_group of config["wandb"]') == rows["group"]
    assert ("http://host:1", 'the field settings.base_url of config["wandb"]') == rows["url"]
    assert ("offline", "the field mode of WandbLogger(...)") == rows["mode"]
    assert (str(Path("runs").absolute()), "the field dir of WandbLogger(...)") == rows["folder"]
    assert (None, "none is needed offline") == rows["api_key"]


@pytest.fixture(autouse=True)
def _no_session() -> Iterator[None]:
    """What an earlier test has set in wandb in this process does not count."""
    wandb.teardown()
    yield
    wandb.teardown()


def test_variables_files_and_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source by its name; a key is never shown."""
    Path("wandb").mkdir()
    Path("wandb/settings").write_text("[default]\nentity = team\nmode = online\n")
    monkeypatch.setenv("WANDB_RUN_GROUP", "g")
    monkeypatch.setenv("WANDB_DIR", "/runs")
    monkeypatch.setenv("WANDB_BASE_URL", f"http://me:{KEY}@host")
    monkeypatch.setenv(LOCATION_HOOK, f"{__name__}.name_a_project")
    monkeypatch.setenv(API_KEY_HOOK, f"{__name__}.give_a_key")
    text = str(explain_settings())
    assert KEY not in text
    rows = explained()
    assert ("team", "the file wandb/settings") == rows["entity"]
    assert ("online", "the file wandb/settings") == rows["mode"]
    assert ("g", "the variable WANDB_RUN_GROUP") == rows["group"]
    assert ("/runs", "the variable WANDB_DIR") == rows["folder"]
    assert "the variable WANDB_BASE_URL" == rows["url"][1]
    assert ("***", f"the hook {API_KEY_HOOK}") == rows["api_key"]
    assert "hooked" == rows["project"][0]
    assert 7 == len(text.splitlines())


def test_defaults_and_what_is_missing() -> None:
    """Without anything, what is missing is named, and nothing raises; a project may still be named in the program."""
    assert ["api_key"] == [problem.path for problem in explain_settings().problems]
    found = explain_settings({})
    rows = {row.name: row.source for row in found.settings}
    assert ["project", "api_key"] == [problem.path for problem in found.problems]
    assert "default" == rows["mode"]
    assert rows["entity"].startswith("default")
    assert rows["group"].startswith("default")
    assert "problem: project: no W&B project" in str(found)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"wandb": {"project": 3, "mode": "offline"}}, "project"),
        ({"wandb": {"project": "p", "settings": {"base_url": "no address"}}}, "settings.base_url"),
        ({"wandb": {}, "logger_config": {"wandb": {}}}, "wandb"),
        (3, ""),
    ],
)
def test_mistakes_are_named_and_do_not_raise(config: Any, path: str) -> None:
    """In the entry, in its place, and what wandb alone knows."""
    assert path in [problem.path for problem in explain_settings(config).problems]


def test_wrong_variables_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before the first trial."""
    monkeypatch.setenv("WANDB_MODE", "ofline")
    assert "WANDB_MODE" in [problem.path for problem in explain_settings({"wandb": {"project": "p"}}).problems]


def test_of_a_search_space_the_first_candidates() -> None:
    """A grid in it is no mistake."""
    found = explain_settings({"wandb": {"project": {"grid_search": ["a", "b"]}, "mode": "offline"}})
    assert () == found.problems
    assert "a" == {row.name: row.value for row in found.settings}["project"]


def test_a_launched_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's project and entity count more than those of the settings."""
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    monkeypatch.setenv("WANDB_PROJECT", "agents")
    assert ("agents", "the variable WANDB_PROJECT, set by W&B") == explained({"wandb": {"project": "p"}})["project"]


NAMES = st.none() | st.sampled_from(["a", "b"])
VARIABLES = ["WANDB_MODE", "WANDB_PROJECT", "WANDB_PROJECT_NAME", "WANDB_RUN_GROUP", "WANDB_GROUP_NAME", "WANDB_DIR"]


@given(
    fields=st.fixed_dictionaries({}, optional={"project": NAMES, "group": NAMES, "dir": NAMES, "mode": NAMES}),
    nested=st.fixed_dictionaries({}, optional={"run_group": st.just("n"), "project": st.just("n"), "root_dir": NAMES}),
    variables=st.dictionaries(st.sampled_from(VARIABLES), st.sampled_from(["c", "d"])),
)
def test_it_is_what_a_run_gets(fields: dict[str, Any], nested: dict[str, Any], variables: dict[str, str]) -> None:
    """The same values that :func:`resolve_destination` and its like find, whatever sets them."""
    fields = {key: value for key, value in fields.items() if value}
    nested = {key: value for key, value in nested.items() if value}
    fields.pop("mode", None)
    variables = {name: "offline" if name == "WANDB_MODE" else text for name, text in variables.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, text in variables.items():
            patch.setenv(name, text)
        entry = {"mode": "disabled", **fields, "settings": nested}
        if "WANDB_MODE" in variables:
            del entry["mode"]
        settings = WandbSettings.from_dict(entry)
        rows = explained({"wandb": entry})
        assert effective_mode(settings) == rows["mode"][0]
        assert str(local_folder(settings).absolute()) == rows["folder"][0]
        if rows["project"][0] is not None:
            resolved = resolve_destination(settings, default_group=None)
            assert (resolved.project, resolved.group) == (rows["project"][0], rows["group"][0])
            assert explicit_option(resolved, "project") == rows["project"][0]


class TestSettingsShowThemselves:
    def test_repr_has_what_was_given(self) -> None:
        """In the order of the fields; of dicts the keys, of the key nothing."""
        assert "WandbSettings()" == repr(WandbSettings())
        settings = WandbSettings(tags=["a"], project="p", api_key=KEY, config={"lr": 0.1, KEY: 1, "pw": "k1tten"})
        assert (
            "WandbSettings(api_key=Secret(hidden), project='p', tags=['a'], config={'lr': ..., ...: ..., 'pw': ...})"
            == repr(settings)
        )

    @pytest.mark.parametrize("nested", [{"api_key": KEY, "base_url": f"http://u:{KEY}@h"}, wandb.Settings(api_key=KEY)])
    def test_no_secret_in_any(self, nested: Any) -> None:
        """Not in nested settings either."""
        settings = WandbSettings(project="p", settings=nested)
        assert "settings=<hidden>" in repr(settings)
        assert KEY not in repr(settings) + settings._repr_html_()

    def test_html(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was given, and what else holds and by whom; escaped."""
        monkeypatch.setenv("WANDB_RUN_GROUP", "g")
        html = WandbSettings(project="p", notes="<b>&")._repr_html_()
        assert "<tr><td>project</td><td>&#x27;p&#x27;</td><td>given</td></tr>" in html
        assert "<tr><td>group</td><td>g</td><td>the variable WANDB_RUN_GROUP</td></tr>" in html
        assert "&lt;b&gt;&amp;" in html
        assert "<b>" not in html
        assert 1 == html.count("<td>project</td>")
