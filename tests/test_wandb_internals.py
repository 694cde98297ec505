"""What the library takes for granted of wandb's inside: one test each, against the installed wandb.

A test that fails with a new wandb says which part of ``_wandb_internals`` has to be looked at.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from tests.support.processes import descendants
from tests.support.recorder import wait_for
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from tests.wandb_server.fixture import API_KEY, fast_settings
from typed_tune_wandb import _wandb_internals as internals
from typed_tune_wandb._service import teardown

PACKAGE = Path(wandb.__file__).parent
QUIET: dict[str, Any] = {"console": "off", "silent": True, "x_disable_stats": True, "x_disable_meta": True}


def offline(folder: Path, run_id: str = "r") -> wandb.Run:
    """A run that is recorded in a folder."""
    settings = wandb.Settings(**QUIET)
    return wandb.init(id=run_id, project="p", mode="offline", dir=folder, settings=settings, reinit="create_new")


@pytest.fixture
def no_service() -> Iterator[None]:
    """No wandb-core before the test, and none after it."""
    teardown()
    yield
    teardown()


def test_the_flush_setting_came_with_0_31() -> None:
    """It has its name since then."""
    assert internals.flushes_rows() == (internals.FLUSH_SETTING in wandb.Settings.model_fields)


def test_the_sources_that_are_read_are_there() -> None:
    """The signature of ``wandb.init``, and the classes ``Settings``, ``Image`` and ``Video``."""
    assert "def init(" in (PACKAGE / internals.INIT_STUB).read_text()
    assert "class Settings(" in (PACKAGE / internals.SETTINGS_SOURCE).read_text()
    assert "class Image(" in (PACKAGE / internals.MEDIA_SOURCE.format("image")).read_text()
    assert "class Video(" in (PACKAGE / internals.MEDIA_SOURCE.format("video")).read_text()


@pytest.mark.usefixtures("no_service")
def test_the_address_of_wandb_core_is_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children inherit it unless it is taken out."""
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    before = dict(os.environ)
    wandb.setup()
    assert before != dict(os.environ)
    assert before == internals.without_service(os.environ)
    internals.forget_service()
    assert before == dict(os.environ)


@pytest.mark.usefixtures("no_service")
def test_wandb_core_is_started_by_popen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its name."""
    started: list[bool] = []

    class Watched(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: object, *more: object, **options: object) -> None:
            started.append(internals.is_service_command(args))
            super().__init__(args, *more, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Watched)
    wandb.setup()
    assert [True] == [known for known in started if known]  # not git's
    assert not any(map(internals.is_service_command, ["wandb-core", [], [sys.executable, "-m", "wandb-core"]]))


def wait_for_an_answer(run: wandb.Run) -> None:
    """Ask wandb-core for something."""
    run.status()


def open_another(run: wandb.Run) -> None:
    """Begin something new."""
    offline(Path(run.dir), "another")


@pytest.mark.usefixtures("no_service")
@pytest.mark.parametrize("call", [wait_for_an_answer, open_another])
def test_errors_where_wandb_core_is_gone(call: Callable[[wandb.Run], None], tmp_path: Path) -> None:
    """Each is known by its class."""
    run = offline(tmp_path)
    for pid in descendants(os.getpid(), b"wandb-core"):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(BaseException) as caught:  # noqa: PT012  # whatever it is
        for _ in range(1000):  # the first may be written before the end is seen
            call(run)
    assert internals.is_service_error(caught.value), repr(caught.value)
    assert not internals.is_service_error(ValueError("something else"))


def test_errors_of_wandb_core_have_their_names() -> None:
    """Also those that a test cannot provoke; the errors at its start have other names since 0.21."""
    sources = "\n".join(path.read_text() for path in (PACKAGE / "sdk").rglob("*.py"))
    defined = set(re.findall(r"^class (\w+)\(", sources, re.MULTILINE))
    missing = internals._SERVICE_ERRORS - defined
    old = {name for name in internals._SERVICE_ERRORS if name.startswith("ServiceStart")}
    assert missing in ({"ServicePollForTokenError"}, old)


def test_the_constructor_checks_a_key_since_0_21(wandb_server: WandbServer) -> None:
    """Before that, another question to the server has to."""
    wandb_server.accepted_keys = set()
    overrides = {"base_url": wandb_server.url}
    if internals.constructor_checks_key():
        with pytest.raises(wandb.errors.AuthenticationError):
            wandb.Api(api_key=API_KEY, overrides=overrides)
    else:
        assert wandb.Api(api_key=API_KEY, overrides=overrides).default_entity is None


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_upload_is_in_the_internal_log(status: int, wandb_server: WandbServer, tmp_path: Path) -> None:
    """With the server's status; a run whose rows the server took has no such line."""
    problems = []
    for refuse in (False, True):
        if refuse:
            wandb_server.faults.add(Fault("file_stream", status=status, times=1000))
        run = wandb.init(project="p", dir=tmp_path, settings=fast_settings(), reinit="create_new")
        run.log({"loss": 1})
        run.finish()
        problems.append(internals.refused_upload(run.settings.log_internal))
    assert problems[0] is None
    assert f"the server refused its rows ({status}" in str(problems[1])
    assert internals.refused_upload(tmp_path / "none.log") is None


def test_a_runs_file_is_where_it_is_looked_for(tmp_path: Path) -> None:
    """While it is written and afterwards; the record of its run is a protobuf."""
    run = offline(tmp_path)
    path = internals.local_file(run)
    assert [path] == [*map(str, tmp_path.rglob("*.wandb"))]
    assert "history" in internals.record_type().DESCRIPTOR.fields_by_name
    assert 2 == internals.record_type().DESCRIPTOR.fields_by_name["history"].number
    run.finish()
    wait_for(lambda: Path(path).stat().st_size > 0)  # finish() comes back a moment before it is written


def test_a_disabled_run_has_no_file() -> None:
    """There is nothing to look for."""
    run = wandb.init(mode="disabled", reinit="create_new")
    assert not internals.local_file(run)
    run.finish()


@pytest.mark.parametrize("name", ["Image", "Html", "Video"])
def test_a_media_value_knows_its_file(name: str, tmp_path: Path) -> None:
    """And takes another file, which the run then has."""
    file = tmp_path / "video.mp4"
    file.write_bytes(b"a video")
    values: dict[str, Callable[[], object]] = {
        "Image": lambda: wandb.Image(np.zeros((2, 2, 3), dtype=np.uint8)),
        "Html": lambda: wandb.Html("<b>bold</b>"),
        "Video": lambda: wandb.Video(str(file)),
    }
    value = values[name]()
    path = Path(str(internals.media_path(value)))
    assert path.is_file()
    moved = tmp_path / f"moved{path.suffix}"
    path.rename(moved)
    internals.set_media_path(value, str(moved))
    run = offline(tmp_path)
    run.log({"value": value})
    run.finish()
    assert 1 == len([*tmp_path.rglob(f"media/**/*{path.suffix}")])


@pytest.mark.parametrize("value", [None, 1.5, "text", object()])
def test_other_values_have_no_file(value: object) -> None:
    """Nor are they media."""
    assert internals.media_path(value) is None
