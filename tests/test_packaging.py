"""The files that are packaged, and the matrix: what two places must say alike."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from tests.compatibility import MAIN_PYTHON, OTHER_PYTHONS, PAGE, PAIRS, rows
from typed_tune_wandb._versions import NEWEST_TESTED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "stubs"
UNCLASSIFIED = ["3.14"]
"""Pythons of the matrix that nobody has seen pass."""


def project() -> dict[str, Any]:
    """The table of pyproject.toml that says what is packaged."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


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
    pythons = [text.rpartition(" ")[2] for text in project()["classifiers"] if text.startswith(words)]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "matrix.yml").read_text(encoding="utf-8"))
    assert [*pythons, *UNCLASSIFIED] == workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert {*pythons, *UNCLASSIFIED} == {MAIN_PYTHON, *OTHER_PYTHONS}


def test_the_page_has_a_row_of_each_release() -> None:
    """From the lower bounds on, and up to what a newer release is compared with; each Python with a classifier."""
    seen = rows(PAGE.read_text(encoding="utf-8"))
    bounds = dict(zip(("ray[tune]", "wandb"), PAIRS[0], strict=True))
    assert {f"{name}>={bound.removesuffix('.0')}" for name, bound in bounds.items()} <= set(project()["dependencies"])
    for name, number in (("Ray", 0), ("wandb", 1)):
        wanted = {pair[number].removesuffix("*").removesuffix(".0") for pair in PAIRS} - {"newest"}
        wanted |= {f"{NEWEST_TESTED[name.lower()]}."}
        assert [] == [release for release in wanted if not any(row[name].startswith(release) for row in seen)]
    classified = {*OTHER_PYTHONS, MAIN_PYTHON} - set(UNCLASSIFIED)
    assert classified == {row["Python"] for row in seen if row["unit tests"] != "-"}
