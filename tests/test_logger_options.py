"""The logger's own arguments: typed and strict like the settings, and reported together with them."""

from __future__ import annotations

import inspect
import math
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb import WandbConfigDict, WandbLogger, WandbSettings, WandbSettingsError, restored_with
from typed_tune_wandb.settings import LoggerOptions, validate_logger_arguments

# In numpy 2 the class has the name of the builtin, and the module tells it apart.
NUMPY_BOOL = {"bool": "numpy.bool"}.get(np.bool_.__name__, np.bool_.__name__)

UPLOADS = 'True, False, "best", "last", or a number of checkpoints, 1 or more'
OPTIONS = {field.name for field in attrs.fields(LoggerOptions)}


def problems(*defaults: Any, **arguments: Any) -> list[str]:
    """The problems of a call of the logger."""
    with pytest.raises(WandbSettingsError) as caught:
        WandbLogger(*defaults, **arguments)
    assert "WandbLogger(...)" == caught.value.source
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"upload_timeout": "long"}, "upload_timeout: expected a number, got str."),
        ({"upload_timeout": None}, "upload_timeout: expected a number, got None."),
        ({"upload_timeout": True}, "upload_timeout: expected a number, got bool."),
        ({"upload_timeout": -1}, "upload_timeout: expected a number of seconds, 0 or more, and finite."),
        ({"upload_timeout": math.nan}, "upload_timeout: expected a number of seconds, 0 or more, and finite."),
        ({"upload_timeout": math.inf}, "upload_timeout: expected a number of seconds, 0 or more, and finite."),
        ({"upload_timeout": 1e300}, "upload_timeout: expected a number of seconds, 0 or more, and finite."),
        ({"upload_timeout": np.int64(3)}, "upload_timeout: expected a number, got int64. Did you mean float(...)?"),
        ({"on_error": "ignore"}, 'on_error: expected "warn" or "raise", got another str.'),
        ({"on_error": "rase"}, 'on_error: expected "warn" or "raise", got another str. Did you mean "raise"?'),
        ({"on_error": None}, 'on_error: expected "warn" or "raise", got None.'),
        ({"media": "yes"}, "media: expected a bool, got str."),
        ({"media": 1}, "media: expected a bool, got int."),
        (
            {"verify": np.bool_(False)},
            f"verify: expected a bool, got numpy.{np.bool_.__name__}. Did you mean bool(...)?",
        ),
        ({"mask_secrets": "no"}, "mask_secrets: expected a bool, got str."),
        ({"upload_checkpoints": "all"}, f"upload_checkpoints: expected {UPLOADS}, got another str."),
        (
            {"upload_checkpoints": "bets"},
            f'upload_checkpoints: expected {UPLOADS}, got another str. Did you mean "best"?',
        ),
        ({"upload_checkpoints": 0}, f"upload_checkpoints: expected {UPLOADS}."),
        ({"upload_checkpoints": 2.5}, f"upload_checkpoints: expected {UPLOADS}, got float."),
        ({"metric": "m"}, "metric: needs goal beside it."),
        ({"goal": "minimize"}, "goal: needs metric beside it."),
        ({"metric": "", "goal": "minimize"}, "metric: expected the name of a metric, or False for none, got ''."),
        ({"metric": True}, "metric: expected the name of a metric, or False for none, got True."),
        ({"metric": 3, "goal": "minimize"}, "metric: expected the name of a metric, or False for none, got int."),
        ({"metric": False, "goal": "minimize"}, "goal: needs metric beside it."),
        (
            {"metric": "m", "goal": "max"},
            'goal: expected "maximize" or "minimize" (Tune\'s modes "max" and "min"), got another str. '
            'Did you mean "maximize"?',
        ),
        ({"image_kwargs": 3}, "image_kwargs: expected a dict with str keys, got int."),
        ({"video_kwargs": {1: 2}}, "video_kwargs: expected a dict with str keys, got keys of type int."),
        ({"image_kwargs": {"mod": "L"}}, 'image_kwargs.mod: unknown key. Did you mean "mode"?'),
        ({"image_kwargs": {"data_or_path": "x"}}, "image_kwargs.data_or_path: unknown key."),
        ({"image_kwargs": {"mode": 3}}, "image_kwargs.mode: expected a str, got int."),
        ({"image_kwargs": {"mode": "XYZ"}}, "image_kwargs.mode: wandb.Image refuses this value (ValueError)."),
        ({"image_kwargs": {"grouping": "3"}}, "image_kwargs.grouping: expected an int, got str."),
        (
            {"image_kwargs": {"file_type": "gif?"}},
            "image_kwargs.file_type: wandb.Image refuses this value (ValueError).",
        ),
        ({"video_kwargs": {"fps": 2.5}}, "video_kwargs.fps: expected an int, got float."),
        (
            {"video_kwargs": {"fps": np.int64(2)}},
            "video_kwargs.fps: expected an int, got int64. Did you mean int(...)?",
        ),
        (
            {"video_kwargs": {"format": "avi"}},
            'video_kwargs.format: expected "gif" or "mp4" or "webm" or "ogg", got another str.',
        ),
        (
            {"upload_checkpoint": True},
            "upload_checkpoint: unknown key. Did you mean WandbLogger(upload_checkpoints=...)?",
        ),
        ({"uplod_timeout": 3}, "uplod_timeout: unknown key. Did you mean WandbLogger(upload_timeout=...)?"),
        ({"tgas": []}, 'tgas: unknown key. Did you mean "tags"?'),
    ],
)
def test_mistakes(arguments: dict[str, Any], expected: str) -> None:
    """Each is found when the logger is made, with what was expected."""
    assert [expected] == problems(**arguments)


