"""The JSON Schema of an entry takes what validation takes, but for the listed few."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.mistakes import MISTAKES
from typed_tune_wandb import WandbSettings, WandbSettingsError
from typed_tune_wandb.settings import SCHEMA_DIFFERENCES, entry_schema
from typed_tune_wandb.settings._installed_wandb import settings_fields
from typed_tune_wandb.settings._types import ALL_KEYS

SCHEMA: Final = entry_schema()
VALIDATOR: Final = Draft202012Validator(SCHEMA)


def is_taken(entry: dict[str, object]) -> bool:
    """Whether validation takes an entry."""
    try:
        WandbSettings.from_dict(entry)
    except WandbSettingsError:
        return False
    return True


# Without lone surrogates: the schema does not know them.
CHARS: Final = st.characters(exclude_categories=["Cs"])
TEXTS: Final = st.one_of(
    st.text(CHARS, max_size=5),
    st.text(st.sampled_from("ab /\\#?%:;,'\n\t\r\x00\x1c\x85\xa0\u2028\u200b\ufeff"), max_size=4),
    st.sampled_from(["online", "offline", "run", "allow", "must", "create_new", "off", "a?_step=1", "b?_step=٣", "a"]),
    st.sampled_from([1, 64, 65, 128, 129]).map(lambda length: "x" * length),
)
# Not 1.0: to JSON Schema it is an integer.
NUMBERS: Final = st.integers() | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
SCALARS: Final = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES: Final = st.one_of(
    TEXTS,
    SCALARS,
    st.lists(TEXTS, max_size=2),
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["a", "lr"]), TEXTS, max_size=2),
    st.dictionaries(st.sampled_from(["a", "lr"]), SCALARS, max_size=2),
)
RIGHT: Final = ("", "a}", "{{}}", "{trial_id}", "{config[a][b/c]:.0e}", "{trial_id:>128}")
WRONG: Final = ("{", "{}", "{x}", "{trial_id", "{a}}", "{trial_id!r}", "{config}", "{config.a}", "{trial_id:>129}")
NESTED_KEYS: Final = st.sampled_from([*settings_fields(), "_disable_stats", "bogus", "api_key", "fork_from", "resume"])
NESTED: Final = st.dictionaries(NESTED_KEYS, VALUES, max_size=2)
KEYS: Final = st.sampled_from([*ALL_KEYS, "bogus", "anonymous", "upload_checkpoints", ""])


def forks_itself(entry: dict[str, Any]) -> bool:
    """Whether a fork names the run's own id: the schema cannot tell."""
    settings = entry.get("settings")
    inner = settings if isinstance(settings, dict) else {}
    places = [(entry, ("id", "run_id")), (inner, ("run_id",))]
    return any(
        isinstance(fork := place.get("fork_from"), str) and fork.split("?")[0] in [place.get(key) for key in ids]
        for place, ids in places
    )


def test_the_schema_is_one() -> None:
    """By its own metaschema, and in JSON."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA == json.loads(json.dumps(SCHEMA))
    assert all(difference in SCHEMA["description"] for difference in SCHEMA_DIFFERENCES)


def test_editors_get_descriptions() -> None:
    """Each key has one; the field's own."""
    described = {key: schema.get("description") for key, schema in SCHEMA["properties"].items()}
    assert "The documented page's name for id." == described["run_id"]
    assert 'The kind of run: "train", "eval"..., or a template.' == described["job_type"]
    assert all(described.values())


@settings(max_examples=3 * settings().max_examples)
@given(st.dictionaries(KEYS, VALUES, max_size=3), st.none() | NESTED)
def test_what_one_takes_the_other_takes(entry: dict[str, Any], nested: dict[str, Any] | None) -> None:
    """Right and wrong values, under right and wrong keys."""
    if nested is not None:
        entry = {**entry, "settings": nested}
    if not forks_itself(entry):
        assert is_taken(entry) == VALIDATOR.is_valid(entry)


@pytest.mark.parametrize("template", [*RIGHT, *WRONG])
@pytest.mark.parametrize("key", ["name", "run_name", "group", "job_type", "tags", "notes", "id"])
def test_templates(key: str, template: str) -> None:
    """The schema finds the wrong ones; in other keys they are texts, and wandb's own settings hold none."""
    value = [template] if key == "tags" else template
    nested: dict[str, object] = {"settings": {"run_tags": [template], "run_name": template}}
    assert is_taken({key: value}) == VALIDATOR.is_valid({key: value})
    assert is_taken(nested) == VALIDATOR.is_valid(nested) == bool(template)
    assert (template in WRONG and key not in ("notes", "id")) <= (not is_taken({key: value}))


def test_a_tag_of_a_long_template() -> None:
    """The limit is that of the tag; in wandb's own settings that of the text."""
    long = "{config[" + "a" * 70 + "]}"
    for entry in ({"tags": [long]}, {"tags": ["a" * 65]}, {"settings": {"run_tags": [long]}}):
        assert is_taken(dict(entry)) == VALIDATOR.is_valid(entry) == (entry == {"tags": [long]})


@pytest.mark.parametrize("key", ALL_KEYS)
@settings(max_examples=settings().max_examples // 2)
@given(value=VALUES)
def test_each_key_alone(key: str, value: object) -> None:
    """One key at a time, so that nothing else decides."""
    assert is_taken({key: value}) == VALIDATOR.is_valid({key: value})


@pytest.mark.parametrize("name", settings_fields())
@settings(max_examples=settings().max_examples // 6)
@given(value=VALUES)
def test_each_of_wandbs_own_settings(name: str, value: object) -> None:
    """The types that are read from the installed wandb."""
    entry: dict[str, object] = {"settings": {name: value}}
    assert is_taken(entry) == VALIDATOR.is_valid(entry)


def test_the_listed_mistakes() -> None:
    """The schema finds each mistake of docs/mistakes.md that a file can have, but for the listed ones."""
    unknown = {
        mistake.title for mistake in MISTAKES if is_in_json(mistake.value()) and VALIDATOR.is_valid(mistake.value())
    }
    assert {"a fork of the run itself", "a name that UTF-8 cannot encode"} == unknown


def is_in_json(value: object) -> bool:
    """Whether a JSON file can say it."""
    try:
        return bool(value == json.loads(json.dumps(value)))
    except TypeError:
        return False


@pytest.mark.parametrize(
    "entry",
    [
        {"settings": {"x_file_stream_retry_max": 1.0}},
        {"id": "a", "fork_from": "a?_step=1"},
        {"name": "\ud800"},
        {"name": "{trial_id:.2e}"},
        {"group": "{config[wandb]}"},
    ],
)
def test_the_listed_differences(entry: dict[str, object]) -> None:
    """What the description names is so: the schema takes it."""
    assert VALIDATOR.is_valid(entry)
    assert not is_taken(entry)
