"""Validation: what passes comes out unchanged, every problem of what does not is named, and no value ever shows."""

from __future__ import annotations

import ast
import copy
import doctest
import inspect
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import attrs
import pytest
import wandb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.mistakes import KEY, MISTAKES, Mistake
from typed_tune_wandb import Problem, WandbConfigDict, WandbSettings, WandbSettingsError, errors
from typed_tune_wandb import _logging as logging_module
from typed_tune_wandb import _secret as secret_module
from typed_tune_wandb.settings import _effective as effective_module
from typed_tune_wandb.settings import _entry as entry_module
from typed_tune_wandb.settings import _model as model_module
from typed_tune_wandb.settings import _types as types_module
from typed_tune_wandb.settings import resolve_destination

ROOT = Path(__file__).parents[1]
SIX = {
    "projct": "mnist",
    "tags": "abc",
    "log_config": "false",
    "save_code": 1,
    "mode": "ofline",
    "config": [1],
}
EVERYTHING: WandbConfigDict = {
    "api_key": KEY,
    "excludes": ["timers", "config/*"],
    "log_config": True,
    "entity": "team",
    "project": "mnist",
    "dir": PurePosixPath("runs"),
    "id": "a-1",
    "name": "first",
    "notes": "",
    "tags": ("baseline", "x" * 64),
    "config": {"nested": {"lr": 0.1}},
    "config_exclude_keys": ["a"],
    "config_include_keys": [],
    "allow_val_change": False,
    "group": "g",
    "job_type": "train",
    "mode": "shared",
    "force": False,
    "reinit": "create_new",
    "resume": "allow",
    "save_code": False,
    "tensorboard": False,
    "sync_tensorboard": False,
    "monitor_gym": True,
    "settings": {"x_disable_stats": True},
}


def mistakes_of(check: Callable[[], object]) -> WandbSettingsError:
    """The error that a check ends with."""
    with pytest.raises(WandbSettingsError) as caught:
        check()
    return caught.value


def end_of(check: Callable[[], WandbSettings]) -> WandbSettings | WandbSettingsError:
    """The settings that a check gives, or its error."""
    try:
        return check()
    except WandbSettingsError as error:
        return error


def everything_printed(error: BaseException) -> str:
    """All that a person or a log can see of an error, with the errors behind it."""
    behind = [e for e in (error.__cause__, error.__context__) if e is not None]
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(error.args)
    return shown + "".join(map(everything_printed, behind))


class TestMistakes:
    """What must be caught, wherever it stands."""

    @pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
    def test_in_a_dict(self, mistake: Mistake) -> None:
        """Each mistake is one problem, named by its path."""
        error = mistakes_of(lambda: WandbSettings.from_dict(mistake.value()))
        assert [mistake.problem] == [str(problem)[: len(mistake.problem)] for problem in error.problems]

    @pytest.mark.parametrize(
        "mistake", [m for m in MISTAKES if "{1:" not in m.entry], ids=lambda mistake: mistake.title
    )
    def test_in_a_call(self, mistake: Mistake) -> None:
        """The class itself checks the same, with the same messages."""
        by_dict = mistakes_of(lambda: WandbSettings.from_dict(mistake.value()))
        by_call = mistakes_of(lambda: WandbSettings(**mistake.value()))  # type: ignore[arg-type]  # the mistake
        assert by_dict.problems == by_call.problems

    def test_six_are_six_lines(self) -> None:
        """All mistakes come at once: a head and one line for each, in the order of the entry."""
        error = mistakes_of(lambda: WandbSettings.from_dict(SIX))
        lines = str(error).splitlines()
        assert '6 mistakes in config["wandb"]:' == lines[0]
        assert [*SIX] == [line.strip().partition(":")[0] for line in lines[1:]]
        assert max(map(len, lines)) < 130

    @pytest.mark.parametrize("entry", ["mnist", 3, ["project"], [("project", "mnist")], Path()])
    def test_entry_is_no_mapping(self, entry: object) -> None:
        """An entry that is no dict is named by its type."""
        error = mistakes_of(lambda: WandbSettings.from_config({"wandb": entry}))
        assert (Problem("", f"expected a dict or WandbSettings, got {type(entry).__name__}."),) == error.problems

    @pytest.mark.parametrize(
        "config", [{}, {"lr": 0.1}, {"logger_config": {}}, {"logger_config": None}, {"wandb": None}]
    )
    def test_missing_entry(self, config: dict[str, object]) -> None:
        """A config without an entry gets a message with what to add."""
        error = mistakes_of(lambda: WandbSettings.from_config(config))
        assert "wandb" == error.problems[0].path
        assert 'add config["wandb"]' in error.problems[0].message

    def test_two_entries(self) -> None:
        """An entry in both places is a mistake, not a choice."""
        config = {"wandb": {"project": "a"}, "logger_config": {"wandb": {"project": "b"}}}
        assert "two W&B entries" in str(mistakes_of(lambda: WandbSettings.from_config(config)))

    @pytest.mark.parametrize("config", [None, 3, "wandb", ["wandb"]])
    def test_config_is_no_mapping(self, config: Any) -> None:
        """A config that is no dict is a WandbSettingsError as well."""
        assert "expected a dict with a wandb entry" in str(mistakes_of(lambda: WandbSettings.from_config(config)))

    def test_pickles_whole(self) -> None:
        """The error crosses a process border with its text and its problems."""
        error = mistakes_of(lambda: WandbSettings.from_dict(SIX))
        again = pickle.loads(pickle.dumps(error))
        assert (type(error), str(error), error.problems) == (type(again), str(again), again.problems)
        assert isinstance(error, ValueError)

    def test_source_is_named(self) -> None:
        """An error says where the entry stood."""
        flat = mistakes_of(lambda: WandbSettings.from_config({"wandb": {"a": 1}}))
        nested = mistakes_of(lambda: WandbSettings.from_config({"logger_config": {"wandb": {"a": 1}}}))
        call = mistakes_of(lambda: WandbSettings(a=1))  # type: ignore[call-arg]  # the mistake
        expected = ['config["wandb"]', 'config["logger_config"]["wandb"]', "WandbSettings(...)"]
        assert expected == [flat.source, nested.source, call.source]

    @pytest.mark.parametrize(
        ("entry", "suggestion"),
        [
            ({"resume": True}, '"allow"'),
            ({"reinit": True}, '"create_new"'),
            ({"mode": "ofline"}, '"offline"'),
            ({"mode": "OFFLINE"}, '"offline"'),
            ({"Project": "mnist"}, '"project"'),
            ({"runid": "a"}, '"run_id"'),
            ({"api-key": KEY}, '"api_key"'),
            ({"zzzzzz": 1}, None),
            ({"mode": "zzzzzz"}, None),
        ],
    )
    def test_likely_word(self, entry: dict[str, object], suggestion: str | None) -> None:
        """The likely option comes ready to type, and only where there is one."""
        assert suggestion == mistakes_of(lambda: WandbSettings.from_dict(entry)).problems[0].suggestion


