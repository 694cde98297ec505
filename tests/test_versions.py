"""A Ray or a wandb that is newer than the tested ones: it is used, and a line says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from typed_tune_wandb import WandbLogger, _versions, _wandb_internals
from typed_tune_wandb._logging import PROCESS_LOG


@pytest.fixture(autouse=True)
def _fresh_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "typed_tune_wandb")
    PROCESS_LOG.reset()


@pytest.mark.parametrize(
    ("installed", "line"),
    [
        (
            {"ray": "2.61.0", "wandb": "0.31.2"},
            "ray 2.61.0: newer than what typed-tune-wandb was tested with (ray 2.60).",
        ),
        ({"ray": "2.60.9", "wandb": "0.100.0rc1"}, "wandb 0.100.0rc1: newer than"),
        ({"ray": "3.0.0.dev0", "wandb": "1.0"}, "ray 3.0.0.dev0 and wandb 1.0: newer than"),
        ({"ray": "2.60.1", "wandb": "0.31.5"}, None),
        ({"ray": "2.43.0", "wandb": "0.19.11"}, None),
    ],
)
def test_one_line_tells_of_newer_versions(
    installed: dict[str, str], line: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At INFO, once; older releases and patch releases of the tested ones make none."""
    monkeypatch.setattr(_versions, "NEWEST_TESTED", {"ray": "2.60", "wandb": "0.31"})
    monkeypatch.setattr(_versions, "version", installed.__getitem__)
    _versions.log_newer_versions()
    _versions.log_newer_versions()
    assert len(caplog.records) == (line is not None)
    assert all(str(line) in record.getMessage() and record.levelno == logging.INFO for record in caplog.records)


def test_the_logger_tells_of_them_and_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """When Tune sets it up."""
    monkeypatch.setattr(_versions, "NEWEST_TESTED", {"ray": "2.0", "wandb": "0.1"})
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    logger.setup()
    logger.on_experiment_end([])
    assert ["newer than" in message for message in caplog.messages if "tested with" in message] == [True]


@pytest.mark.parametrize(
    ("installed", "known"),
    [
        ("0.19.11", (False, True, False)),
        ("0.21.4", (True, True, False)),
        ("0.25.1", (True, True, False)),
        ("0.26.0rc1", (True, False, False)),
        ("0.31.0.dev1", (True, False, True)),
        ("1.0rc1", (True, False, True)),
    ],
)
def test_what_a_release_of_wandb_is_known_for(
    installed: str, known: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its first two numbers, whatever follows them."""
    monkeypatch.setattr(_wandb_internals, "version", lambda name: installed)
    assert known == (
        _wandb_internals.constructor_checks_key(),
        _wandb_internals.first_calls_race(),
        _wandb_internals.flushes_rows(),
    )
