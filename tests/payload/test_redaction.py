"""Credentials in a config are redacted, and innocent hyperparameters are not: measured on two lists."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from typing import Any

import attrs
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.credentials import HEX40, INNOCENT, SECRET
from tests.support.payload import Warnings, encoded
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.payload import Redactor, ResultConverter, sanitize_config

pd: Any = importlib.import_module("pandas")  # it comes with Ray Tune, without types


def shown(value: object) -> str:
    return encoded(value).decode()


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")


def test_error_rates() -> None:
    """Of at least 60 secrets none is shown, of at least 60 innocent values none is redacted."""
    leaked = [
        (name, value) for name, value, secret in SECRET if secret in shown([*sanitize_config({name: value}).values()])
    ]
    redacted = [(name, value) for name, value in INNOCENT if {name: value} != sanitize_config({name: value})]
    assert len(SECRET) >= 60 <= len(INNOCENT)
    assert (0.0, []) == (len(leaked) / len(SECRET), leaked)
    assert (0.0, []) == (len(redacted) / len(INNOCENT), redacted)


@dataclasses.dataclass
class Data:
    login: Any


@attrs.define
class Attrs:
    login: Any


class Model(pydantic.BaseModel):
    login: Any


WRAPPERS = {
    "dict": lambda value: {"login": value},
    "list": lambda value: [[value]],
    "dataclass": Data,
    "attrs": Attrs,
    "pydantic": lambda value: Model(login=value),
    "series": lambda value: pd.Series({"login": value, "x": 1}),
    "named series": lambda value: pd.Series([value], name="login"),
    "series with a label twice": lambda value: pd.Series([value, value], index=["login", "login"]),
    "data frame": lambda value: pd.DataFrame({"login": [value, value]}),
    "array": lambda value: np.array([value, value]) if isinstance(value, str) else [value],
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())
def test_secrets_are_found_in_whatever_holds_them(wrap: Any) -> None:
    """At any depth: inside of dataclasses, attrs classes, pydantic models and arrays, in configs and in rows."""
    for name, value, secret in SECRET:
        config = {"outer": wrap({name: value}), "x": {name: wrap(value)}}
        row = ResultConverter(log_config=True).convert({"config": config}).row
        assert secret not in shown([*_values(sanitize_config(config))])
        assert secret not in shown([*row.values()])


def _values(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _values(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _values(item)]
    return [value]


@pytest.mark.parametrize(
    "table",
    [
        pd.Series({"password": "hunter2hunter2", "x": 1}),
        pd.Series(["hunter2hunter2", "b"], name="password"),
        pd.Series(["hunter2hunter2", "b"], index=["password", "password"]),
        pd.DataFrame({"password": ["hunter2hunter2"], "x": [1]}),
        np.array([("hunter2hunter2", 1)], [("password", "U20"), ("x", "i4")]),
        np.array([("hunter2hunter2", 1)], [("password", "U20"), ("x", "i4")])[0],
    ],
    ids=["labels", "name", "label twice", "column", "structured array", "its row"],
)
def test_the_names_in_a_table_tell_secrets(table: object) -> None:
    """Labels, columns and fields count as the keys of a dict do."""
    assert "hunter2hunter2" not in shown([*_values(sanitize_config({"table": table}))])


def test_the_values_of_a_search_stay_distinguishable() -> None:
    """Two secrets have two masks, one secret has one mask, whoever redacts it."""
    first, second = (sanitize_config({"token": token})["token"] for token in ("first", "second"))
    assert first != second
    assert first == sanitize_config({"other_password": "first"})["other_password"]
    assert first == Redactor(secret_names=["x"]).mask("first")
    assert 9 == len(str(first))


@pytest.mark.process
def test_a_mask_is_keyed_by_the_process() -> None:
    """Who reads a mask at W&B cannot try out passwords against it: another process has another key."""
    code = "from typed_tune_wandb.payload import Redactor; print(Redactor().mask('hunter2'))"
    others = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    assert 2 == len(others)
    assert f"{Redactor().mask('hunter2')}\n" not in others


def test_users_add_names_and_take_names_away() -> None:
    """In any case and spelling, as patterns too; a public name counts more."""
    redactor = Redactor(secret_names=["badge-number", "*_pin"], public_names=["password_kind", "sampleToken"])
    config: dict[str, object] = {"badgeNumber": "12", "door.pin": "3456", "password_kind": "x1", "sample_token": HEX40}
    kept = sanitize_config(config, redactor=redactor)
    assert {"password_kind": "x1", "sample_token": HEX40} == {
        key: kept[key] for key in ("password_kind", "sample_token")
    }
    assert redactor.mask("12") == kept["badgeNumber"]
    assert redactor.mask("3456") == kept["door.pin"]
    row = ResultConverter(log_config=True, redactor=redactor).convert({"config": config}).row
    assert kept == {key.removeprefix("config/"): value for key, value in row.items()}


def test_a_name_of_the_users_hides_every_number_and_text() -> None:
    """Short ones, words and paths too; a switch, a reference and nothing at all are no secrets."""
    redactor = Redactor(secret_names=["pin"])
    for value in (7, 0.5, "x", "word", "/etc/key.pem", "1"):
        assert redactor.mask(value if isinstance(value, str) else repr(value)) == redactor.redact("pin", value)
        assert [redactor.redact("pin", value)] == sanitize_config({"pin": [value]}, redactor=redactor)["pin"]
    for other in (True, None, "", "none", "${PIN}"):
        assert other == redactor.redact("pin", other)
    assert f"pin: {redactor.mask('word')}" == redactor.redact("x", "pin: word")


def test_names_of_users_count_inside_of_texts() -> None:
    """In Tune's experiment tag, on command lines and in connection strings; public ones as well."""
    redactor = Redactor(secret_names=["badge", "*_pin"], public_names=["sample_token"])
    mask = redactor.mask("k1tten")
    for text in ("7_badge=k1tten,lr=0.1", "run --badge k1tten", "--door-pin=k1tten -v", "host=a;badge=k1tten"):
        assert text.replace("k1tten", mask) == redactor.redact("x", text)
        assert text == Redactor().redact("x", text)
    assert {"args": ["--door-pin", mask]} == sanitize_config({"args": ["--door-pin", "k1tten"]}, redactor=redactor)
    assert f"sample_token={HEX40}" == redactor.redact("x", f"sample_token={HEX40}")
    facts = ResultConverter(redactor=redactor).convert({"experiment_tag": "7_badge=k1tten"}).config["ray_tune"]
    assert {"experiment_tag": f"7_badge={mask}"} == facts