class TestSecrets:
    """No value shows, whatever its place."""

    PLACES = (
        *({name: KEY, "nope": 1} for name in types_module.ALL_KEYS),
        *({name: [KEY], "nope": 1} for name in types_module.ALL_KEYS),
        *({name: {KEY: KEY}, "nope": 1} for name in types_module.ALL_KEYS),
        {KEY: 1},
        {KEY: KEY},
        {(KEY,): 1},
        {"tags": [KEY * 2]},
        {"tags": ["a", {KEY: KEY}]},
        {"settings": {"api_key": [KEY]}},
        {"settings": {"api_key": KEY}, "api_key": KEY},
        {"config": {("a", KEY): 1}},
        {"fork_from": KEY},
        {"id": f"{KEY}/"},
        {"project": f" {KEY}"},
    )

    @pytest.mark.parametrize("entry", PLACES)
    def test_in_no_error(self, entry: dict[Any, object]) -> None:
        """An error holds no value and no key that could be one: not in its text, its traceback, its pickle."""
        error = mistakes_of(lambda: WandbSettings.from_dict(entry))
        assert KEY not in everything_printed(error)
        assert KEY.encode() not in pickle.dumps(error)

    def test_in_no_error_of_a_call(self) -> None:
        """The same holds when the class is called."""
        error = mistakes_of(lambda: WandbSettings(api_key=KEY, api_key_file=KEY, tags=KEY))  # type: ignore[arg-type]
        assert KEY not in everything_printed(error)

    def test_in_no_settings(self) -> None:
        """What passed shows no key: not as text, not as a dict, not in its pickle."""
        for entry in ({"api_key": KEY}, {"settings": {"api_key": KEY}}, {"settings": wandb.Settings(api_key=KEY)}):
            settings = WandbSettings.from_dict(entry)
            shown = f"{settings} {settings!r} {settings.to_config()} {attrs.asdict(settings)} {settings.init_kwargs()}"
            assert KEY not in shown
            assert KEY.encode() not in pickle.dumps(settings)
            assert settings.api_key is not None
            assert settings.api_key.reveal() == KEY

    def test_the_callers_settings_keep_their_key(self) -> None:
        """A key is moved out of a copy: the user's own wandb.Settings and dict stay as they were."""
        own, raw = wandb.Settings(api_key=KEY), {"api_key": KEY, "x_disable_stats": True}
        WandbSettings(settings=own)
        assert {"x_disable_stats": True} == WandbSettings(settings=raw).settings
        assert (KEY, KEY) == (own.api_key, raw["api_key"])


class TestRoundTrip:
    """What passes comes out again unchanged."""

    def test_everything(self) -> None:
        """Every option comes back from a dict, a pickle, a copy and a call."""
        settings = WandbSettings.from_dict(EVERYTHING)
        assert settings == WandbSettings.from_dict(settings.to_config())
        assert settings == WandbSettings(**settings.to_config())  # type: ignore[misc, arg-type]  # the aliases; None
        assert settings == pickle.loads(pickle.dumps(settings)) == copy.deepcopy(settings) == attrs.evolve(settings)

    def test_only_what_is_explicit(self) -> None:
        """An implicit default is not in the entry; an explicit one is; None is not explicit."""
        assert {} == WandbSettings().to_config() == WandbSettings(project=None, api_key=None, tags=None).to_config()
        assert {"log_config": False, "excludes": []} == WandbSettings(log_config=False, excludes=[]).to_config()

    def test_the_halves(self) -> None:
        """The logger's options never reach wandb.init, all others do."""
        settings = WandbSettings.from_dict(EVERYTHING)
        assert {"api_key", "excludes", "log_config"} == set(settings.to_config()) - set(settings.init_kwargs())
        assert set(settings.init_kwargs()) <= set(inspect.signature(wandb.init).parameters)

    @pytest.mark.process
    def test_init_kwargs_open_a_run(self, tmp_path: Path) -> None:
        """Wandb itself takes what passes validation."""
        words: dict[str, Any] = {**EVERYTHING, "mode": "offline", "dir": tmp_path, "config": {"lr": 0.1}}
        for deprecated in ("config_exclude_keys", "config_include_keys", "tensorboard", "monitor_gym"):
            del words[deprecated]
        with wandb.init(**WandbSettings.from_dict(words).init_kwargs()) as run:
            assert ("a-1", "first", "mnist", ("baseline", "x" * 64)) == (run.id, run.name, run.project, run.tags)

    def test_documented_names(self) -> None:
        """run_id and run_name are id and name, and come out under wandb's names."""
        settings = WandbSettings.from_dict({"run_id": "a", "run_name": "b"})
        assert {"id": "a", "name": "b"} == settings.to_config()

    def test_from_config(self) -> None:
        """The entry is found in a Tune config and in RLlib's, as a dict and as settings."""
        settings = WandbSettings(project="mnist")
        for entry in ({"project": "mnist"}, settings, settings.to_config()):
            assert settings == WandbSettings.from_config({"lr": 0.1, "wandb": entry})
            assert settings == WandbSettings.from_config({"lr": 0.1, "logger_config": {"type": "x", "wandb": entry}})

    def test_frozen(self) -> None:
        """Neither the fields nor what they hold can be changed from outside."""
        config: dict[str, object] = {"lr": 0.1}
        settings = WandbSettings(project="mnist", config=config, tags=["a"])
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            settings.project = "other"  # type: ignore[misc]  # the test
        config["lr"] = 1
        held = settings.to_config()
        held["tags"].append("b")  # type: ignore[union-attr]
        held["config"]["lr"] = 2  # type: ignore[index]
        assert {"project": "mnist", "config": {"lr": 0.1}, "tags": ["a"]} == settings.to_config()

    def test_keyword_only(self) -> None:
        """No field can be given by its place."""
        with pytest.raises(TypeError):
            WandbSettings("mnist")  # type: ignore[call-arg]  # the test
        kinds = {p.kind for name, p in inspect.signature(WandbSettings).parameters.items() if name != "self"}
        assert {inspect.Parameter.KEYWORD_ONLY} == kinds

    def test_every_field_is_documented(self) -> None:
        """A docstring stands under each field, where editors and documentation tools read it."""
        tree = ast.parse(Path(inspect.getfile(WandbSettings)).read_text(encoding="utf-8"))
        body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "WandbSettings")
        documented = {
            ast.unparse(field.target)
            for field, below in pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        }
        assert {f.name for f in attrs.fields(WandbSettings) if f.name[0] != "_"} == documented

    def test_signature_shows_the_fields(self) -> None:
        """Help and completion see the fields with their names and defaults."""
        shown = inspect.signature(WandbSettings).parameters
        fields = {f.name for f in attrs.fields(WandbSettings) if f.name[0] != "_"}
        assert fields == set(shown) - {"self"}


