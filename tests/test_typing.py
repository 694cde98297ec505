"""What the editor shows: mypy and pyright over programs that are right and programs that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.typing import checkers

HERE = Path(__file__).parent / "typing"
PASS = sorted((HERE / "pass").glob("*.py"))
FAIL = sorted((HERE / "fail").glob("*.py"))


@pytest.fixture(scope="module")
def cache(pytestconfig: pytest.Config) -> Path:
    """Kept from one session to the next: Ray takes mypy ten seconds to read."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("mypy")


def test_mypy_passes(cache: Path) -> None:
    """Right programs have no error in mypy --strict, with the plugin and the stubs."""
    assert [] == checkers.mypy(PASS, cache / "stubs")


def test_mypy_fails(cache: Path) -> None:
    """Wrong programs have each error at its line, with its code, and no other."""
    found = [finding.without_message() for finding in checkers.mypy(FAIL, cache / "stubs")]
    assert checkers.expected("mypy", FAIL) == found


def test_pyright_passes() -> None:
    """Right programs have no error in pyright either."""
    assert [] == checkers.pyright(PASS)


def test_pyright_fails() -> None:
    """Wrong programs have each error at its line, with its rule, and no other."""
    found = [finding.without_message() for finding in checkers.pyright(FAIL)]
    assert checkers.expected("pyright", FAIL) == found


def test_enough_mistakes() -> None:
    """The programs hold forty mistakes and more for each checker: what the comparisons above compare."""
    assert len(checkers.expected("mypy", FAIL)) > 80
    assert len(checkers.expected("pyright", FAIL)) > 60
