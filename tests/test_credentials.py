"""Whether a key is needed, where it comes from, and what is said of one that is of no use."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from typed_tune_wandb.credentials import resolve
from typed_tune_wandb.errors import WandbSettingsError
from typed_tune_wandb.settings import WandbSettings

KEY = "0123456789abcdef0123456789abcdef01234567"


def test_wandb_offline_needs_no_key(tmp_path: Path) -> None:
    """The mode that the command `wandb offline` has set counts like the field and the variable."""
    environment = {**os.environ, "HOME": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path / "config")}
    environment.pop("WANDB_MODE", None)
    root = str(Path(__file__).parent.parent)
    script = (
        "from typed_tune_wandb.credentials import mode_of, resolve\n"
        "from typed_tune_wandb import WandbSettings\n"
        "print(mode_of(WandbSettings(project='p')), resolve(WandbSettings(project='p')).key)\n"
    )
    subprocess.run([sys.executable, "-m", "wandb", "offline"], cwd=tmp_path, env=environment, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "offline None\n" == done.stdout, done.stderr


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_offline_and_disabled_runs_need_no_key(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the mode was set: here by the variable."""
    monkeypatch.setenv("WANDB_MODE", mode)
    assert resolve(WandbSettings(project="p")).key is None


def test_a_key_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its one line is the key; the source is told, the key never."""
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    with caplog.at_level(logging.INFO):
        found = resolve(WandbSettings(mode="online", api_key_file=path))
    assert found.key is not None
    assert KEY == found.key.reveal()
    assert str(path) in found.source
    assert KEY not in caplog.text + repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no file"),
        ("", "is empty"),
        (f"{KEY}\n{KEY}\n", "2 lines"),
        ("a b\n", "blanks"),
        ("short\n", "40"),
    ],
)
def test_a_key_file_of_no_use(text: str | None, says: str, tmp_path: Path) -> None:
    """Missing, empty, several lines, blanks, an impossible shape: each has its answer."""
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WandbSettingsError, match=says):
        resolve(WandbSettings(mode="online", api_key_file=path))


def test_a_file_that_everybody_reads_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It works, with a warning that says what to do."""
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o644)
    resolve(WandbSettings(mode="online", api_key_file=path))
    assert "chmod 600" in caplog.text
