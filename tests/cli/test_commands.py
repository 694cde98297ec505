"""The commands as a user calls them: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.command_line import ROOT, call, call_for_json
from tests.support.experiments import write_runs
from typed_tune_wandb import RunInfo, __version__
from typed_tune_wandb.cli._main import COMMANDS
from typed_tune_wandb.experiment._best import BestTrial
from typed_tune_wandb.experiment._index import INDEX_FILE, Index, to_json
from typed_tune_wandb.recording.sweep import SweepInfo
from typed_tune_wandb.settings import entry_schema

WRONG = """\
digits:
  run: train
  config:
    lr: {grid_search: [0.1, 0.01]}
    wandb:
      projct: digits
      mode: {grid_search: [offline, ofline]}
      tags:
        - a
        - 1
"""
EXPECTED = [
    'train.yaml:6:7: projct: unknown key. Did you mean "project"?',
    'train.yaml:7:7: mode: expected "online" or "offline" or "disabled" or "shared", got another str. '
    'Did you mean "offline"?',
    "train.yaml:10:11: tags[1]: expected a str, got int.",
]


@pytest.fixture
def wrong() -> Path:
    """An experiment file with three mistakes, in the current folder."""
    Path("train.yaml").write_text(WRONG)
    return Path("train.yaml")


def test_help_loads_neither_ray_nor_wandb() -> None:
    """Of the group, which names every command, and of each command; each shows examples and exit codes."""
    program = (
        "import sys\nfrom typed_tune_wandb.cli import main\n"
        "for arguments in [['--help'], *([command, '--help'] for command in sys.argv[1:])]:\n"
        "    main(arguments, standalone_mode=False)\n"
        "print(sorted({'ray', 'wandb', 'numpy', 'pydantic'} & {*sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *COMMANDS], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    helps, modules = done.stdout.rstrip().rsplit("\n", 1)
    assert "[]" == modules.strip()
    assert all(f"  {command} " in helps for command in COMMANDS)
    assert 1 + len(COMMANDS) == helps.count("Exit codes: 0") == helps.count("Examples:\n    typed-tune-wandb")


def test_version_and_wrong_calls(wrong: Path) -> None:
    """A wrong call is 2, and says how to call it."""
    assert f"typed-tune-wandb, version {__version__}" == call("--version").stdout.strip()
    Path("notes.txt").write_text("wandb: {}")
    calls = [["bogus"], ["check"], ["check", "nothing.yaml"], ["check", "notes.txt"], ["check", ".", "--format", "x"]]
    for arguments in calls:
        done = call(*arguments)
        assert (2, "") == (done.returncode, done.stdout)
        assert "Usage: typed-tune-wandb" in done.stderr


def test_check_prints_as_a_compiler(wrong: Path) -> None:
    """File, line, column, field and message; the count comes last; no colours in a file."""
    done = call("check", str(wrong))
    assert [*EXPECTED, "1 entry in 1 file: 3 problems"] == done.stdout.splitlines()
    assert (1, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(("variables", "shown"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_on_a_terminal(wrong: Path, variables: dict[str, str], shown: bool) -> None:
    """There alone, and not where the user wants none."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "typed_tune_wandb", "check", str(wrong)]
    process = subprocess.Popen(command, env=environment, stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    printed = b""
    with suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 4096):
            printed += part
    os.close(ours)
    assert 1 == process.wait(60)
    assert b"projct" in printed
    assert shown == (b"\x1b[1mtrain.yaml:6:7:" in printed) == (b"\x1b" in printed)


def test_check_of_right_files() -> None:
    """Several files and kinds of files: 0."""
    Path("a.yaml").write_text("wandb: {project: p}\n")
    Path("b.json").write_text('{"param_space": {"logger_config": {"wandb": {"project": "p"}}}}')
    Path("c.toml").write_text("[tune.config.wandb]\nproject = 'p'\n")
    done = call("check", "a.yaml", "b.json", "c.toml")
    assert (0, "3 entries in 3 files: 0 problems\n", "") == (done.returncode, done.stdout, done.stderr)


