"""Rules for the tests themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import MODULE_TIERS, TIERS

ROOT = Path(__file__).parents[1]
IMPORT = re.compile(
    r"""
    (?:from|import)\s+tests(?:\.\w+)*\.test_\w+          # from tests.recording.test_x import y, import tests.test_x
    | from\s+tests(?:\.\w+)*\s+import\s+[^#\n]*\btest_\w+  # from tests import test_x
    | from\s+\.+\w*(?:\.\w+)*\s+import                    # from .test_x import y: imports are absolute
    """,
    re.VERBOSE,
)


def test_no_module_imports_a_test_module() -> None:
    """Neither directly nor in a program that a test writes: what modules share is in ``tests/support``."""
    imports = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in ("tests", "benchmarks", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
        for match in IMPORT.finditer(path.read_text(encoding="utf-8"))
    ]
    assert [] == imports


def test_an_import_of_a_test_module_is_seen() -> None:
    """In each form that Python has for it."""
    for line in (
        "from tests.test_x import y",
        "from tests.recording.test_x import y",
        "import tests.test_x as x",
        "from tests.recording import test_x",
        "from tests import support, test_x",
        "from .test_x import y",
        "from . import test_x",
    ):
        assert IMPORT.search(line), line
    for line in ("from tests.support.offline import read_runs", "from tests.support import checkers"):
        assert not IMPORT.search(line), line


def test_every_test_has_exactly_one_tier(request: pytest.FixtureRequest) -> None:
    """``-m`` with each tier in turn runs every test once; conftest.py assigns the tiers."""
    items = request.session.items
    tiers = {item.nodeid: [mark.name for mark in item.iter_markers() if mark.name in TIERS] for item in items}
    assert {} == {name: found for name, found in tiers.items() if len(found) != 1}
    assert [] == [name for name in MODULE_TIERS if not (ROOT / "tests" / name).is_file()]
