"""The pages of the documentation: their programs, and what programs and commands print.

A Python block is run. Where a comment ``<!-- type-check -->`` stands before it, mypy checks it instead, and finds an
error in each line with a comment ``# error`` and in no other. A ``text`` block right after a program is what it prints.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

ROOT: Final = Path(__file__).parents[2]
TUTORIAL: Final = ROOT / "docs" / "tutorial.md"
SERVER: Final = "https://wandb.example.com"
FOLDER: Final = "/home/me/valley"
_BLOCK: Final = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<mark>[\w-]+) -->\n *)?```python\n(?P<text>.*?)^(?P=indent)```$"
    r"(?:\n\n```text\n(?P<printed>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_FILE_OR_COMMANDS: Final = re.compile(
    r"(?:^`(?P<name>\S+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_COMMAND: Final = re.compile(r"^\$ (?P<line>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_OF_THE_PROGRAM: Final = ("W&B:", "The best")


@frozen
class Block:
    """A Python block of a page.

    Attributes:
        name: The page, a colon, and the line.
        text: The program.
        checked: Whether it is type-checked, and not run.
        printed: What the page says that it prints.
    """

    name: str
    text: str
    checked: bool
    printed: str = ""


def has_commands(page: Path) -> bool:
    """Return whether a page shows what a command prints."""
    blocks = _FILE_OR_COMMANDS.finditer(page.read_text(encoding="utf-8"))
    return any(block["language"] == "console" and "$ typed-tune-wandb" in block["text"] for block in blocks)


def pages() -> list[Path]:
    """Return all pages of the documentation, the README first."""
    others = ["SECURITY.md", "CONTRIBUTING.md", "stubs/README.md", "benchmarks/README.md"]
    return [ROOT / "README.md", *(ROOT / name for name in others), *sorted((ROOT / "docs").rglob("*.md"))]


def python_blocks(page: Path) -> list[Block]:
    """Return the Python blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        name = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('text')) + 1}"
        assert match["mark"] in (None, "type-check"), f"{name}: {match['mark']} says nothing of a block"
        found.append(Block(name, textwrap.dedent(match["text"]), match["mark"] is not None, match["printed"] or ""))
    return found


def run_blocks(blocks: list[Block], folder: Path) -> dict[str, dict[str, str]]:
    """Run programs one after the other in one process with one Ray, each in a folder of its own.

    Returns:
        The name of each → what it prints, and its error or ``""``.
    """
    environment = {**os.environ, "HOME": str(folder), "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.pages"],
        input=json.dumps([asdict(block) for block in blocks]),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    outcomes: dict[str, dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return outcomes


def _run_all(blocks: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Run programs in this process; see :func:`run_blocks`."""
    import contextlib
    import io
    import traceback

    import ray

    ray.init(address="local", num_cpus=4, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    outcomes, home = {}, Path.cwd()
    for number, block in enumerate(blocks):
        (folder := home / f"block{number}").mkdir()
        os.chdir(folder)
        printed, error = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(block["text"], block["name"], "exec", dont_inherit=True), {"__name__": "__main__"})
            except BaseException:
                error = traceback.format_exc()
        outcomes[block["name"]] = {"printed": printed.getvalue(), "error": error}
    return outcomes


def rendered(page: str, environment: Mapping[str, str]) -> str:
    """Return a page with what its programs and commands print now, in the current folder.

    Args:
        page: The page as it is: files with their names, and commands with their output.
        environment: Variables that send wandb to a server.
    """
    names = Names(environment["WANDB_BASE_URL"])

    def run(match: re.Match[str]) -> str:
        return f"$ {match['line']}\n{names.replaced(_run_command(match['line'], environment))}"

    def block(match: re.Match[str]) -> str:
        if match["name"]:
            Path(match["name"]).write_text(match["text"], encoding="utf-8")
        return _COMMAND.sub(run, match[0]) if match["language"] == "console" else match[0]

    return _FILE_OR_COMMANDS.sub(block, page)


def _run_command(line: str, environment: Mapping[str, str]) -> str:
    """Run ``python FILE`` or ``typed-tune-wandb ...``; return what it prints, without what Tune prints."""
    program, *arguments = shlex.split(line)
    assert program in ("python", "typed-tune-wandb"), line
    module = [] if program == "python" else ["-m", "typed_tune_wandb"]
    home = {"HOME": str(Path.cwd()), "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, *module, *arguments],
        env={**os.environ, **environment, **home},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if program != "python":
        return done.stdout + done.stderr
    if done.returncode:
        _, marker, error = done.stderr.rpartition("typed_tune_wandb.errors.")
        assert marker, done.stderr
        return marker + error
    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    return "".join(f"{line}\n" for line in lines if line.startswith(_OF_THE_PROGRAM))


class Names:
    """Puts examples in the place of what differs from one call to the next: ids, times, the server, the folder.

    Args:
        url: The server's address.
    """

    _EXAMPLES: Final = ("4f2a1", "b07c3", "90de5", "7c11f")

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: dict[str, str] = {}

    def replaced(self, output: str) -> str:
        """Return the output with examples."""
        output = output.replace(self._url, SERVER).replace(str(Path.cwd()), FOLDER)
        output = re.sub(r"\b([0-9a-f]{5})(?=_\d{5}\b)", self._example, output)
        output = re.sub(r"(?<=_\d{5})-[0-9a-f]{8}\b", "-7add5353", output)
        output = re.sub(r"offline-run-\d{8}_\d{6}", "offline-run-20261201_101500", output)
        return re.sub(r"\d+\.\d MB", "4.8 MB", output)

    def _example(self, match: re.Match[str]) -> str:
        return self._seen.setdefault(match[1], self._EXAMPLES[len(self._seen)] if match[1] not in self._seen else "")


if __name__ == "__main__":
    _outcomes = _run_all(json.load(sys.stdin))
    print(f"\n{json.dumps(_outcomes)}", flush=True)
    os._exit(0)  # nothing that is left of Ray or wandb changes what was seen
