"""The variables by which ``wandb agent`` and W&B Launch give a process its one run.

In such a process wandb ignores the id, the project and the entity that ``wandb.init`` is given, and takes the run's
hyperparameters from a file. Where each trial has a run of its own, wandb does not get to see these variables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

SWEEP_VARIABLE: Final = "WANDB_SWEEP_ID"
LAUNCH_VARIABLE: Final = "WANDB_LAUNCH"
# Seen in wandb 0.31: what wandb/agents/pyagent.py, wandb/wandb_agent.py and wandb/sdk/launch set for one run.
RUN_FIELDS: Final[Mapping[str, object]] = {
    "run_id": None,
    "sweep_id": None,
    "sweep_param_path": None,
    "launch": False,
    "launch_config_path": None,
}
"""The fields of ``wandb.Settings`` that the variables stand for, and their defaults."""


def is_launched(environ: Mapping[str, str]) -> bool:
    """Return whether W&B has started this process, for a run of a project that it has chosen."""
    launch = environ.get(LAUNCH_VARIABLE, "").lower() in ("1", "true", "yes", "on", "t", "y")
    return launch or bool(environ.get(SWEEP_VARIABLE))


def without_run_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that are about one run."""
    hidden = {f"WANDB_{name.upper()}" for name in RUN_FIELDS}
    return {name: value for name, value in environ.items() if name not in hidden}


@contextmanager
def hidden_run_variables(session: object | None) -> Iterator[None]:
    """Hide the variables that are about one run, while a run of another is opened in this process.

    Args:
        session: wandb's settings in this process, if it has loaded them already; what the variables have put there is
            reset.
    """
    kept = without_run_variables(os.environ)
    hidden = {name: os.environ.pop(name) for name in [*os.environ] if name not in kept}
    if session is not None:
        for name, default in RUN_FIELDS.items():
            setattr(session, name, default)
    try:
        yield
    finally:
        os.environ.update(hidden)