class TestEvolve:
    """A copy with changes keeps apart what was given and what is a default."""

    def test_a_default_stays_a_default(self) -> None:
        """Evolved settings give a logger's defaults the same way as the original: only what was given replaces them."""
        defaults = WandbSettings(project="mnist", log_config=True, excludes=["timers"])
        evolved = attrs.evolve(WandbSettings(name="a"), group="g")
        assert {"name": "a", "group": "g"} == evolved.to_config()
        assert {**defaults.to_config(), "name": "a", "group": "g"} == defaults.merged_with(evolved).to_config()

    @pytest.mark.parametrize(
        ("changes", "changed"),
        [
            ({"log_config": False}, {"log_config": False}),
            ({"excludes": []}, {"excludes": []}),
            ({"group": "h"}, {"group": "h"}),
            ({"tags": ["b"]}, {"tags": ["b"]}),
        ],
    )
    def test_a_change_is_given(self, changes: dict[str, Any], changed: dict[str, object]) -> None:
        """Also a change to the default's own value."""
        for original in (WandbSettings(name="a"), WandbSettings(name="a", log_config=True, excludes=["x"], group="g")):
            assert {**original.to_config(), **changed} == attrs.evolve(original, **changes).to_config()

    def test_none_is_not_given(self) -> None:
        """None takes a field out again."""
        assert {"name": "a"} == attrs.evolve(WandbSettings(name="a", group="g"), group=None).to_config()

    @given(st.data())
    def test_any(self, data: st.DataObject) -> None:
        """Whatever was given before and is changed, the copy has both and nothing else."""
        entry: dict[str, Any] = {name: value for name, value in EVERYTHING.items() if name != "resume"}
        names = st.sets(st.sampled_from(sorted(entry)))
        before, changes = data.draw(names), data.draw(names)
        evolved = attrs.evolve(WandbSettings.from_dict({n: entry[n] for n in before}), **{n: entry[n] for n in changes})
        assert WandbSettings.from_dict({n: entry[n] for n in before | changes}).to_config() == evolved.to_config()


class TestHash:
    """Frozen settings can be keys."""

    def test_equal_settings_have_one_hash(self) -> None:
        """Also with a config and settings, which are dicts."""
        both = [WandbSettings.from_dict(EVERYTHING), WandbSettings.from_dict(EVERYTHING)]
        assert 1 == len(set(both))
        assert 2 == len({*both, WandbSettings(project="mnist")})

    def test_with_lists(self) -> None:
        """Every field that takes a list or a dict leaves the settings hashable."""
        for name in ("config_exclude_keys", "tags", "excludes", "config_include_keys"):
            assert hash(WandbSettings.from_dict({name: ["a"]})) == hash(WandbSettings.from_dict({name: ["a"]}))


