"""The files that are packaged, and the matrix: what two places must say alike."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.compatibility import MAIN_PYTHON, OTHER_PYTHONS, PROJECT, UNCLASSIFIED

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "stubs"


def test_pyrights_stubs_are_copies_of_mypys() -> None:
    """All but the parents' (stubs/README.md says why); both change together."""
    mypys = {path.relative_to(STUBS): path.read_bytes() for path in (STUBS / "ray").rglob("*.pyi")}
    pyrights = {path.relative_to(STUBS / "pyright"): path.read_bytes() for path in (STUBS / "pyright").rglob("*.pyi")}
    assert pyrights == {path: stub for path, stub in mypys.items() if path.name != "__init__.pyi"}


def test_nothing_that_is_packaged_is_a_symbolic_link() -> None:
    """A wheel, an sdist and a checkout on Windows cannot hold one."""
    folders = ["typed_tune_wandb", "stubs", "tests", "examples", "benchmarks", "docs"]
    assert [] == [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_symlink()]


def test_the_matrix_has_the_pythons_of_the_classifiers() -> None:
    """In the scheduled workflow, and on the page of releases that work together."""
    words = "Programming Language :: Python :: 3."
    pythons = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if text.startswith(words)]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "matrix.yml").read_text(encoding="utf-8"))
    assert [*pythons, *UNCLASSIFIED] == workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert {*pythons, *UNCLASSIFIED} == {MAIN_PYTHON, *OTHER_PYTHONS}
