"""Measures which releases of Ray and wandb work together, and writes what was seen to docs/compatibility.md.

    python -m tests.compatibility FOLDER                      # all pairs and Pythons of the page: about an hour
    python -m tests.compatibility FOLDER --only ray-2.43      # those whose names have this in them
    python -m tests.compatibility FOLDER --checks killed      # some columns alone; the other cells stay

Each pair has a virtual environment of its own in FOLDER, which later calls take as it is. The row of a pair is written
when its tests have run, so that a call that is broken off keeps what it has measured. If ``uv`` is there, it installs.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "compatibility.md"
MAIN_PYTHON: Final = "3.11"
OTHER_PYTHONS: Final = ("3.10", "3.12", "3.13", "3.14")
UNCLASSIFIED: Final = ("3.14",)  # nobody has seen it pass: pyproject.toml has no classifier of it
# Ray and wandb: the lower bounds, releases in between, and the newest.
PAIRS: Final = (
    ("2.43.0", "0.19.11"),
    ("2.46.*", "0.21.*"),
    ("2.49.*", "0.22.*"),
    ("2.51.*", "0.24.*"),
    ("2.51.*", "0.26.*"),
    ("newest", "newest"),
    ("newest", "0.28.*"),
    ("newest", "0.30.*"),
)
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_FOR_TESTS: Final = ("mypy", "nox", "pyright[nodejs]", "ruff", "types-psutil")
TOOLS: Final = [tool for tool in PROJECT["optional-dependencies"]["dev"] if tool not in NOT_FOR_TESTS]
TIMEOUT_S: Final = 3600

CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    "exit codes": (
        "tests/test_logger.py::test_each_trial_is_one_run_with_tunes_defaults",
        "tests/test_recorder.py::test_every_row_of_every_run_is_recorded_once_and_in_order",
    ),
    "killed": (
        "tests/test_recorder.py::test_a_killed_process_costs_no_row",
        "tests/test_recorder.py::test_runs_of_a_driver_that_is_killed_are_kept_and_end_as_interrupted",
        "tests/recording/test_surroundings.py::test_a_job_that_is_ended_while_the_worker_starts_loses_no_row",
        "tests/recording/test_surroundings.py::test_a_wandb_core_that_is_killed_while_it_starts_loses_no_run",
        "tests/recording/test_restore.py::test_no_iteration_is_recorded_twice",
    ),
    "media": ("tests/recording/test_border.py::test_rows_after_media_keep_their_order",),
    "checkpoints": ("tests/test_recorder.py::test_checkpoints_become_versions_of_a_model_artifact",),
    "online": (
        "tests/test_faults.py::test_a_killed_process_costs_no_row",
        "tests/test_faults.py::test_a_run_that_the_server_refuses_is_recorded_offline",
        "tests/test_online.py::test_rows_that_the_server_refuses_are_reported",
    ),
    "in the trial": (
        "tests/test_trainable.py::test_a_decorated_class_has_its_run",
        "tests/test_train_workers.py::test_in_a_tune_function",
    ),
    "wandb's inside": ("tests/test_wandb_internals.py", "tests/recording/test_run_file.py"),
    "Tune": (
        "tests/test_logger.py::test_a_killed_and_restored_experiment_goes_on_with_the_same_run",
        "tests/test_online.py::test_checkpoints_arrive_byte_for_byte",
    ),
    "Train": ("tests/test_train_workers.py::test_rank_zero_alone_records",),
}
UNIT: Final = "unit tests"
UNIT_TESTS: Final = ["-m", "unit", "--ignore=tests/test_compatibility.py"]  # that one is about the page of all rows
RELEASES: Final = ("Ray", "wandb", "Python")
COLUMNS: Final = (*RELEASES, *CHECKS, UNIT, "seen on")
NOT_RUN: Final = "-"


def outcome(results: Iterable[bool]) -> str:
    """Describe how many tests of some passed."""
    results = list(results)
    return f"{sum(results)} of {len(results)}" if results else NOT_RUN


def outcomes(report: Path, checks: Iterable[str]) -> dict[str, str]:
    """Return how many tests of each check passed: a skipped one has shown nothing.

    Args:
        report: What ``pytest --junitxml`` has written.
        checks: Columns of the page; without any, all tests of the report are unit tests.
    """
    passed: dict[str, list[bool]] = {check: [] for check in (*CHECKS, UNIT)}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        test = f"{file}::{case.attrib['name'].partition('[')[0]}"
        result = not any(child.tag in ("failure", "error", "skipped") for child in case)
        for check in checks:
            if test in CHECKS[check] or file in CHECKS[check]:
                passed[check].append(result)
        if not checks and not any(child.tag == "skipped" for child in case):
            passed[UNIT].append(result)
    return {check: outcome(results) for check, results in passed.items()}


def environment(folder: Path, python: str, ray: str, wandb: str) -> Path | None:
    """Make a virtual environment, unless it is there, and return its interpreter; None without such a Python.

    Args:
        folder: Where it is made.
        python: A Python's version.
        ray: Which Ray is installed; ``newest`` for the newest.
        wandb: Which wandb is installed.
    """
    interpreter, uv, found = folder / "bin" / "python", shutil.which("uv"), shutil.which(f"python{python}")
    if not interpreter.exists():
        make = [uv, "venv", "--no-project", "--python", python] if uv else [str(found), "-m", "venv"]
        if not (uv or found) or subprocess.run([*make, str(folder)], check=False).returncode != 0:
            return None
    install = [uv, "pip", "install", f"--python={interpreter}"] if uv else [f"{interpreter}", "-m", "pip", "install"]
    releases = [f"{name}=={text}".removesuffix("==newest") for name, text in (("ray[tune]", ray), ("wandb", wandb))]
    subprocess.run([*install, "--quiet", *TOOLS, *releases, "-e", str(ROOT)], check=True)
    return interpreter


def measure(interpreter: Path, checks: Iterable[str]) -> dict[str, str]:
    """Run checks, or the unit tests without any, in an environment, and return a row of the page."""
    names = "ray", "wandb"
    code = f"import sys, importlib.metadata as m; print(*map(m.version, {names}), '%d.%d' % sys.version_info[:2])"
    releases = subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        tests = [test for check in checks for test in CHECKS[check]] or UNIT_TESTS
        command = [str(interpreter), "-m", "pytest", "-q", f"--junitxml={report}", *tests]
        subprocess.run(command, cwd=ROOT, timeout=TIMEOUT_S, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
        seen = outcomes(report, checks)
    date = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    return {**dict(zip(RELEASES, releases, strict=True)), **seen, "seen on": date}


def rows(page: str) -> list[dict[str, str]]:
    """Return the rows of the page's table."""
    lines = [line for line in page.splitlines() if re.match(r"\| \d", line)]
    return [dict(zip(COLUMNS, (cell.strip() for cell in line.strip("|").split("|")), strict=True)) for line in lines]