def test_a_name_list_that_is_a_text_is_refused() -> None:
    """``secret_names="badge"`` would be five names of a letter each."""
    with pytest.raises(TypeError, match="list of names"):
        Redactor(secret_names="badge")


def test_without_masks_all_is_recorded_but_what_hides_itself() -> None:
    """``mask_secrets=False`` shows texts; a Secret and pydantic's SecretStr stay hidden."""
    values = {name: value for name, value, _ in SECRET if isinstance(value, str)}
    assert values == sanitize_config(values, mask_secrets=False)
    assert {"config/token": "abc"} == ResultConverter(log_config=True, mask_secrets=False).convert(
        {"config": {"token": "abc"}}
    ).row
    hidden = sanitize_config({"a": Secret("s3cret"), "b": pydantic.SecretStr("s3cret")}, mask_secrets=False)
    assert {Redactor().mask("s3cret")} == {*hidden.values()}


def test_a_credential_in_a_key_is_redacted() -> None:
    """A table of tokens has them as keys."""
    url = f"https://me:{HEX40}@git.corp/x"
    warnings = Warnings()
    config = sanitize_config({"clones": {url: 3}, "api_keys": {HEX40: "me"}, url: [Hostile()]}, warn=warnings)
    assert HEX40 not in shown(config)
    assert 1 == len(warnings)
    assert HEX40 not in str(warnings)
    assert {url: 3} == sanitize_config({url: 3}, mask_secrets=False)


def test_what_tune_adds_is_redacted() -> None:
    """The experiment tag holds the values of the search."""
    facts = ResultConverter().convert({"experiment_tag": "1_hf_token=hunter2,lr=0.1"}).config["ray_tune"]
    assert {"experiment_tag": f"1_hf_token={Redactor().mask('hunter2')},lr=0.1"} == facts


def test_a_metric_is_never_redacted() -> None:
    """A row is what the user reports."""
    result = {"tokens": "many", "password_length": 12, "note": f"key {HEX40}", "secret": 31337}
    assert result == ResultConverter().convert(result).row


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from(["x", "key", "token", "acme_token", "password"]))
def test_redaction_takes_any_text(text: str, name: str) -> None:
    """Nothing is raised, and what was redacted is not redacted again."""
    once = Redactor().redact(name, text)
    assert isinstance(once, str)
    assert once == Redactor().redact(name, once)


@pytest.mark.parametrize(
    "piece", ["://", "eyJ-", "sk-", "xox-", "a=", "-u a", "-----BEGIN PRIVATE KEY", "a:b@", "hf_", "'"]
)
def test_long_texts_take_linear_time(piece: str) -> None:
    """A hundred thousand characters that begin like a credential again and again (the test's timeout ends others)."""
    assert len(str(Redactor().redact("x", piece * (100_000 // len(piece))))) > 0
