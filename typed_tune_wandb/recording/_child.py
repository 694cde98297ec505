"""The surroundings of the processes that the recorder starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from typed_tune_wandb._launch import without_run_variables
from typed_tune_wandb._wandb_internals import without_service


def child_environment() -> dict[str, str]:
    """Return the environment variables of a process that uses wandb on its own."""
    # The driver may have a wandb service of its own: these runs live in one of theirs. And it may have been started
    # for a run of its own.
    environment = without_service(without_run_variables(os.environ))
    # wandb-core is Go: on one core, a row costs it a third less, and training has the others.
    environment.setdefault("GOMAXPROCS", "1")
    # Not shown: what a user needs to know of artifacts and logins comes as an event.
    environment["WANDB_SILENT"] = "true"
    return environment


def import_paths() -> list[str]:
    """Return this process's ``sys.path`` as another process can use it."""
    paths = [path for path in sys.path if path]
    if "" in sys.path:
        paths.append(str(Path.cwd()))  # the current folder counts, but last
    return paths
