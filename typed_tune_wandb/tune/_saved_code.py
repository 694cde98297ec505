"""``save_code``: which program wandb saves, from a process that runs another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbSettings, explicit_option, nested_setting

_NO_PROGRAM: Final = (
    "there is no script to save (this is a notebook, python -c, or a process of Ray's): name a file or a folder, with "
    'settings={"program": ...} or {"code_dir": ...}.'
)
# wandb-core copies the program only where it may look at the machine, too; what it finds there is not recorded without
# the run's metadata. Seen in wandb 0.31.
RECORDER_CODE_SETTINGS: Final[Mapping[str, object]] = {"x_disable_machine_info": False}


def code_settings(settings: WandbSettings) -> dict[str, str]:
    """Return the fields of ``wandb.Settings`` that name the user's program, where its code is to be saved.

    The first of these counts: ``program`` in the settings, ``WANDB_PROGRAM``, the script that this process runs.

    Args:
        settings: A run's settings.

    Raises:
        WandbSettingsError: The settings want code to be saved, and what they name is not there, or nothing is named.
    """
    wanted = explicit_option(settings, "save_code")
    # As wandb reads the variable.
    if wanted is False or (wanted is None and os.environ.get("WANDB_SAVE_CODE", "").lower() not in ("true", "1")):
        return {}
    named = nested_setting(settings, "program") or os.environ.get("WANDB_PROGRAM")
    program = Path(named).absolute() if named else _main_script()
    folder = nested_setting(settings, "code_dir") or os.environ.get("WANDB_CODE_DIR")
    found: dict[str, str] = {}
    problems: list[Problem] = []
    if folder is not None:
        found["code_dir"] = str(Path(folder).absolute())
        if not Path(folder).is_dir():
            problems.append(Problem("settings.code_dir", f"{folder} is no folder."))
    if program is not None and program.is_file():
        inside = program.is_relative_to(Path.cwd())
        relative = program.relative_to(Path.cwd()) if inside else Path(program.name)
        found |= {"program": str(program), "program_abspath": str(program), "program_relpath": relative.as_posix()}
    elif program is not None:
        problems.append(Problem("settings.program", f"{program} is no file."))
    elif folder is None:
        problems.append(Problem("save_code", _NO_PROGRAM))
    if problems and wanted:
        raise WandbSettingsError(problems)
    return found


def _main_script() -> Path | None:
    """Return the script of the user's that this process runs, or None: a worker of Ray runs one of Ray's own."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    script = Path(file).absolute() if isinstance(file, str) else None
    ray = getattr(sys.modules.get("ray"), "__file__", None)
    is_of_ray = script is not None and ray is not None and script.is_relative_to(Path(ray).parent)
    return None if is_of_ray else script