class TestOverriddenBy:
    """A trial's entry counts, field by field; what it leaves out stays."""

    DEFAULTS = WandbSettings(project="mnist", group="g", tags=["a"], log_config=True, resume="allow", api_key=KEY)

    @pytest.mark.parametrize(
        ("entry", "changed"),
        [
            ({}, {}),
            ({"group": None}, {}),
            ({"group": "h"}, {"group": "h"}),
            ({"tags": []}, {"tags": []}),
            ({"log_config": False}, {"log_config": False}),
            ({"run_id": "x"}, {"id": "x"}),
        ],
    )
    def test_field_by_field(self, entry: dict[str, object], changed: dict[str, object]) -> None:
        """What is explicit counts, even where it is the default."""
        expected = {**self.DEFAULTS.to_config(), **changed}
        assert expected == self.DEFAULTS.merged_with(entry).to_config()
        assert expected == self.DEFAULTS.merged_with(WandbSettings.from_dict(entry)).to_config()

    def test_alternatives(self) -> None:
        """Of options that exclude each other the entry's takes the default's place."""
        settings = self.DEFAULTS.merged_with({"fork_from": "a?_step=1", "api_key_file": "key.txt"})
        assert (None, None) == (settings.resume, settings.api_key)
        assert ("a?_step=1", "key.txt") == (settings.fork_from, settings.api_key_file)

    def test_former_name(self) -> None:
        """The method can still be called by the name that it had in 0.1.0."""
        assert {"project": "p", "group": "h"} == WandbSettings(project="p").overridden_by({"group": "h"}).to_config()

    def test_mistakes(self) -> None:
        """An entry's mistakes are named under the name it was given by."""
        error = mistakes_of(lambda: self.DEFAULTS.merged_with(SIX, source="trial 7"))
        assert ("trial 7", 6) == (error.source, len(error.problems))


NEAR_WORDS = ("ofline", "OFFLINE", "onlineee", "disableddd", "alow", "create-new", "return previous", "false", "")
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.text(min_size=8), st.sampled_from(NEAR_WORDS)
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
TEXTS = st.text(min_size=1, max_size=70)
LIKELY = {
    **dict.fromkeys(("project", "id", "name", "run_id", "run_name", "group", "notes", "api_key"), TEXTS | JSON),
    **{name: st.booleans() | JSON for name in ("log_config", "save_code", "force", "sync_tensorboard")},
    **{name: st.lists(TEXTS) | JSON for name in ("tags", "excludes", "config_exclude_keys")},
    "mode": st.sampled_from([*get_args(types_module.Mode), *NEAR_WORDS]) | JSON,
    "resume": st.sampled_from([*get_args(types_module.Resume), *NEAR_WORDS]) | JSON,
    "reinit": st.sampled_from([*get_args(types_module.Reinit), *NEAR_WORDS]) | JSON,
    "fork_from": TEXTS.map(lambda text: f"{text}?_step=3") | JSON,
    "config": st.dictionaries(st.text(), JSON) | JSON,
    "settings": st.dictionaries(st.text(), JSON) | JSON,
}
ENTRIES = st.one_of(
    st.dictionaries(st.sampled_from(types_module.ALL_KEYS) | st.text(), JSON, max_size=6),
    st.fixed_dictionaries({}, optional=LIKELY),
    st.sampled_from(sorted(LIKELY)).flatmap(lambda name: st.fixed_dictionaries({name: LIKELY[name]})),
)


# What an error may show: it stands in the code, where hypothesis finds words too ("disabled").
SOURCES = (*(ROOT / "typed_tune_wandb").rglob("*.py"), Path(__file__))
OURS = " ".join([str(ROOT), sys.executable, *(source.read_text(encoding="utf-8") for source in SOURCES)])