def with_row(page: str, row: Mapping[str, str]) -> str:
    """Return the page with a row put in; what the row has not run stays as an earlier row of its releases has it."""
    before = page.partition("| Ray |")[0]
    others, same = [], {}
    for other in rows(page):
        if all(other[key] == row[key] for key in RELEASES):
            same = other
        else:
            others.append(other)
    row = {key: same.get(key, NOT_RUN) if row[key] == NOT_RUN else row[key] for key in COLUMNS}
    ordered = sorted([*others, row], key=lambda each: [_numbers(each[key]) for key in RELEASES])
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(each[key] for key in COLUMNS) for each in ordered)]
    return before + "\n".join([*lines, ""])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _numbers(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]


def main() -> int:
    """Measure; return 1 if a test did not pass on a Python that has a classifier."""
    parser = argparse.ArgumentParser(description="Measures which releases of Ray and wandb work together.")
    parser.add_argument("folder", type=Path, help="where the virtual environments are kept")
    parser.add_argument("--only", default="", help="a part of the names of what is measured")
    columns = [*CHECKS, UNIT]
    parser.add_argument("--checks", nargs="*", choices=columns, default=columns, help="the columns that are measured")
    arguments = parser.parse_args()
    checks_of_pairs = tuple(check for check in arguments.checks if check != UNIT)
    todo = [(MAIN_PYTHON, *pair, checks_of_pairs) for pair in PAIRS if checks_of_pairs]
    todo += [(python, "newest", "newest", ()) for python in (MAIN_PYTHON, *OTHER_PYTHONS) if UNIT in arguments.checks]
    failed = False
    for python, ray, wandb, checks in todo:
        name = f"python-{python}-ray-{ray}-wandb-{wandb}".replace(".*", "")
        if arguments.only not in name:
            continue
        interpreter = environment(arguments.folder.absolute() / name, python, ray, wandb)
        if interpreter is None:
            print(f"{name}: there is no Python {python} here.", flush=True)
            continue
        row = measure(interpreter, checks)
        PAGE.write_text(with_row(PAGE.read_text(encoding="utf-8"), row), encoding="utf-8")
        print(name, _line(row.values()), flush=True)
        counts = [_numbers(row[check]) for check in (*CHECKS, UNIT) if row[check] != NOT_RUN]
        failed = failed or (python not in UNCLASSIFIED and any(passed != run for passed, run in counts))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
