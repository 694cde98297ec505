"""Every Python block of the README runs, and prints what the README says it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """The README's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readmes_blocks_run(tmp_path: Path) -> None:
    """Each block by itself, in a folder of its own; the six mistakes are printed as shown."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    printed = ""
    assert 5 == len(blocks("python"))
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert 0 == done.returncode, done.stderr
        printed += done.stdout
    (shown,) = blocks("text")
    assert shown in printed
    assert 7 == len(shown.splitlines())


def test_the_two_commands_are_those_of_ci() -> None:
    """CI installs and tests as the README's second command does."""
    ci = (README.parent / ".ci" / "run").read_text()
    main_job, tests = blocks("bash")
    assert "examples/tune_digits.py" in main_job
    for step in tests.strip().split(" && ")[1:]:
        assert step in ci
