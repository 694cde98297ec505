"""The server of tests/wandb_server, proven by the real wandb client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb.errors import CommError

from tests.wandb_server import Fault, Faults, Request, ServerRun, WandbServer
from tests.wandb_server.fixture import API_KEY, fast_settings

pytest_plugins = ["tests.wandb_server.fixture"]


def start(run_id: str, **more: Any) -> wandb.Run:
    """A run that sends quickly, beside the other runs of this process."""
    return wandb.init(project="p", id=run_id, reinit="create_new", settings=fast_settings(), **more)


def log_rows(run: wandb.Run, count: int) -> None:
    """Log `count` rows, numbered in `n`."""
    for number in range(count):
        run.log({"n": number})


def numbers(run: ServerRun) -> list[int]:
    """The column `n` of a run's history, as received."""
    return [row["n"] for row in run.history]


def test_a_run_arrives_whole(wandb_server: WandbServer) -> None:
    """Name, group, config, rows, summary and exit code are those of the client's run."""
    with start("a", name="nice", group="g", job_type="train", tags=["t"], notes="n", config={"lr": 0.1}) as run:
        log_rows(run, 3)
        run.summary["best"] = 7
        run.config["late"] = [1, 2]

    received = wandb_server.runs["a"]
    assert ("nice", "g", "train", ["t"], "n") == (
        received.display_name,
        received.group,
        received.job_type,
        received.tags,
        received.notes,
    )
    assert {"lr": 0.1, "late": [1, 2]} == {key: value for key, value in received.config.items() if key != "_wandb"}
    assert [0, 1, 2] == numbers(received)
    assert [0, 1, 2] == [row["_step"] for row in received.history]
    assert (2, 7) == (received.summary["n"], received.summary["best"])
    assert ("finished", 0) == (received.state, received.exit_code)
    assert {API_KEY} == wandb_server.keys_seen


def test_the_exit_code_of_a_failed_run_arrives(wandb_server: WandbServer) -> None:
    """A run that finishes with 1 has failed."""
    start("a").finish(exit_code=1)
    assert ("failed", 1) == (wandb_server.runs["a"].state, wandb_server.runs["a"].exit_code)


def test_a_thousand_rows_arrive_once(wandb_server: WandbServer) -> None:
    """Every row is there, in order, and none came twice."""
    with start("a") as run:
        log_rows(run, 1000)
    lines = wandb_server.runs["a"].history_lines
    assert list(range(1000)) == numbers(wandb_server.runs["a"])
    assert ([], 0, []) == (lines.missing, lines.resent, lines.overwritten)


def test_a_resumed_run_goes_on_where_it_stood(wandb_server: WandbServer) -> None:
    """Steps and offsets continue, config and summary stay, nothing is overwritten."""
    with start("a", config={"first": 1}) as run:
        log_rows(run, 5)
    with start("a", resume="allow", config={"second": 2}) as run:
        assert 5 == run.starting_step
        run.log({"n": 5})

    received = wandb_server.runs["a"]
    assert list(range(6)) == [row["_step"] for row in received.history] == numbers(received)
    assert [] == received.history_lines.overwritten
    assert (1, 2) == (received.config["first"], received.config["second"])
    assert (2, 1, [0, 0]) == (received.opened, received.resumed, received.exit_codes)


def test_two_runs_at_once_stay_apart(wandb_server: WandbServer) -> None:
    """Rows of two live runs of one process arrive each in its own run."""
    first, second = start("a"), start("b")
    for number in range(10):
        first.log({"n": number})
        second.log({"n": -number})
    first.finish()
    second.finish(exit_code=3)
    assert list(range(10)) == numbers(wandb_server.runs["a"])
    assert [-number for number in range(10)] == numbers(wandb_server.runs["b"])
    assert [0, 3] == [run.exit_code for run in wandb_server.all_runs]


