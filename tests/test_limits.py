"""Names that are longer than W&B's server takes: shortened with a hash, and logged once."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb.settings import WandbInitKwargs, shorten, shorten_names


@pytest.fixture(autouse=True)
def _nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_NAME", "WANDB_RUN_GROUP", "WANDB_JOB_TYPE"):
        monkeypatch.delenv(name, raising=False)
    PROCESS_LOG.reset()


@given(st.text(max_size=300), st.integers(10, 200))
def test_within_the_limit(text: str, limit: int) -> None:
    """A short text stays as it is; a long one has the limit's length, and the text's own beginning."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert (short == text) == (len(text) <= limit)
    assert text.startswith(short[: limit - 9])


@given(st.text(min_size=200, max_size=210), st.text(min_size=1, max_size=9))
def test_different_texts_stay_different(text: str, end: str) -> None:
    """Also where they differ at their ends alone; and the same text is shortened the same way, in any process."""
    assert shorten(text, 128) != shorten(text + end, 128)
    assert shorten(text, 128) == shorten(text, 128)


def test_arguments_of_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """Name and group to 128, job type to 64 characters; each is logged once, whatever the number of runs."""
    for trial in range(3):
        init = WandbInitKwargs(
            name=f"{'n' * 200}{trial}", group="g" * 200, job_type="j" * 100, project="p", notes="x" * 500
        )
        short = shorten_names(init)
        assert {"name": 128, "group": 128, "job_type": 64, "project": 1, "notes": 500} == {
            key: len(str(value)) for key, value in short.items()
        }
    assert [("WARNING", key) for key in ("name", "group", "job_type")] == [
        (record.levelname, str(record.getMessage()).split("run's ")[1].split(":")[0]) for record in caplog.records
    ]


def test_short_ones_stay(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is changed or logged."""
    init = WandbInitKwargs(name="n" * 128, group="g", job_type="j" * 64)
    assert init == shorten_names(init)
    assert [] == caplog.records


def test_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that holds because the argument is missing is shortened too; one that does not hold is left alone."""
    monkeypatch.setenv("WANDB_JOB_TYPE", "j" * 100)
    monkeypatch.setenv("WANDB_NAME", "n" * 300)
    short = shorten_names({"name": "a"})
    assert ("a", 64) == (short["name"], len(str(short["job_type"])))


def test_nothing_is_logged_at_debug_either(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the limit, never the text."""
    with caplog.at_level(logging.DEBUG):
        shorten_names({"name": "secret" * 50})
    assert "secret" not in caplog.text
