"""The README and docs/cli.md show what the commands print: each is run, in a folder with the files of the page.

``python -m tests.cli.test_docs`` writes the output anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from tests.support.command_line import ROOT, call
from tests.wandb_server.fixture import API_KEY
from tests.wandb_server.server import WandbServer
from typed_tune_wandb import ExperimentRuns, RunInfo
from typed_tune_wandb.cli._main import COMMANDS
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.settings import SCHEMA_DIFFERENCES

PAGES: Final = ("README.md", "docs/cli.md")
# "`train.yaml`:", an empty line, and a block with the file's text; or a block of commands and their output.
BLOCK: Final = re.compile(
    r"(?:^`(?P<name>\S+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMAND: Final = re.compile(
    r"^\$ (?P<line>(?:\w+=\S+ )*typed-tune-wandb .*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE
)
SERVER: Final = "https://wandb.example.com"
FOLDER: Final = "/home/me/digits"


def write_example(folder: Path) -> None:
    """Write what an offline search of three trials leaves in Tune's folder; one of them failed."""
    runs = {}
    for number, (lr, losses) in enumerate({0.1: [0.9, 0.5, 0.3], 0.01: [0.9, 0.8, 0.6], 1.0: [0.9, 2.0]}.items()):
        trial_id = f"4f2a1_0000{number}"
        path = f"{FOLDER}/wandb/offline-run-20261125_101500-{trial_id}-7add5353/run-{trial_id}-7add5353.wandb"
        run = RunInfo(trial_id, f"{trial_id}-7add5353", f"train_{trial_id}", "finished", len(losses), path=path)
        runs[trial_id] = evolve(run, state="failed") if lr == 1.0 else run
        results = [{"loss": loss, "trial_id": trial_id, "config": {"lr": lr}} for loss in losses]
        (folder / f"train_{trial_id}").mkdir(parents=True, exist_ok=True)
        (folder / f"train_{trial_id}" / "result.json").write_text("\n".join(map(json.dumps, results)))
    ExperimentRuns(runs, "digits", Folder.at(folder)).save()


def rendered(page: str, url: str) -> str:
    """Return a page with the output that its commands have now, in the current folder."""
    write_example(Path("digits"))

    def run(match: re.Match[str]) -> str:
        words = shlex.split(match["line"])
        variables = dict(word.split("=", 1) for word in words[: words.index("typed-tune-wandb")])
        done = call(*words[words.index("typed-tune-wandb") + 1 :], **variables)
        output = (done.stdout + done.stderr).replace(url, SERVER)
        output = output.replace(str(Path.cwd()), FOLDER)
        return f"$ {match['line']}\n{_aligned(output)}"

    def block(match: re.Match[str]) -> str:
        if match["name"]:
            Path(match["name"]).write_text(match["text"], encoding="utf-8")
        return COMMAND.sub(run, match[0]) if match["language"] == "console" else match[0]

    return BLOCK.sub(block, page)


def _aligned(output: str) -> str:
    """Align a table again, whose widths have changed with the names of servers and folders."""
    paragraphs = [[re.split(r"(?<=\S) {2,}", line) for line in part.split("\n")] for part in output.split("\n\n")]
    for lines in paragraphs:
        columns = max(map(len, lines))
        widths = [max(len(line[i]) for line in lines if len(line) > i + 1) for i in range(columns - 1)]
        for line in lines:
            line[:-1] = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
    return "\n\n".join("\n".join("  ".join(line) for line in lines) for lines in paragraphs)


def comparable(page: str) -> str:
    """Return a page without what depends on the machine: versions, free disk, plotly.js in a report."""
    page = re.sub(r"^(Python|ray|wandb) +\d.*$", r"\1", page, flags=re.MULTILINE)
    return re.sub(r"\d+\.\d (GiB|MB$)", r"\1", page, flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_show_what_is_printed(page: str, wandb_server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word."""
    for name in ("WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(name)
    text = (ROOT / page).read_text(encoding="utf-8")
    assert COMMAND.search(text)
    assert comparable(text) == comparable(rendered(text, wandb_server.url))


def test_the_page_has_every_command() -> None:
    """Each has a section."""
    sections = re.findall(r"^## `(\w+)", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {*COMMANDS} <= {*sections}


def test_the_page_lists_the_differences_of_the_schema() -> None:
    """All of them, in the same words."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [] == [difference for difference in SCHEMA_DIFFERENCES if f"- {difference}\n" not in text]


if __name__ == "__main__":
    for _name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[_name]
    with WandbServer() as _server, tempfile.TemporaryDirectory() as _folder:
        os.environ.update(WANDB_BASE_URL=_server.url, WANDB_API_KEY=API_KEY, WANDB_ERROR_REPORTING="false")
        os.chdir(_folder)
        for _page in PAGES:
            _path = ROOT / _page
            _path.write_text(rendered(_path.read_text(encoding="utf-8"), _server.url), encoding="utf-8")