def test_a_stop_from_the_server_reaches_the_client(wandb_server: WandbServer) -> None:
    """W&B's stop button: the client calls the run's `stop_fn`."""
    calls: list[float] = []
    settings = fast_settings(stop_fn=lambda: calls.append(time.monotonic()))
    with wandb.init(project="p", id="a", settings=settings) as run:
        run.log({"n": 0})
        wandb_server.wait_until(lambda: wandb_server.runs["a"].history)
        wandb_server.runs["a"].stopped = True
        # The answer to the next post says so; the client looks at it every 15 seconds.
        run.log({"n": 1})
        wandb_server.wait_until(lambda: calls, timeout=40)
    assert 1 == len(calls)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_artifacts_arrive_with_their_bytes(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Versions count up, aliases move on, an unchanged file belongs to both versions."""
    same = bytes(range(256)) * 1000
    first = {"model.bin": same, "sub/état 1.txt": b"one"}
    second = {"model.bin": same, "sub/état 1.txt": b"two"}
    with start("a") as run:
        for number, files in enumerate([first, second]):
            artifact = wandb.Artifact("model", type="checkpoint", metadata={"step": number})
            artifact.add_dir(str(write(tmp_path / str(number), files)))
            run.log_artifact(artifact, aliases=["latest", f"step-{number}"]).wait()
            assert f"v{number}" == artifact.version

    received = wandb_server.artifacts["model"]
    assert [first, second] == [version.files for version in received]
    assert [["step-0"], ["latest", "step-1"]] == [sorted(version.aliases) for version in received]
    assert [{"step": 0}, {"step": 1}] == [version.metadata for version in received]
    assert [("checkpoint", "a", True)] * 2 == [(version.type, version.run, version.committed) for version in received]
    blobs = [upload for upload in wandb_server.requests_for("upload") if "/blob/" in upload.path]
    assert 3 == len(blobs)


def test_an_artifact_can_be_fetched_again(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Another run uses a version by its alias, and downloads what was logged."""
    files = {"model.bin": b"weights", "sub/more": b"x" * 1000}
    with start("a") as run:
        artifact = wandb.Artifact("model", type="checkpoint")
        artifact.add_dir(str(write(tmp_path / "files", files)))
        run.log_artifact(artifact, aliases=["best"])
    with start("b") as run:
        folder = Path(run.use_artifact("model:best").download(root=str(tmp_path / "again")))
    assert files == {name: (folder / name).read_bytes() for name in files}
    assert [wandb_server.artifacts["model"][0].id] == wandb_server.runs["b"].used_artifacts


def test_an_unchanged_artifact_makes_no_second_version(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The same content logged again is the same version."""
    folder = write(tmp_path / "files", {"f": b"x"})
    with start("a") as run:
        for _ in range(2):
            artifact = wandb.Artifact("model", type="checkpoint")
            artifact.add_dir(str(folder))
            run.log_artifact(artifact).wait()
    assert 1 == len(wandb_server.artifacts["model"])


def test_a_reference_artifact_holds_its_uri(wandb_server: WandbServer) -> None:
    """A reference is stored as it is; nothing is uploaded for it."""
    uri = "hdfs://node/checkpoint"
    with start("a") as run:
        artifact = wandb.Artifact("model", type="checkpoint")
        artifact.add_reference(uri, name="checkpoint")
        run.log_artifact(artifact)
    (version,) = wandb_server.artifacts["model"]
    assert {"checkpoint": uri} == version.references
    assert {} == version.files


def test_files_and_media_arrive(wandb_server: WandbServer, tmp_path: Path) -> None:
    """A saved file and a logged piece of HTML are files of the run."""
    folder = write(tmp_path / "files", {"notes.txt": b"saved"})
    with start("a") as run:
        run.save(str(folder / "notes.txt"), base_path=str(folder), policy="now")
        run.log({"page": wandb.Html("<b>bold</b>", inject=False)})
    received = wandb_server.runs["a"]
    assert b"saved" == received.files["notes.txt"]
    assert b"<b>bold</b>" == received.files[received.history[0]["page"]["path"]]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("file_stream", status=500, times=3), id="500"),
        pytest.param(Fault("file_stream", status=429, retry_after=1, times=2), id="429"),
        pytest.param(Fault("file_stream", drop=True, times=2), id="dropped"),
        pytest.param(Fault("file_stream", lose_answer=True, times=2), id="answer-lost"),
        pytest.param(Fault("file_stream", delay=1.5, times=1), id="slow"),
    ],
)
def test_rows_survive_trouble_with_the_stream(wandb_server: WandbServer, fault: Fault) -> None:
    """Every row is there once, in order, and the run finishes."""
    with start("a") as run:
        run.log({"n": 0})
        wandb_server.wait_until(lambda: wandb_server.runs["a"].history)
        wandb_server.faults.add(fault)
        for number in range(1, 50):
            run.log({"n": number})
    received = wandb_server.runs["a"]
    assert fault.times == fault.hits
    assert list(range(50)) == numbers(received)
    assert ([], []) == (received.history_lines.missing, received.history_lines.overwritten)
    assert fault.lose_answer == (received.history_lines.resent > 0)
    assert "finished" == received.state


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("UpsertBucket", status=503, times=2), id="503"),
        pytest.param(Fault("UpsertBucket", drop=True, times=1), id="dropped"),
        pytest.param(Fault("UpsertBucket", lose_answer=True, times=1), id="answer-lost"),
    ],
)
def test_a_run_opens_in_spite_of_trouble(wandb_server: WandbServer, fault: Fault) -> None:
    """wandb.init asks again; there is one run in the end, with its row."""
    wandb_server.faults.add(fault)
    with start("a") as run:
        run.log({"n": 0})
    assert fault.times == fault.hits
    assert ["a"] == list(wandb_server.runs)
    assert [0] == numbers(wandb_server.runs["a"])


def test_faults_choose_their_requests() -> None:
    """A fault lets `skip` requests pass, hits `times`, and leaves other runs and keys alone."""
    faults = Faults()
    fault = faults.add(Fault("upload", run="a", key="k", skip=1, times=2))
    hit = Request(0.0, "PUT", "/", "upload", run="a", key="k")
    others = [
        Request(0.0, "PUT", "/", "upload", run="b", key="k"),
        Request(0.0, "PUT", "/", "upload", run="a", key="l"),
        Request(0.0, "POST", "/", "file_stream", run="a", key="k"),
    ]
    assert [None] * 3 == [faults.take(other) for other in others]
    assert [None, fault, fault, None] == [faults.take(hit) for _ in range(4)]


def test_rows_survive_a_server_that_is_down(wandb_server: WandbServer) -> None:
    """Rows logged before, during and after five seconds without a server all arrive once."""
    with start("a") as run:
        run.log({"n": 0})
        wandb_server.wait_until(lambda: wandb_server.runs["a"].history)
        wandb_server.go_down_for(5)
        end = time.monotonic() + 6
        count = 1
        while time.monotonic() < end:
            run.log({"n": count})
            count += 1
            time.sleep(0.1)
    assert list(range(count)) == numbers(wandb_server.runs["a"])
    assert "finished" == wandb_server.runs["a"].state


def test_a_slow_start_of_one_run_holds_up_that_run_alone(wandb_server: WandbServer) -> None:
    """A delay can be meant for one run: the other opens at once."""
    fault = Fault("UpsertBucket", run="slow", delay=3, times=1)
    wandb_server.faults.add(fault)
    start("quick").finish()
    assert 0 == fault.hits
    began = time.monotonic()
    start("slow").finish()
    assert 1 == fault.hits
    assert 3 <= time.monotonic() - began


def refuse_by_list(server: WandbServer) -> None:
    server.accepted_keys = {"f" * 40}


def refuse_by_name(server: WandbServer) -> None:
    server.refused_keys.add(API_KEY)


@pytest.mark.parametrize("refuse", [refuse_by_list, refuse_by_name])
def test_a_wrong_key_fails_the_start(wandb_server: WandbServer, refuse: Callable[[WandbServer], None]) -> None:
    """wandb.init raises, soon, and no run comes to be."""
    refuse(wandb_server)
    began = time.monotonic()
    with pytest.raises(CommError, match="not logged in"):
        start("a")
    assert time.monotonic() - began < 80  # the default of init_timeout is 90
    assert {} == wandb_server.runs


def test_without_a_server_the_start_fails(wandb_server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb.init raises after its `init_timeout`."""
    # Else it first waits 10 seconds for the user's name, to print it.
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb_server.go_down()
    began = time.monotonic()
    with pytest.raises(CommError, match="connection refused"):
        wandb.init(project="p", id="a", settings=fast_settings(init_timeout=2))
    assert 2 <= time.monotonic() - began < 80  # the default of init_timeout is 90


def test_rows_that_the_server_refused_can_be_synced(wandb_server: WandbServer) -> None:
    """`wandb sync` skips runs made online, by default; onto a new id it brings every row once."""
    with start("a", config={"lr": 1}, name="nice") as run:
        run.log({"n": 0})
        wandb_server.wait_until(lambda: wandb_server.runs["a"].history)
        refused = wandb_server.faults.add(Fault("file_stream", status=403))
        run.log({"n": 1})
        wandb_server.wait_until(lambda: refused.hits)
        wandb_server.faults.clear()
        folder = str(Path(run.dir).parent)
    assert [0] == numbers(wandb_server.runs["a"])

    def sync(*options: str) -> str:
        command = [sys.executable, "-m", "wandb", "sync", *options, folder]
        # With this variable it would look for the wandb-core of this process.
        env = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60).stderr

    assert "Skipped 1 online run(s)" in sync()
    sync("--no-skip-online", "--id", "b")
    received = wandb_server.runs["b"]
    assert [0, 1] == numbers(received)
    assert ("nice", 1, "finished") == (
        received.display_name,
        received.config["lr"],
        received.state,
    )


def test_a_key_refused_in_mid_run_ends_the_upload_for_good(
    wandb_server: WandbServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """After one 401 nothing more comes, even when the key is accepted again."""
    with start("a") as run:
        run.log({"n": 0})
        wandb_server.wait_until(lambda: wandb_server.runs["a"].history)
        refused = wandb_server.faults.add(Fault("file_stream", status=401))
        run.log({"n": 1})
        wandb_server.wait_until(lambda: refused.hits)
        wandb_server.faults.remove(refused)
        run.log({"n": 2})
    received = wandb_server.runs["a"]
    assert [0] == numbers(received)
    assert "running" == received.state
    assert "Fatal error while uploading data" in capfd.readouterr().err
