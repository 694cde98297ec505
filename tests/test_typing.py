"""What the editor shows: mypy and pyright over programs that are right and programs that are not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.tune import Trainable
from ray.tune.logger import LoggerCallback

import typed_tune_wandb
from tests.support import checkers

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


# Where a signature that a user writes has an Any, and why.
ANY = {
    "run.run_or_experiment": "a trainable's other parameters, and what it returns, are its own",
    "run.config": "Tune's own type of a search space",
    "report.metrics": "a metric is anything",
    "report.named": "a metric is anything",
    "TuneRunKwargs": "Tune's own types",
    "WandbTrainableMixin.config": "Tune's own type of a config",
    "WandbTrainableMixin.args": "the parameters of the class after the mixin",
    "WandbTrainableMixin.kwargs": "the parameters of the class after the mixin",
}


def public_annotations() -> Iterator[tuple[str, ast.expr]]:
    """Every annotation in a public signature or field, but for the methods that Tune calls and no user does."""
    packages = {
        "recording": ["client", "state"],
        "settings": ["_model", "_origins", "_search_space", "_types"],
        "tune": ["_restore", "callback", "trainable"],
    }
    for module in (
        "errors",
        "explanation",
        "legacy",
        *(f"{package}/{name}" for package in packages for name in packages[package]),
    ):
        source = checkers.ROOT / "typed_tune_wandb" / f"{module}.py"
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            name = getattr(node, "name", "_")
            if name[0] == "_" or not (module == "legacy" or name in typed_tune_wandb.__all__):
                continue
            for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
                if isinstance(inner, ast.AnnAssign):
                    yield name, inner.annotation
                elif isinstance(inner, ast.FunctionDef) and (inner is node or is_for_users(inner.name)):
                    for part in ast.walk(inner.args):
                        if isinstance(part, ast.arg) and part.annotation:
                            yield f"{name}.{part.arg}", part.annotation
                    if inner.returns:
                        yield f"{name}.{inner.name} ->", inner.returns


def is_for_users(method: str) -> bool:
    return method == "__init__" or not (
        method[0] == "_" or hasattr(LoggerCallback, method) or hasattr(Trainable, method)
    )


def test_no_any_that_a_user_writes() -> None:
    """No public signature has an Any but where a reason is named."""
    seen = [(name, ast.unparse(annotation)) for name, annotation in public_annotations()]
    assert len(seen) > 100
    assert set(ANY) == {name for name, annotation in seen if re.search(r"\bAny\b", annotation)}