def texts_in(value: object) -> Iterator[str]:
    """Every str in a JSON-like value that is no key."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


class TestAnyEntry:
    """Whatever a dict of JSON-like values holds."""

    @settings(deadline=None)
    @given(ENTRIES)
    @example({"mode": "ofline", "api_key": "disabled"})
    def test_passes_whole_or_is_named(self, entry: dict[str, object]) -> None:
        """It passes and comes out again, or gives WandbSettingsError; nothing else, and no value shows in that."""
        given_entry = copy.deepcopy(entry)
        end = end_of(lambda: WandbSettings.from_dict(entry))
        if isinstance(end, WandbSettingsError):
            shown = everything_printed(end)
            words = " ".join([OURS, *entry])
            hidden = [text for text in texts_in(entry) if len(text) >= 8 and text not in words]
            assert [] == [text for text in hidden if text in str(end)]
            assert [] == [text for text in hidden if text.isascii() and text.isalnum() and text in shown]
            assert end.problems
        else:
            assert end == WandbSettings.from_dict(end.to_config())
            said = {types_module.ALIASES.get(name, name) for name, value in entry.items() if value is not None}
            moved = {"api_key"} if isinstance(entry.get("settings"), dict) else set()
            assert said - moved == set(end.to_config()) - moved
        # repr: NaN is unlike itself once copied.
        assert repr(given_entry) == repr(entry)

    @settings(deadline=None)
    @given(JSON)
    def test_any_value_as_entry_or_config(self, value: Any) -> None:
        """A value in place of the entry or of the whole config is a WandbSettingsError, or an entry."""
        ends = [
            end_of(lambda: WandbSettings.from_dict(value)),
            end_of(lambda: WandbSettings.from_config(value)),
            end_of(lambda: WandbSettings.from_config({"wandb": value})),
        ]
        assert [True] * 3 == [isinstance(end, WandbSettings) or bool(end.problems) for end in ends]


class TestProject:
    """A project must come from somewhere."""

    @pytest.fixture(autouse=True)
    def _nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WANDB_PROJECT", "WANDB_PROJECT_NAME", "WANDB_POPULATE_RUN_LOCATION_HOOK", "WANDB_MODE"):
            monkeypatch.delenv(name, raising=False)

    def project(self, **words: Any) -> str | None:
        return resolve_destination(WandbSettings(mode="offline", **words), default_group=None).project

    def test_in_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The hook, then WANDB_PROJECT_NAME, then WANDB_PROJECT, then the settings: each counts over those before."""
        monkeypatch.setenv("WANDB_POPULATE_RUN_LOCATION_HOOK", f"{__name__}.populate")
        assert "of-the-hook" == self.project()
        monkeypatch.setenv("WANDB_PROJECT_NAME", "of-the-name")
        assert "of-the-name" == self.project()
        monkeypatch.setenv("WANDB_PROJECT", "of-the-variable")
        assert "of-the-variable" == self.project()
        assert "inside" == self.project(settings={"project": "inside"})
        assert "own" == self.project(project="own", settings={"project": "inside"})

    def test_nowhere(self) -> None:
        """Without one the error names all the places; a disabled run needs none."""
        error = mistakes_of(self.project)
        for place in ("entry", "WANDB_PROJECT", "WANDB_PROJECT_NAME", "WANDB_POPULATE_RUN_LOCATION_HOOK"):
            assert place in error.problems[0].message
        assert resolve_destination(WandbSettings(mode="disabled"), default_group=None).project is None

    def test_of_the_environment_is_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A project of the environment obeys the same rules."""
        monkeypatch.setenv("WANDB_PROJECT", "team/mnist")
        assert "has a character that W&B refuses" in str(mistakes_of(self.project))


def populate() -> None:
    """A hook as an operator writes it."""
    os.environ["WANDB_PROJECT_NAME"] = "of-the-hook"


MODULES = [errors, effective_module, entry_module, types_module, logging_module, secret_module, model_module]


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module: Any) -> None:
    """The examples in the docstrings do what they show."""
    assert 0 == doctest.testmod(module).failed


def test_docstrings_are_there() -> None:
    """The modules that users read have examples at all."""
    assert doctest.testmod(model_module).attempted >= 10
    assert doctest.testmod(errors).attempted >= 1
