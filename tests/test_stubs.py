"""The typed stand-ins in stubs/ say what Ray does, know more than Ray says, and cost a correct program nothing."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import ray.tune

STUBS = Path(__file__).parents[1] / "stubs"
EXAMPLES = Path(ray.tune.__path__[0]) / "examples"
PROGRAMS = STUBS / "programs"
CHECKED_FOR = (2, 60)
"""The Ray release that the stubs describe; stubs/README.md names it too."""

LEAVES = sorted(path for path in (STUBS / "ray").rglob("*.pyi") if path.name != "__init__.pyi")
PACKAGES = sorted((STUBS / "ray").rglob("__init__.pyi"))

NOT_OURS_TO_SHOW = {"PublicAPI", "get_function_args"}
"""Names that ray.tune.search has only because it uses them."""

RAY = tuple(int(part) for part in version("ray").split(".")[:2])
pytestmark = pytest.mark.skipif(RAY < CHECKED_FOR, reason="the stubs describe a newer Ray: see CHECKED_FOR")


class Complaint(NamedTuple):
    """One error of a type checker: where, and its code (mypy) or rule (pyright)."""

    program: str
    line: int
    code: str


def module_of(stub: Path) -> str:
    """The name of the module that a stub stands for."""
    path = stub.relative_to(STUBS).with_suffix("")
    return ".".join(path.parent.parts if path.name == "__init__" else path.parts)


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment outside the project, so that none of the project's settings count."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MYPY")}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=inherited | env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def stubtest(stubs: Path, modules: list[str], *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Compare stubs with the modules as they are at runtime."""
    return run("mypy.stubtest", "--concise", *options, *modules, cwd=cwd, MYPYPATH=str(stubs))


def mypy(cwd: Path, *, with_stubs: bool) -> set[Complaint]:
    """Check the programs by mypy --strict."""
    stubs = {"MYPYPATH": str(STUBS)} if with_stubs else {}
    options = ("--strict", "--untyped-calls-exclude=ray", "--no-error-summary", "--hide-error-context", "--output=json")
    done = run(
        "mypy",
        *options,
        "--config-file=",
        "--cache-dir=cache",
        *map(str, sorted(PROGRAMS.glob("*.py"))),
        cwd=cwd,
        **stubs,
    )
    assert not done.stderr, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {Complaint(Path(one["file"]).stem, one["line"], one["code"]) for one in found if one["severity"] == "error"}


def pyright(cwd: Path, *, with_stubs: bool) -> set[Complaint]:
    """Check the programs by pyright, standard mode."""
    settings: dict[str, object] = {"include": ["programs"], "typeCheckingMode": "standard"}
    if with_stubs:
        settings["stubPath"] = str(STUBS / "pyright")
    (cwd / "pyrightconfig.json").write_text(json.dumps(settings))
    shutil.copytree(PROGRAMS, cwd / "programs")
    done = run("pyright", "--outputjson", "--pythonpath", sys.executable, "-p", ".", cwd=cwd)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        Complaint(Path(one["file"]).stem, one["range"]["start"]["line"] + 1, one["rule"])
        for one in found
        if one["severity"] == "error"
    }


def marked(program: str, marker: str) -> set[Complaint]:
    """The complaints that comments of this form ask for: `# marker: code rule`."""
    lines = (PROGRAMS / f"{program}.py").read_text().splitlines()
    return {
        Complaint(program, number, code)
        for number, line in enumerate(lines, start=1)
        for code in line.partition(f"# {marker}: ")[2].split()
    }


@pytest.fixture(scope="module")
def mypy_with(tmp_path_factory: pytest.TempPathFactory) -> set[Complaint]:
    return mypy(tmp_path_factory.mktemp("mypy"), with_stubs=True)


@pytest.fixture(scope="module")
def mypy_without(tmp_path_factory: pytest.TempPathFactory) -> set[Complaint]:
    return mypy(tmp_path_factory.mktemp("mypy"), with_stubs=False)


@pytest.fixture(scope="module")
def pyright_with(tmp_path_factory: pytest.TempPathFactory) -> set[Complaint]:
    return pyright(tmp_path_factory.mktemp("pyright"), with_stubs=True)


@pytest.fixture(scope="module")
def pyright_without(tmp_path_factory: pytest.TempPathFactory) -> set[Complaint]:
    return pyright(tmp_path_factory.mktemp("pyright"), with_stubs=False)


def of(complaints: set[Complaint], program: str) -> set[Complaint]:
    return {one for one in complaints if one.program == program}


# --- the stubs say what the installed Ray does ---


