"""The pytest fixture `wandb_server`: `pytest_plugins = ["tests.wandb_server.fixture"]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from tests.wandb_server.server import WandbServer
from typed_tune_wandb._service import teardown

API_KEY = "0123456789abcdef" * 2 + "01234567"


def environment(server: WandbServer) -> dict[str, str]:
    """The variables that send a wandb client to `server`."""
    return {
        "WANDB_BASE_URL": server.url,
        "WANDB_API_KEY": API_KEY,
        "WANDB_MODE": "online",
        "WANDB_ERROR_REPORTING": "false",
    }


def fast_settings(**settings: Any) -> wandb.Settings:
    """Settings for a run that sends at once and waits a second between attempts.

    wandb-core cuts these seconds down to whole ones: less than 1 would be its default.

    Args:
        settings: More settings for `wandb.Settings`, or others in place of these.
    """
    return wandb.Settings(
        **{
            "console": "off",
            "disable_git": True,
            "x_disable_stats": True,
            "x_disable_meta": True,
            "x_save_requirements": False,
            "x_file_stream_transmit_interval": 1,
            "x_file_stream_retry_wait_min_seconds": 1,
            "x_file_stream_retry_wait_max_seconds": 1,
            "x_file_transfer_retry_wait_min_seconds": 1,
            "x_file_transfer_retry_wait_max_seconds": 1,
            "x_graphql_retry_wait_min_seconds": 1,
            "x_graphql_retry_wait_max_seconds": 1,
            **settings,
        }
    )


@pytest.fixture
def wandb_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A running server, and an environment in which wandb knows no other.

    All of wandb's files go below `tmp_path`. Afterwards every run that is still open is
    finished, wandb-core of the test has ended, and the server must not have been asked
    for anything that it does not know.
    """
    # wandb reads its environment at its first use, and tells of its wandb-core there.
    teardown()  # whatever a test before this one has done to it
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        folder = tmp_path / name.lower()
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with WandbServer() as server:
        for name, value in environment(server).items():
            monkeypatch.setenv(name, value)
        yield server
        server.faults.clear()
        server.come_back()
        teardown()
    assert [] == server.errors
    assert [] == server.unknown_operations
