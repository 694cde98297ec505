"""Runs mypy and pyright as a user does, and reads the errors that a program expects of them.

A program says it on the line: ``# error: mypy[typeddict-item] pyright[reportAssignmentType]``. A code that stands twice
is expected twice.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).parents[2]
_MYPY_LINE: Final = re.compile(r"(?P<file>.*?):(?P<line>\d+): error: (?P<message>.*)  \[(?P<code>[\w-]+)\]")
_EXPECTED: Final = re.compile(r"(mypy|pyright)\[([\w, -]+)\]")


@frozen(order=True)
class Finding:
    """An error of a type checker: the line and the code; the message counts where it is asked for."""

    file: str
    line: int
    code: str
    message: str = ""

    def without_message(self) -> Finding:
        return Finding(self.file, self.line, self.code)


def expected(tool: str, files: Iterable[Path]) -> list[Finding]:
    """What the comments in some programs expect of a type checker."""
    return sorted(
        Finding(file.name, number, code)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if "# error:" in line
        for name, codes in _EXPECTED.findall(line.partition("# error:")[2])
        if name == tool
        for code in codes.split(", ")
    )


def mypy(files: Iterable[Path], cache: Path, *, stubs: bool = True, plugin: bool = True) -> list[Finding]:
    """The errors of ``mypy --strict``, with this project's stubs and plugin or without."""
    cache = cache / os.environ.get("PYTEST_XDIST_WORKER", "")  # two mypys at once lock each other out of a cache
    cache.mkdir(parents=True, exist_ok=True)
    # Of its own for each state of the plugin: mypy forgets what another one said only of the files of its next run.
    sources = [
        ROOT / "typed_tune_wandb" / "mypy_plugin.py",
        *sorted((ROOT / "typed_tune_wandb" / "_mypy").glob("*.py")),
    ]
    state = zlib.crc32(b"".join(source.read_bytes() for source in sources))
    lines = [
        "[mypy]",
        "strict = true",
        f"mypy_path = {ROOT}" + (f":{ROOT / 'stubs'}" if stubs else ""),
        "explicit_package_bases = true",
        "untyped_calls_exclude = ray, wandb",
        *(["plugins = typed_tune_wandb.mypy_plugin"] if plugin else []),
    ]
    (cache / "mypy.ini").write_text("\n".join(lines), encoding="utf-8")
    options = ["--config-file", "mypy.ini", "--cache-dir", f"{state:x}", "--no-error-summary", "--hide-error-context"]
    output = run(["mypy", *options, "--no-pretty", "--show-traceback", *map(str, files)], cache)
    found = [_MYPY_LINE.fullmatch(line) for line in output.splitlines() if ": note: " not in line]
    assert None not in found, output
    return sorted(Finding(Path(m["file"]).name, int(m["line"]), m["code"], m["message"]) for m in found if m)


def pyright(files: Iterable[Path]) -> list[Finding]:
    """The errors of pyright, by this project's configuration (standard)."""
    output = run(["pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)], ROOT)
    return sorted(
        Finding(Path(d["file"]).name, d["range"]["start"]["line"] + 1, d.get("rule", "syntax"), d["message"])
        for d in json.loads(output)["generalDiagnostics"]
        if d["severity"] == "error"
    )


def run(arguments: list[str], folder: Path) -> str:
    """What a type checker prints, run in a folder."""
    command = [sys.executable, "-m", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=280)
    # 1: there are errors. Anything else is a failure of the tool.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout
