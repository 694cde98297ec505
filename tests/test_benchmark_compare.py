"""``python -m benchmarks compare``: what got worse, and what is only noise."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.common import save_figures


def saved(path: Path, *rounds: dict[str, Any], trials: int = 4) -> str:
    for figures in rounds:
        save_figures(path, "benchmarks.tune_overhead", {"variant": "ours", "trials": trials}, figures)
    return str(path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    return command.main()


def test_what_got_worse_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By 5 % or more beyond the spread of the rounds; of rows, fewer are worse."""
    old = saved(
        tmp_path / "old",
        {"wall": 1.0, "wait": 1.0, "noise": 1.0, "kept": 800, "cpu": {"driver": 2.0}, "memory": [1]},
        {"wall": 1.1, "wait": 1.1, "noise": 2.0, "kept": 800, "cpu": {"driver": 2.0}, "memory": [1]},
    )
    new = saved(
        tmp_path / "new",
        {"wall": 1.2, "wait": 0.5, "noise": 1.9, "kept": 700, "cpu": {"driver": 2.09}, "late": 1},
        {"wall": 1.3, "wait": 0.5, "noise": 2.5, "kept": 700, "cpu": {"driver": 2.09}, "late": 1},
    )
    assert 1 == run(monkeypatch, "compare", old, new)
    shown = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if "variant ours" in line]
    assert [["wall", "1.05", "1.25", "1.19", "worse"], ["wait", "1.05", "0.5", "0.48", "better"]] == [
        line[1:] for line in shown[:2]
    ]
    assert [["kept", "worse"]] == [[line[1], line[-1]] for line in shown[2:]]
    assert 0 == run(monkeypatch, "compare", old, old)


@pytest.mark.parametrize("text", ["", "no JSON", "[]", json.dumps({"benchmark": "a", "of": [], "figures": {}})])
def test_what_cannot_be_compared(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file, one that is not there, and figures of something else."""
    (tmp_path / "other").write_text(text)
    old = saved(tmp_path / "old", {"wall": 1.0})
    for new in (str(tmp_path / "other"), str(tmp_path / "none"), saved(tmp_path / "more", {"wall": 1}, trials=5)):
        assert 2 == run(monkeypatch, "compare", old, new)
        error = capsys.readouterr().err
        assert any(part in error for part in ("no file that a benchmark", "cannot be read", "no figure in common"))
