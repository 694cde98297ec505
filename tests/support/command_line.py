"""The command line, run as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m typed_tune_wandb`` with arguments, and with more environment variables."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run(
        [sys.executable, "-m", "typed_tune_wandb", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def call_for_json(*arguments: str, code: int = 0, **variables: str) -> Any:
    """Run a command with ``--json``, and return what it prints."""
    done = call(*arguments, "--json", **variables)
    assert code == done.returncode, done.stdout + done.stderr
    return json.loads(done.stdout)
