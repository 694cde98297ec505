"""The API key in no place but those that SECURITY.md names: experiments with known keys, and a search of all bytes.

One driver process of its own runs an experiment in each way in which a key is given, with a key of that way: where one
is found, it tells its way. All that the driver and its Ray cluster write goes below one folder, and what they show of
themselves is written there too.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
import wandb
from attrs import frozen
from ray import tune

import tests.wandb_server.server as server_module
from tests.support.byte_search import search, search_folder
from tests.support.online import FAST_UPLOADS
from tests.wandb_server import WandbServer
from typed_tune_wandb import WandbLogger, WandbSettings, WandbTrainableMixin, legacy, setup_wandb, wandb_mixin
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.payload import Redactor, ResultConverter, sanitize_config
from typed_tune_wandb.recording._protocol import CheckLogin, OpenRun
from typed_tune_wandb.recording.client import Recorder

WAYS = ("raw", "raw_mixin", "raw_file", "builder", "logger", "legacy_run", "class_mixin", "setup_wandb")
ALSO_WITHOUT_FAILURE = ("raw", "class_mixin")
KEYS = {way: hashlib.sha1(way.encode()).hexdigest() for way in WAYS}
MISTAKES = {"tgas": ["a"], "tags": "b"}
FOLDER = "TEST_SECRECY_FOLDER"
_DRIVER_TIMEOUT = 500  # seconds; it takes one or two minutes on two cores that are free

pytestmark = pytest.mark.timeout(_DRIVER_TIMEOUT + 60)


# --- the driver: `python -m tests.test_secrecy` ---------------------------------------------------------------


def show() -> None:
    """Print what Ray and the system show of this process: Ray writes a worker's lines into its session's logs."""
    print("shown:", ray.get_runtime_context().get_runtime_env_string(), sys.argv, dict(os.environ), flush=True)


def fail_once(config: dict[str, Any]) -> None:
    """Print the config; the trial that is to fail does so, with its config in the error, until it is restored."""
    # A plain Tuner hands a readable key on to the function: what that prints is its own affair.
    readable = isinstance(config.get("wandb", {}).get("api_key"), str)
    shown = {**config, "wandb": "not printed"} if readable else config
    print("config:", shown, flush=True)
    failed = Path(config["mark"])
    if config["fails"] and not failed.exists():
        failed.touch()
        raise ValueError(f"on purpose, with {shown}")


def train(config: dict[str, Any]) -> None:
    show()
    tune.report({"loss": 1, "config": config})
    fail_once(config)
    tune.report({"loss": 0})


@wandb_mixin
def train_mixed(config: dict[str, Any]) -> None:
    wandb.log({"loss": 1})
    train(config)


class TrainMixed(WandbTrainableMixin, tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        show()

    def step(self) -> dict[str, Any]:
        self.wandb.log({"loss": 1})
        fail_once(self.config)
        return {"loss": 1, "done": self.iteration == 1}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "config").write_text(str(self.config))

    def load_checkpoint(self, checkpoint: Any) -> None:
        pass


def train_setup(config: dict[str, Any]) -> None:
    with setup_wandb(config) as run:
        run.log({"loss": 1})
        train(config)


class Watch(tune.Callback):
    """Writes down what the system shows of every process that the driver has led to, while trials are running."""

    def on_trial_result(self, *args: Any, **info: Any) -> None:
        folder = os.environ[FOLDER]
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                environment = (process / "environ").read_bytes()
                if f"{FOLDER}={folder}".encode() in environment:
                    shown = (process / "cmdline").read_bytes() + b"\n" + environment
                    Path(folder, "processes", f"{process.name}-{zlib.crc32(shown)}").write_bytes(shown)


def ways() -> dict[str, tuple[Any, dict[str, Any], list[tune.Callback]]]:
    """Way → the trainable, the entry, and who records."""

    def raw(way: str, **words: Any) -> dict[str, Any]:
        return {"project": way, "log_config": True, "settings": FAST_UPLOADS, **words}

    def built(way: str) -> dict[str, Any]:
        return dict(WandbSettings(project=way, settings=FAST_UPLOADS, api_key=KEYS[way]).to_config())

    inner = wandb.Settings(**FAST_UPLOADS, api_key=KEYS["logger"])  # type: ignore[arg-type]  # a dict of int
    return {
        "raw": (train, raw("raw", api_key=KEYS["raw"]), [WandbLogger()]),
        "raw_mixin": (train_mixed, raw("raw_mixin", api_key=KEYS["raw_mixin"]), []),
        "raw_file": (train, raw("raw_file", api_key_file="../../key.txt"), [WandbLogger()]),
        "builder": (train, built("builder"), [WandbLogger()]),
        "logger": (train, {}, [WandbLogger(project="logger", settings=inner)]),
        "legacy_run": (train, raw("legacy_run", api_key=KEYS["legacy_run"]), [WandbLogger()]),
        "class_mixin": (TrainMixed, built("class_mixin"), []),
        "setup_wandb": (train_setup, built("setup_wandb"), []),
    }


def drive() -> None:
    """Run an experiment in each way, restore it, and run it with mistakes."""
    folder = Path(os.environ[FOLDER])
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        _temp_dir=str(folder / "ray"),
    )
    show()
    for way in WAYS:
        fit(way, way, *ways()[way])
        trainable, entry, callbacks = ways()[way]
        try:
            fit(way, f"{way}_with_mistakes", trainable, {**entry, **MISTAKES}, callbacks)
        except Exception:
            traceback.print_exc()
    write_down_key_values(folder / "key-values")
    ray.shutdown()


def fit(way: str, name: str, trainable: Any, entry: dict[str, Any], callbacks: list[tune.Callback]) -> None:
    """An experiment with a trial that fails, and its restoration, with which the trial finishes."""
    folder = Path(os.environ[FOLDER])
    fails = tune.grid_search([False, True] if way in ALSO_WITHOUT_FAILURE else [True])
    space = {"fails": fails, "mark": str(folder / f"{name}-failed"), "wandb": entry}
    words: dict[str, Any] = {"callbacks": [*callbacks, Watch()], "storage_path": str(folder / "experiments")}
    if way == "legacy_run":
        with suppress(tune.TuneError):  # one has failed
            legacy.run(train, config=space, name=name, log_to_file=True, **words)
        legacy.run(train, config=space, name=name, log_to_file=True, resume="AUTO+ERRORED", **words)
        return
    run_config = tune.RunConfig(name=name, log_to_file=True, **words)
    tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
    if way == name:
        tune.Tuner.restore(str(folder / "experiments" / name), trainable, resume_errored=True).fit()


def write_down_key_values(folder: Path) -> None:
    """Write down the cluster's key-value store, less the one namespace that may hold keys: all pickled trainables."""
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list

    for namespace in (None, b"fun", b"session", b"cluster", b"job"):
        for number, name in enumerate(_internal_kv_list(b"", namespace=namespace)):
            value = _internal_kv_get(name, namespace=namespace) or b""  # it may have gone meanwhile
            (folder / f"{(namespace or b'default').decode()}-{number}").write_bytes(name + b"\n" + value)


# --- the proof -----------------------------------------------------------------------------------------------------


@frozen
class Evidence:
    """What the driver has left.

    Attributes:
        folder: Below it is all that was written or shown.
        hits: Path → the ways whose keys that file holds.
        server: What it was sent.
        headers: The headers of every request, less ``Authorization``.
    """

    folder: Path
    hits: dict[str, set[str]]
    server: WandbServer
    headers: list[str]

    @property
    def console(self) -> str:
        return "".join((self.folder / "console" / name).read_text(errors="replace") for name in ("out", "err"))


@pytest.fixture(scope="module")
def evidence() -> Iterator[Evidence]:
    """The driver's evidence; its folder's path is short, for the sockets of Ray."""
    with tempfile.TemporaryDirectory(prefix="k-", ignore_cleanup_errors=True) as outer:
        yield evidence_in(Path(outer))


def evidence_in(outer: Path) -> Evidence:
    """Run the driver, with nothing of this machine's W&B around it and its key file beside what is searched."""
    headers: list[str] = []

    class Noting(server_module._Handler):
        def parse_request(self) -> bool:
            understood = super().parse_request()
            headers.extend(f"{name}: {value}" for name, value in self.headers.items() if name != "Authorization")
            return understood

    folder = outer / "s"
    for name in ("cwd", "home", "tmp", "console", "processes", "key-values"):
        (folder / name).mkdir(parents=True)
    (outer / "key.txt").write_text(KEYS["raw_file"])
    (outer / "key.txt").chmod(0o600)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "NETRC"))}
    with (
        pytest.MonkeyPatch.context() as patch,
        (folder / "console" / "out").open("wb") as out,
        (folder / "console" / "err").open("wb") as err,
    ):
        patch.setattr(server_module, "_Handler", Noting)
        with WandbServer() as server:
            own = {
                "WANDB_BASE_URL": server.url,
                "WANDB_ERROR_REPORTING": "false",
                FOLDER: str(folder),
                "HOME": str(folder / "home"),
                "TMPDIR": str(folder / "tmp"),
                "PYTHONPATH": str(Path(__file__).parent.parent),
                "RAY_AIR_NEW_OUTPUT": "1",
            }
            done = subprocess.run(
                [sys.executable, "-m", "tests.test_secrecy"],
                cwd=folder / "cwd",
                env={**inherited, **own},
                stdout=out,
                stderr=err,
                timeout=_DRIVER_TIMEOUT,
            )
    assert 0 == done.returncode, (folder / "console" / "err").read_text(errors="replace")[-5000:]
    return Evidence(folder, search_folder(folder, KEYS), server, headers)


