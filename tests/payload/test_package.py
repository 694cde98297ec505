"""The package as a whole: what it imports, what it exports, and the examples in its docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

from typed_tune_wandb import payload

MODULES = [f"{payload.__name__}.{module.name}" for module in pkgutil.iter_modules(payload.__path__)]


@pytest.mark.process
def test_it_imports_neither_ray_nor_wandb_nor_what_stands_above_it() -> None:
    """Settings stand below it: they know where an entry is in a config."""
    code = "import sys, typed_tune_wandb.payload; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set() == {"ray", "wandb"} & {name.partition(".")[0] for name in loaded}
    own = {name.split(".")[1] for name in loaded if name.startswith("typed_tune_wandb.")}
    assert set() == {"credentials", "legacy", "recording", "tune"} & own


@pytest.mark.parametrize("name", payload.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    """Classes and functions have a docstring."""
    value = getattr(payload, name)
    assert not callable(value) or value.__doc__


def test_the_examples_in_the_docstrings() -> None:
    """They do what they show, and there are some."""
    results = [doctest.testmod(importlib.import_module(name)) for name in MODULES]
    assert 0 == sum(result.failed for result in results)
    assert sum(result.attempted for result in results) >= 20
