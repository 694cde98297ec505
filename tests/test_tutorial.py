"""docs/tutorial.md shows what its programs print: ``python -m tests.support.tutorial`` writes it anew."""

from __future__ import annotations

import pytest

from tests.support.pages import TUTORIAL, rendered
from tests.wandb_server.fixture import API_KEY
from tests.wandb_server.server import WandbServer


def test_the_tutorial_prints_what_it_shows(wandb_server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first trial to a failed, restored and uploaded search; every row is on the server."""
    for name in ("WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(name)
    environment = {"WANDB_BASE_URL": wandb_server.url, "WANDB_API_KEY": API_KEY}
    text = TUTORIAL.read_text(encoding="utf-8")
    assert text == rendered(text, environment)
    assert [5, 5, 5] == [len(run.history) for run in wandb_server.runs.values()]