# Where Tune has written down a raw dict before anybody could hide the key in it: its searcher's state, for good, and
# the state of an experiment that goes no further.
TOO_EARLY = {
    ("raw", "basic-variant-state"),
    ("raw_mixin", "basic-variant-state"),
    ("raw_with_mistakes", "basic-variant-state"),
    ("raw_with_mistakes", "experiment_state"),
}


def test_no_byte_of_a_key_is_written_or_shown(evidence: Evidence) -> None:
    """Not in the experiments, W&B's files, Ray's session with its logs, the consoles, processes and pickled trainables.

    The exception is a raw dict with an inline key outside of legacy.run, in the files that its warning names.
    """
    found = set()
    for path in evidence.hits:
        experiment = re.search(r"(?:experiments|artifacts/[^/]+)/([^/]+)/", path)
        found.add((experiment[1] if experiment else path, re.sub(r"-\d.*", "", Path(path).name)))
    assert set() == found - TOO_EARLY
    assert ("raw", "basic-variant-state") in found


def test_every_way_was_searched(evidence: Evidence) -> None:
    """There are files, logs, consoles, command lines and environments, of the driver, its trials and W&B."""
    folder = evidence.folder
    for way in WAYS:
        assert list((folder / "experiments" / way).rglob("error.txt")), way
        assert list((folder / "experiments" / way).rglob("progress.csv")), way
    assert list((folder / "ray").glob("session_*/logs/worker-*.out"))
    assert list(folder.rglob("wandb/run-*/run-*.wandb"))
    assert list((folder / "key-values").glob("default-*"))
    processes = b"".join(path.read_bytes() for path in (folder / "processes").iterdir())
    for name in (
        b"tests.test_secrecy",
        b"ray::",
        b"raylet",
        b"gcs_server",
        b"typed_tune_wandb.recording.worker",
        b"wandb-core",
    ):
        assert name in processes
    assert evidence.console.count("shown:") > len(WAYS)
    assert evidence.console.count("Secret(hidden)") > len(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_the_key_reaches_the_process_that_records(way: str, evidence: Evidence) -> None:
    """Each way's runs, failed and restored or never failed, came to the server with its key and with no other."""
    runs = [run for run in evidence.server.all_runs if run.project == way]
    expected = [[0], [1, 0]] if way in ALSO_WITHOUT_FAILURE else [[1, 0]]
    assert expected == sorted(run.exit_codes for run in runs)
    for run in runs:
        assert {KEYS[way]} == {request.key for request in evidence.server.requests if request.run == run.id} - {None}


def test_the_server_gets_the_key_as_authorization_alone(evidence: Evidence) -> None:
    """Not in other headers, not in addresses, not in what it stores: config, rows, output, files."""
    server = evidence.server
    sent = [repr((request.path, request.variables)) for request in server.requests]
    kept = [repr(vars(run)) + run.config_json for run in server.all_runs]
    lines = [text for run in server.all_runs for text in (*run.history_lines.texts, *run.output)]
    files = [content for run in server.all_runs for content in run.files.values()]
    assert len(evidence.headers) > len(server.requests) > len(WAYS)
    assert any("config:" in text for text in lines)
    assert files
    assert set() == search("\n".join([*evidence.headers, *sent, *kept, *lines]).encode() + b"\n".join(files), KEYS)


def test_mistakes_are_reported_without_the_key(evidence: Evidence) -> None:
    """In each way the error names them all; the traceback is on the console, which was searched."""
    told = evidence.console.count('2 mistakes in config["wandb"]:')
    assert told >= len(WAYS)


def test_a_readable_key_is_warned_of(evidence: Evidence) -> None:
    """Once for an experiment, also where it has mistakes: where Tune has written it, and what to do."""
    warnings = [line for line in evidence.console.splitlines() if "readable" in line and "raw dict" in line]
    assert 3 == len(warnings)
    for line in warnings:
        for word in ("basic-variant-state", "api_key_file", "WandbSettings(api_key=...).to_config()"):
            assert word in line


# --- the search itself ----------------------------------------------------------------------------------------------

KEY = KEYS["raw"]
TEXT = f'{{"api_key": "{KEY}"}}'.encode()
ENCODED: dict[str, bytes] = {
    "plain": TEXT,
    "upper case": TEXT.upper(),
    "the end of it alone": f"input_value={{'api_key'...{KEY[-20:]}'}}".encode(),
    "UTF-16, little endian": KEY.encode("utf-16-le"),
    "UTF-16, big endian": KEY.encode("utf-16-be"),
    "hexadecimal": TEXT.hex().encode(),
    "the bytes that it is the hexadecimal form of": bytes.fromhex(KEY),
    **{f"base64, {n} bytes before it": base64.b64encode(b"x" * n + KEY.encode() + b"tail") for n in range(4)},
    "base64 for URLs": base64.urlsafe_b64encode(b"\xff\xfe" + TEXT),
    "base64 in lines": base64.encodebytes(b"x" * 50 + TEXT),
    "base64 of UTF-16": base64.b64encode(KEY.encode("utf-16")),
    "gzip": gzip.compress(TEXT),
    "gzip behind other bytes, cut off": b"before" + gzip.compress(TEXT + os.urandom(999))[:500],
    "zlib": zlib.compress(TEXT),
    "base64 of zlib": base64.b64encode(zlib.compress(TEXT)),
    **{f"pickle, protocol {n}": pickle.dumps([{"api_key": KEY}], n) for n in range(6)},
    **{f"gzip in a pickle, protocol {n}": pickle.dumps({"a": gzip.compress(TEXT)}, n) for n in range(2, 6)},
    **{f"pickle in one, protocol {n}": pickle.dumps([pickle.dumps(zlib.compress(TEXT), n)], n) for n in range(2, 6)},
    "hexadecimal of a pickle, in JSON": json.dumps({"value": pickle.dumps([zlib.compress(TEXT)]).hex()}).encode(),
}


def zipped(data: bytes, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        file.writestr("first", b"no key")
        file.writestr("second", data)
    return buffer.getvalue()


ENCODED["zip"] = zipped(TEXT, zipfile.ZIP_DEFLATED)
ENCODED["zip, stored"] = zipped(TEXT, zipfile.ZIP_STORED)
ENCODED["zip in gzip in a zip"] = zipped(gzip.compress(zipped(TEXT, zipfile.ZIP_DEFLATED)), zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("encoding", ENCODED)
def test_the_search_finds_a_planted_key(encoding: str) -> None:
    """In each encoding, alone and amid other bytes."""
    data = ENCODED[encoding]
    assert {"raw"} == search(data, KEYS)
    assert {"raw"} == search(b"some text, then " + data + b" and some more", KEYS)


@pytest.mark.parametrize("protocol", [0, 1])
def test_the_search_finds_a_key_in_a_file_of_an_old_protocol(protocol: int) -> None:
    """Those pickles have no mark by which one is known amid other bytes: as a file they are read."""
    inner = pickle.dumps(gzip.compress(TEXT), protocol)
    assert {"raw"} == search(pickle.dumps({"a": [inner]}, protocol), KEYS)


def test_the_search_finds_a_key_planted_among_the_evidence(evidence: Evidence, tmp_path: Path) -> None:
    """In a file, in a file's name, in where a link points to; and nothing where there is none."""
    copied = tmp_path / "evidence"
    shutil.copytree(evidence.folder / "experiments" / "builder", copied, symlinks=True)
    assert {} == search_folder(copied, KEYS)
    log = next(copied.rglob("result.json"))
    log.write_bytes(log.read_bytes() + ENCODED["base64 of zlib"])
    (copied / f"tag={KEYS['builder']}").mkdir()
    (copied / "link").symlink_to(f"/nowhere/{KEYS['logger']}")
    assert [{"builder"}, {"logger"}, {"raw"}] == sorted(search_folder(copied, KEYS).values(), key=sorted)


# --- other secrets in a config ---------------------------------------------------------------------------------------


def test_secrets_deep_in_a_config_are_masked_by_default() -> None:
    """At any depth, whatever holds them; a Secret is never shown, with the switch neither."""
    config = {
        "lr": 0.1,
        "data": {"source": [{"login": {"DB_PASSWORD": KEY, "user": "u"}}, ({"hf_token": KEY},)]},
        "aws": {"secret_access_key": KEY, "region": "eu"},
        "env_config": {"openai.api-key": KEY, "client_secret": KEY.encode(), "credentials": [KEY, {"a": KEY}]},
        "hidden": Secret(KEY),
    }
    stored = json.dumps(sanitize_config(config))
    assert set() == search(stored.encode(), {"key": KEY})
    for kept in ("0.1", '"user": "u"', '"region": "eu"'):
        assert kept in stored
    unmasked = sanitize_config(config, mask_secrets=False)
    assert {"secret_access_key": KEY, "region": "eu"} == unmasked["aws"]
    assert KEY not in str(unmasked["hidden"])


def test_secrets_in_the_config_of_a_result_are_masked_too() -> None:
    """With log_config, every row holds the config; numbers and metrics of such names stay what they are."""
    result = {"tokens": "a metric", "config": {"max_tokens": 5, "db": {"password": KEY}, "api_keys": [KEY]}}
    masked = ResultConverter(log_config=True).convert(result).row
    mask = Redactor().mask(KEY)
    expected = {"tokens": "a metric", "config/max_tokens": 5, "config/db/password": mask, "config/api_keys": [mask]}
    assert expected == masked
    assert KEY == ResultConverter(log_config=True, mask_secrets=False).convert(result).row["config/db/password"]


# --- errors of wandb -------------------------------------------------------------------------------------------------


def test_what_wandb_refuses_is_reported_without_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """wandb.Settings shows all of its arguments, shortened, where two of them exclude each other."""
    recorder = Recorder()
    refused = {"fork_from": "a?_step=1", "resume": "must", "api_key": KEY}
    recorder.open("t", {"id": "t", "project": "p", "mode": "offline", "dir": str(tmp_path)}, refused)
    assert [] == recorder.close(60)
    assert "mutually exclusive" in str(recorder.runs["t"].problem)
    shown = repr(
        [
            *recorder.runs.values(),
            caplog.text,
            CheckLogin(KEY, None, 1),
            OpenRun("t", 1, {}, {name: pickle.dumps(value) for name, value in refused.items()}),
        ]
    )
    assert set() == search(shown.encode(), KEYS)


if __name__ == "__main__":
    drive()
