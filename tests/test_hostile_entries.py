"""Entries that refuse to be read, texts that nothing can encode, and keys under misspelt words."""

from __future__ import annotations

import pickle
from collections import ChainMap, UserDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pydantic
import pytest
from ray import tune

from tests.support.byte_search import search, search_folder
from tests.support.offline import read_runs
from typed_tune_wandb import WandbLogger, WandbSettings, WandbSettingsError, wandb_mixin
from typed_tune_wandb.settings import check_environment, redact_api_key

KEY = "0123456789abcdef0123456789abcdef01234567"
SECRET = "hunter2hunter2hunter2"
LINE_KEYS = ("project", "entity", "id", "run_id", "dir", "api_key_file")
TEXT_KEYS = (*LINE_KEYS, "name", "run_name", "group", "job_type", "notes")


class Refusing(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise RuntimeError(SECRET)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError(SECRET)

    def __len__(self) -> int:
        raise RuntimeError(SECRET)


class Shown(str):
    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__


def problems(entry: Any) -> list[str]:
    """The mistakes in an entry; none shows the secret, nor does its traceback."""
    with pytest.raises(WandbSettingsError) as caught:
        WandbSettings.from_dict(entry)
    assert SECRET not in f"{caught.value} {caught.value!r}"
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("place", ["entry", "settings", "config"])
def test_a_mapping_that_refuses_its_keys(place: str) -> None:
    """It is a mistake with its place, and its own error's text is not shown."""
    entry: Any = Refusing() if place == "entry" else {place: Refusing()}
    (problem,) = problems(entry)
    assert problem.endswith("got one that cannot be read (RuntimeError).")
    assert not redact_api_key({"wandb": entry})


def test_a_key_shows_its_own_text() -> None:
    """Not what its class makes of it."""
    assert ['projct: unknown key. Did you mean "project"?'] == problems({Shown("projct"): "p"})
    assert {"tags": ["mnist"]} == WandbSettings.from_dict({"tags": [Shown("mnist")]}).to_config()


@pytest.mark.parametrize("key", TEXT_KEYS)
def test_a_lone_surrogate(key: str) -> None:
    """It costs a run at W&B: in an entry it is a mistake."""
    assert [f"{key}: has a character that UTF-8 cannot encode (a lone surrogate)."] == problems({key: "a\ud800"})
    for entry in ({"tags": ["a", "\udfff"]}, {"settings": {"run_tags": ["a", "\udfff"]}}):
        assert "[1]: has a character that UTF-8 cannot encode" in problems(entry)[0]


@pytest.mark.parametrize("key", LINE_KEYS)
@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\x1b[0m"])
def test_a_control_character(key: str, text: str) -> None:
    """In what becomes a path, or a part of a URL; a name or a note may have lines."""
    assert [f"{key}: has a control character, such as a line break."] == problems({key: text})
    assert "a\nb" == WandbSettings(notes="a\nb").notes


@pytest.mark.parametrize("variable", ["WANDB_NOTES", "WANDB_NAME", "WANDB_TAGS", "WANDB_DIR", "WANDB_PROJECT_NAME"])
def test_a_variable_that_is_no_utf_8(variable: str) -> None:
    """Python reads such bytes as lone surrogates."""
    with pytest.raises(WandbSettingsError, match=f"{variable}: has bytes that are no UTF-8."):
        check_environment({variable: "a\udcff"})


ENTRIES: dict[str, Any] = {
    "apikey": {"apikey": KEY},
    "API_KEY": {"API_KEY": KEY},
    "wandb_api_key": {"wandb_api_key": KEY},
    "settings": {"settings": {"api_key": KEY}},
    "misspelt in settings": {"settings": {"apikey": KEY}},
    "None beside settings": {"api_key": None, "settings": {"api_key": KEY}},
    "two": {"api_key": KEY, "settings": {"api_key": KEY}},
    "SecretStr": {"api_key": pydantic.SecretStr(KEY)},
    "SecretStr in settings": {"settings": UserDict(api_key=pydantic.SecretStr(KEY))},
    "UserDict": UserDict(api_key=KEY),
    "ChainMap": ChainMap({"api_key": KEY}, {"project": "p"}),
    "MappingProxyType": MappingProxyType({"api_key": KEY}),
    "subclass of str": {"api_key": Shown(KEY)},
    "bytes": {"api_key": KEY.encode()},
    "bytearray in settings": {"settings": {"api_key": bytearray(KEY.encode())}},
    "list": {"api_key": [KEY]},
    "dict": {"wandb_api_key": {"key": KEY}},
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES.keys())
@pytest.mark.parametrize("rllib", [False, True])
def test_a_readable_key_is_replaced(entry: Any, rllib: bool) -> None:
    """Wherever it is in an entry, under a misspelt word too: Tune writes the config down, right or wrong."""
    config = {"logger_config": UserDict(wandb=entry)} if rllib else {"wandb": entry}
    copied: dict[str, Any] = {place: type(kept)(kept) for place, kept in config.items() if kept is not entry}
    copied = copied or {"wandb": entry.copy() if isinstance(entry, dict) else entry}
    assert redact_api_key(copied)
    assert not redact_api_key(copied)
    assert set() == search(pickle.dumps(copied) + repr(copied).encode(), {"key": KEY})


@pytest.mark.parametrize("key", [KEY.encode(), [KEY], {"key": KEY}], ids=lambda key: type(key).__name__)
def test_a_key_of_another_type_stays_a_mistake(key: Any) -> None:
    """It is replaced, and named by its type."""
    config: dict[str, Any] = {"wandb": {"api_key": key}}
    assert redact_api_key(config)
    assert [f"api_key: expected a str or a Secret, got {type(key).__name__}."] == problems(config["wandb"])


def test_pydantics_secret_is_a_key() -> None:
    """It hides its text like a Secret, but not in a pickle."""
    key = WandbSettings.from_dict({"api_key": pydantic.SecretStr(KEY)}).api_key
    assert key is not None
    assert KEY == key.reveal()


def train(config: dict[str, Any]) -> None:
    tune.report({"loss": 1})


@wandb_mixin
def mixed(config: dict[str, Any]) -> None:
    tune.report({"loss": 1})


@pytest.mark.usefixtures("small_ray")
class TestExperiments:
    """In real experiments, with the logger and with the mixin."""

    @pytest.mark.parametrize("trainable", [train, mixed], ids=["logger", "mixin"])
    def test_a_trials_odd_name(self, trainable: Any, tmp_path: Path) -> None:
        """A surrogate in it is escaped, and the run is there."""
        entry = {"project": "p", "mode": "offline", "dir": str(tmp_path)}
        run_config = tune.RunConfig(
            storage_path=str(tmp_path / "ray"), callbacks=[WandbLogger()] if trainable is train else [], verbose=0
        )
        named = tune.TuneConfig(
            trial_name_creator=lambda trial: "odd \ud800\n" + "n" * 200, trial_dirname_creator=lambda trial: "folder"
        )
        tune.Tuner(trainable, param_space={"wandb": entry}, run_config=run_config, tune_config=named).fit()
        (run,) = read_runs(tmp_path).values()
        assert "odd \\ud800\n" == run.display_name[:11]
        assert 128 == len(run.display_name)

    @pytest.mark.parametrize("trainable", [train, mixed], ids=["logger", "mixin"])
    def test_a_secret_in_a_trials_name(self, trainable: Any, tmp_path: Path) -> None:
        """Tune puts ``config["env"]`` into it: what W&B gets is redacted like the config."""
        token = f"hf_{'aB3dE6gH9' * 4}"
        entry = {"project": "p", "mode": "offline", "dir": str(tmp_path / "runs")}
        run_config = tune.RunConfig(
            storage_path=str(tmp_path / "ray"), callbacks=[WandbLogger()] if trainable is train else [], verbose=0
        )
        space = {"env": f"https://me:{token}@host/world", "wandb": entry}
        tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
        (run,) = read_runs(tmp_path / "runs").values()
        assert "https:" in run.display_name
        assert {} == search_folder(tmp_path / "runs", {"token": token})

    @pytest.mark.parametrize("trainable", [train, mixed], ids=["logger", "mixin"])
    @pytest.mark.parametrize("entry", [{"apikey": KEY}, {"settings": {"apikey": KEY}}], ids=["entry", "settings"])
    def test_a_key_under_a_misspelt_word(
        self, entry: dict[str, Any], trainable: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """It is a mistake, and the key is in no file but those that SECURITY.md names."""
        run_config = tune.RunConfig(
            storage_path=str(tmp_path / "ray"), callbacks=[WandbLogger()] if trainable is train else [], verbose=0
        )
        space = {"lr": 1, "wandb": {"project": "p", "mode": "offline", **entry}}
        with pytest.raises(WandbSettingsError, match="apikey: unknown key"):
            tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
        found = search_folder(tmp_path / "ray", {"key": KEY})
        known = ("basic-variant-state", "experiment_state")
        assert [] == [path for path in found if not Path(path).name.startswith(known)]
        shown = capfd.readouterr()
        assert set() == search(f"{shown.out}{shown.err}".encode(), {"key": KEY})
