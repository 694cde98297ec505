"""``doctor`` against a server that takes the key, one that does not, and none; and offline."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import call, call_for_json
from tests.wandb_server.fixture import API_KEY
from tests.wandb_server.server import WandbServer


def sources(found: Any) -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["value"], row["source"]) for row in found["settings"]}


def test_a_server_that_takes_the_key(wandb_server: WandbServer) -> None:
    """All is well: 0, and the key is nowhere."""
    done = call("doctor", WANDB_PROJECT="mnist")
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "answers, and takes the key" in done.stdout
    assert done.stdout.rstrip().endswith("all is well")
    assert "the variable WANDB_API_KEY" in done.stdout
    assert API_KEY not in done.stdout + done.stderr
    assert "" == done.stderr


def test_a_server_that_does_not_take_it(wandb_server: WandbServer) -> None:
    """1, and which of key and server is wrong."""
    wandb_server.accepted_keys = {"a" * 40}
    found = call_for_json("doctor", code=1, WANDB_PROJECT="mnist")
    assert {"text": "answers, but does not take the key", "is_right": False} == found["server"]
    assert ["url"] == [problem["path"] for problem in found["problems"]]
    assert (wandb_server.url, "the variable WANDB_BASE_URL") == sources(found)["url"]


def test_no_server() -> None:
    """1, in no time, and the key is not the one to blame."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        found = call_for_json("doctor", code=1, WANDB_BASE_URL=url, WANDB_API_KEY=API_KEY)
    assert "cannot be reached (Connection refused)" == found["server"]["text"]
    assert (
        "not asked: --skip-server"
        == call_for_json("doctor", "--skip-server", WANDB_BASE_URL=url, WANDB_API_KEY=API_KEY)["server"]["text"]
    )


def test_offline_with_a_file() -> None:
    """The fields of the file's entry count, no server is asked, and the folder is the entry's."""
    Path("train.yaml").write_text("config:\n  wandb: {project: mnist, mode: offline, dir: runs}\n")
    found = call_for_json("doctor", "train.yaml")
    rows = sources(found)
    assert ("offline", 'the field mode of config["wandb"]') == rows["mode"]
    assert (str(Path("runs").absolute()), 'the field dir of config["wandb"]') == rows["folder"]
    assert "not asked: mode offline" == found["server"]["text"]
    assert [] == found["problems"]
    assert {"Python", "ray", "wandb"} == {part["name"] for part in found["versions"] if part["supported"]}
    assert "GiB free" in found["disk"]["text"]


def test_problems() -> None:
    """Of the file, of its entry, of variables, of the folder, and a missing key: each by its name."""
    Path("none.yaml").write_text("lr: 0.1\n")
    done = call("doctor", "none.yaml")
    assert (1, "") == (done.returncode, done.stdout)
    assert "there is no W&B entry" in done.stderr
    Path("file").write_text("")
    Path("wrong.yaml").write_text("wandb: {mode: ofline}\n")
    found = call_for_json("doctor", "wrong.yaml", code=1, WANDB_QUIET="maybe", WANDB_DIR="file/runs")
    assert {"mode", "WANDB_QUIET", "project", "api_key", "folder"} == {p["path"] for p in found["problems"]}
    assert "not asked: see the problems" == found["server"]["text"]
    assert 2 == call("doctor", "nothing.yaml").returncode


def test_a_hook_in_the_current_folder() -> None:
    """Is found, as from a program there, also where Python does not look there by itself."""
    Path("keys.py").write_text(f"def give() -> str:\n    return {API_KEY!r}\n")
    found = call_for_json("doctor", "--skip-server", WANDB_SETUP_API_KEY_HOOK="keys.give", PYTHONSAFEPATH="1")
    assert ("***", "the hook WANDB_SETUP_API_KEY_HOOK") == sources(found)["api_key"]


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_password_in_the_url_is_not_shown(extra: list[str]) -> None:
    """Nor that of a proxy in between."""
    done = call("doctor", "--skip-server", *extra, WANDB_BASE_URL="http://me:k1ttens-are-nice@127.0.0.1:9")
    assert "k1ttens" not in done.stdout + done.stderr
    assert "127.0.0.1:9" in done.stdout
