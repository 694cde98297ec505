"""What an import loads, and that every public name is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import typed_tune_wandb

ROOT = Path(__file__).parents[1]
HEAVY = {"ray", "wandb", "numpy", "pandas", "pydantic"}


def loaded_by(code: str) -> tuple[set[str], float]:
    """The top-level modules that a fresh Python has loaded after some code, and the seconds of CPU time it took."""
    program = (
        f"import sys, time; start = time.process_time()\n{code}\ntook = time.process_time() - start\n"
        "import json; print(json.dumps([sorted({name.partition('.')[0] for name in sys.modules}), took]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    modules, seconds = json.loads(done.stdout)
    return set(modules), seconds


@pytest.mark.parametrize(
    "code",
    [
        "import typed_tune_wandb",
        "import typed_tune_wandb.settings, typed_tune_wandb.credentials",
        "from typed_tune_wandb.settings import WandbSettings as S; S(settings={'console': 'off'}, project='p')",
        "from typed_tune_wandb.settings import validate_environment; validate_environment({'WANDB_MODE': 'ofline'})",
        "from typed_tune_wandb.settings import validate_logger_arguments; validate_logger_arguments({}, None, {})",
        "from typed_tune_wandb import WandbSettings",
        "from typed_tune_wandb import WandbConfigDict, WandbSettingsError",
        "from typed_tune_wandb import check_search_space as c; c({'wandb': {'mode': {'grid_search': ['offline']}}})",
        "import typed_tune_wandb.cli",
        "from typed_tune_wandb import WandbSettings; WandbSettings(project='mnist', tags=['a']).init_kwargs()",
        "from typed_tune_wandb import WandbSettings, WandbSettingsError\n"
        "try: WandbSettings(projct='mnist', mode='ofline', settings={'api_key': 3}, tags='abc')\n"
        "except WandbSettingsError as error: str(error)\n"
        "else: raise SystemExit('no mistake')",
    ],
)
def test_settings_load_neither_ray_nor_wandb(code: str) -> None:
    """Settings are made, checked and refused without ray, wandb and their kin, in no time to speak of."""
    modules, seconds = loaded_by(code)
    assert set() == modules & HEAVY
    assert "typed_tune_wandb" in modules
    assert seconds < 5


@pytest.mark.parametrize("name", typed_tune_wandb.__all__)
def test_public_names(name: str) -> None:
    """Every public name is there, under its own name, with a docstring."""
    value = getattr(typed_tune_wandb, name)
    assert {"RunRecord": "RunInfo"}.get(name, name) == value.__name__  # its name in 0.1.0
    assert value.__doc__
    assert name in dir(typed_tune_wandb)


def test_unknown_name() -> None:
    """A name that is not there is an AttributeError, as everywhere."""
    with pytest.raises(AttributeError, match="WandbLoger"):
        typed_tune_wandb.WandbLoger  # noqa: B018