def test_all_at_once() -> None:
    """Those of the defaults, of the fields and of the logger's own arguments."""
    found = problems({"projct": "p"}, mode="ofline", media="yes", upload_timeout="long")
    assert ["projct", "mode", "upload_timeout", "media"] == [problem.partition(":")[0] for problem in found]


def test_an_argument_of_the_logger_in_an_entry() -> None:
    """The entry's error says where it belongs, for each argument."""
    for name in OPTIONS:
        with pytest.raises(WandbSettingsError) as caught:
            WandbSettings.from_dict({name: True})
        assert [f"WandbLogger({name}=...)"] == [problem.suggestion for problem in caught.value.problems]


def test_no_name_is_both() -> None:
    """An argument of the logger is no key of an entry."""
    assert set() == OPTIONS & set(WandbConfigDict.__annotations__)


@pytest.mark.parametrize("seconds", [0, 60, 0.5, np.float64(3)])
def test_right_ones(seconds: float) -> None:
    """They come out as plain values."""
    options, settings = validate_logger_arguments(
        {"upload_timeout": seconds, "image_kwargs": {"mode": "L"}}, WandbSettings(project="p"), {"group": "g"}
    )
    assert LoggerOptions(upload_timeout=float(seconds), image_kwargs={"mode": "L"}) == options
    assert float is type(options.upload_timeout)
    assert {"project": "p", "group": "g"} == settings.to_config()
    WandbLogger(upload_timeout=seconds, image_kwargs=None, on_error="raise")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just({}), st.lists(st.none())
)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)), VALUES))
def test_any_value(options: dict[str, Any]) -> None:
    """A value of any kind passes with the right type, or is a mistake with its name as path."""
    try:
        passed, _ = validate_logger_arguments(options, None, {})
        wrong = set[str]()
        assert options.items() <= attrs.asdict(passed).items()
    except WandbSettingsError as error:
        wrong = {problem.path for problem in error.problems}
    bools = {"media", "verify", "sweep", "overview"}
    assert {name for name in bools & options.keys() if not isinstance(options[name], bool)} == wrong & bools
    seconds = options.get("upload_timeout", 0)
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    assert ("upload_timeout" in wrong) == (not is_number or not 0 <= seconds < 9e9)


def test_media_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array would be left out: the error names what to install."""
    monkeypatch.setattr("typed_tune_wandb.settings._logger_options.find_spec", lambda name: None)
    assert ['media: needs Pillow: pip install "wandb[media]".'] == problems(media=True)
    WandbLogger(media=False)


def test_settings_on_restore() -> None:
    """They are checked the same way, also where they are no settings at all."""
    with pytest.raises(WandbSettingsError, match=r"restored_with\(...\)"), restored_with(3):  # type: ignore[arg-type]
        pass
    with pytest.raises(WandbSettingsError, match="projct"), restored_with(projct=3):  # type: ignore[call-arg]
        pass


def test_the_defaults_are_the_loggers() -> None:
    """The signature of the logger shows the defaults that hold."""
    shown = inspect.signature(WandbLogger).parameters
    assert attrs.asdict(LoggerOptions()) == {name: shown[name].default for name in OPTIONS}