def test_check_for_programs(wrong: Path) -> None:
    """--json and --format json are one; --format github is what GitHub shows in a pull request."""
    found = call_for_json("check", str(wrong), code=1)
    assert found == json.loads(call("check", "--format", "json", str(wrong)).stdout)
    assert {"files": 1, "entries": 1} == {key: found[key] for key in ("files", "entries")}
    first = {"file": "train.yaml", "line": 6, "column": 7, "field": "projct", "message": "unknown key."}
    assert {**first, "suggestion": '"project"'} == found["problems"][0]
    github = call("check", "--format", "github", str(wrong))
    expected = '::error file=train.yaml,line=6,col=7,title=W&B entry::projct: unknown key. Did you mean "project"?'
    assert (1, expected) == (github.returncode, github.stdout.splitlines()[0])
    assert 3 == len(github.stdout.splitlines())


def test_check_at_a_place() -> None:
    """An entry that Tune would not find."""
    Path("conf.yaml").write_text("trainers:\n  - tracking:\n      mode: x\n")
    assert 1 == call("check", "conf.yaml").returncode
    done = call("check", "conf.yaml", "--at", "trainers.0.tracking")
    assert done.stdout.startswith("conf.yaml:3:7: mode: expected")
    missing = call("check", "conf.yaml", "--at", "trainers.1.tracking")
    assert "conf.yaml:1:1: there is no W&B entry at trainers.1.tracking." == missing.stdout.splitlines()[0]


def test_a_value_is_never_shown() -> None:
    """A key in the wrong place is named by its field alone, also in a broken file."""
    key = "0123456789abcdef0123456789abcdef01234567"
    Path("key.yaml").write_text(f"wandb:\n  mode: {key}\n  {key}: 1\n  api_key: [{key}]\n")
    Path("broken.yaml").write_text(f"wandb:\n  api_key: {key}\n project: {key}: {key}\n")
    Path("broken.json").write_text(f'{{"wandb": {{"api_key": "{key}" {key}')
    Path("broken.toml").write_text(f"[wandb]\napi_key = {key}\n")
    for arguments in (["check"], ["check", "--json"], ["check", "--format", "github"]):
        done = call(*arguments, "key.yaml", "broken.yaml", "broken.json", "broken.toml")
        assert 1 == done.returncode
        assert key not in done.stdout + done.stderr


def test_schema() -> None:
    """What is printed is the schema, and finds the mistakes of a file."""
    printed = call("schema").stdout
    assert entry_schema() == json.loads(printed) == call_for_json("schema")
    entry = yaml.safe_load(WRONG)["digits"]["config"]["wandb"]
    found = {error.path[0] for error in Draft202012Validator(json.loads(printed)).iter_errors(entry) if error.path}
    assert {"mode", "tags", "projct"} == found


def test_runs_shows_the_search(tmp_path: Path) -> None:
    """Its best trial, its sweep and its overview run, if it has them."""
    run = RunInfo(
        "a", "a-1", "first", "finished", rows=3, path=str(tmp_path / "wandb" / "offline-run-a" / "run-a.wandb")
    )
    overview = RunInfo("overview", "o-1", "digits", "finished", url="https://wandb.ai/me/p/runs/o-1")
    sweep = SweepInfo({"method": "grid"}, "p")
    best = BestTrial("a", "accuracy", "max", 0.96875)
    (tmp_path / INDEX_FILE).write_text(to_json(Index("digits", {"a": run}, {}, sweep, best, overview), tmp_path))
    *_, counts, first, second, third = call("runs", str(tmp_path)).stdout.splitlines()
    assert "1 run: 1 finished; 3 rows" == counts
    assert "best trial: first, accuracy 0.96875 (max)" == first
    assert "sweep: typed-tune-wandb sync creates it" == second
    assert "overview: https://wandb.ai/me/p/runs/o-1" == third
    shown = call_for_json("runs", str(tmp_path))
    assert {"trial_id": "a", "metric": "accuracy", "mode": "max", "value": 0.96875} == shown["best_trial"]
    assert {"id": None, "url": None, "finished": False, "problem": None} == shown["sweep"]
    assert "o-1" == shown["overview"]["id"]
    write_runs(tmp_path, [run])
    assert counts == call("runs", str(tmp_path)).stdout.splitlines()[-1]
    assert [None, None] == [call_for_json("runs", str(tmp_path))[name] for name in ("best_trial", "overview")]
