"""The files that are packaged: what two places must say alike."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYRIGHT_STUBS = ROOT / "stubs" / "pyright"


@pytest.mark.parametrize("stub", [str(path.relative_to(PYRIGHT_STUBS)) for path in PYRIGHT_STUBS.rglob("*.pyi")])
def test_pyrights_stubs_are_copies_of_mypys(stub: str) -> None:
    """They are not links, which a wheel, an sdist and a checkout on Windows cannot hold: both change together."""
    copy = PYRIGHT_STUBS / stub
    assert not copy.is_symlink()
    assert (ROOT / "stubs" / stub).read_bytes() == copy.read_bytes()


def test_nothing_that_is_packaged_is_a_symbolic_link() -> None:
    """Wherever it is."""
    folders = ["typed_tune_wandb", "stubs", "tests", "examples", "benchmarks", "docs"]
    assert [] == [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_symlink()]