def test_stubs_agree_with_the_installed_ray(tmp_path: Path) -> None:
    """Names, parameters, defaults and kinds of every stubbed module are Ray's, but for the allowlist."""
    allowlist = f"--allowlist={STUBS / 'allowlist.txt'}"
    done = stubtest(STUBS, [module_of(leaf) for leaf in LEAVES], allowlist, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stub_that_drifts_is_found(tmp_path: Path) -> None:
    """A parameter that Ray does not have, and one that the stub lacks, are both reported."""
    shutil.copytree(STUBS / "ray", tmp_path / "drifted" / "ray")
    sample = tmp_path / "drifted/ray/tune/search/sample.pyi"
    sample.write_text(sample.read_text().replace("def uniform(lower: float,", "def uniform(low: float, lower: float,"))
    logger = tmp_path / "drifted/ray/tune/logger/logger.pyi"
    logger.write_text(logger.read_text().replace(", failed: bool = False", ""))
    (tmp_path / "fast.ini").write_text("[mypy]\nfollow_imports = skip\n")
    modules = ["ray.tune.search.sample", "ray.tune.logger.logger"]
    done = stubtest(tmp_path / "drifted", modules, "--mypy-config-file=fast.ini", cwd=tmp_path)
    reported = {line.split()[0] for line in done.stdout.splitlines()}
    wanted = {"ray.tune.search.sample.uniform", "ray.tune.logger.logger.LoggerCallback.log_trial_end"}
    assert (wanted, 1) == (reported, done.returncode), done.stdout + done.stderr


@pytest.mark.parametrize("stub", PACKAGES, ids=module_of)
def test_a_package_shows_the_same_objects_as_ray(stub: Path) -> None:
    """A parent's stub re-exports each public name of Ray's package, from where it is the same object."""
    package = importlib.import_module(module_of(stub))
    shown: set[str] = set()
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ray"):
            for name in (alias.name for alias in node.names if alias.asname == alias.name):
                shown.add(name)
                if node.module == package.__name__:  # a submodule, which Ray may import late
                    assert importlib.util.find_spec(f"{node.module}.{name}") is not None
                else:
                    defined = getattr(importlib.import_module(str(node.module)), name)
                    assert inspect.unwrap(defined) is inspect.unwrap(getattr(package, name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            shown.add(node.target.id)
            assert hasattr(package, node.target.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            shown.add(node.name)
            assert hasattr(package, node.name)
    public = {
        name for name, value in vars(package).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set() == public - shown - NOT_OURS_TO_SHOW


# --- a correct program stays correct ---


def test_correct_programs_pass_with_the_stubs(mypy_with: set[Complaint], pyright_with: set[Complaint]) -> None:
    """With the stubs neither type checker finds anything in a correct program."""
    assert (set(), set()) == (of(mypy_with, "correct"), of(pyright_with, "correct"))


def test_correct_programs_pass_without_the_stubs(mypy_without: set[Complaint], pyright_without: set[Complaint]) -> None:
    """The same programs are accepted on Ray alone, but for the lines that Ray's types spoil."""
    spoiled = marked("correct", "without the stubs")
    rules = {one for one in spoiled if one.code.startswith("report")}
    assert spoiled
    assert rules
    assert (spoiled - rules, rules) == (of(mypy_without, "correct"), of(pyright_without, "correct"))


def test_correct_programs_import() -> None:
    """What the correct program asks of Ray at runtime, annotations aside, is there."""
    assert "tuner_with_asha" in runpy.run_path(str(PROGRAMS / "correct.py"))


def test_rays_own_examples_stay_correct(tmp_path: Path) -> None:
    """The stubs take errors away, and add none but where a checkpoint that may be None is asked for twice."""
    examples = {path.name: path.read_text() for path in EXAMPLES.glob("*.py")}
    assert len(examples) > 20
    for name, source in examples.items():
        (tmp_path / name).write_text(source)
    options = ("--check-untyped-defs", "--ignore-missing-imports", "--no-error-summary", "--config-file=")
    found = {}
    for stubs in (STUBS, tmp_path / "none"):
        cache = f"--cache-dir={stubs.name}"
        done = run("mypy", *options, cache, *examples, cwd=tmp_path, MYPYPATH=str(stubs))
        found[stubs] = {line for line in done.stdout.splitlines() if " error: " in line}
    with_stubs, without = found.values()
    assert without - with_stubs
    added = {tuple(line.split(":")[:2]) for line in with_stubs - without}
    assert {"with loaded_checkpoint.as_directory() as"} >= {
        examples[name].splitlines()[int(line) - 1].strip().rpartition(" ")[0] for name, line in added
    }


# --- what the stubs know ---


def test_types_are_known(mypy_with: set[Complaint], pyright_with: set[Complaint]) -> None:
    """Each assert_type holds."""
    assert (set(), set()) == (of(mypy_with, "typed"), of(pyright_with, "typed"))


def test_types_are_unknown_without_the_stubs(mypy_without: set[Complaint]) -> None:
    """Most of these assert_type fail on Ray alone: else the stubs would be idle."""
    wanted = len(re.findall(r"^ +assert_type\(", (PROGRAMS / "typed.py").read_text(), flags=re.MULTILINE))
    failed = Counter(one.code for one in of(mypy_without, "typed"))["assert-type"]
    assert wanted * 3 // 4 <= failed <= wanted


def test_mistakes_are_found(mypy_with: set[Complaint], pyright_with: set[Complaint]) -> None:
    """Each mistake, and nothing else, is reported at its line with its code."""
    wanted = marked("wrong", "E")
    rules = {one for one in wanted if one.code.startswith("report")}
    assert (wanted - rules, rules) == (of(mypy_with, "wrong"), of(pyright_with, "wrong"))


def test_mistakes_are_missed_without_the_stubs(mypy_without: set[Complaint], mypy_with: set[Complaint]) -> None:
    """At least ten of the mistakes are invisible on Ray alone, and the stubs hide none that Ray shows."""
    alone, with_stubs = ({one.line for one in of(found, "wrong")} for found in (mypy_without, mypy_with))
    assert alone < with_stubs
    assert len(with_stubs - alone) >= 10
