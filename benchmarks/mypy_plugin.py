"""The mypy plugin: whether it ever reports a right program, how much it finds of the wrong ones, and what it costs.

    python -m benchmarks.mypy_plugin soundness 10000     # random programs, about 5 minutes
    python -m benchmarks.mypy_plugin cost 7              # rounds, about 5 minutes
    python -m benchmarks.mypy_plugin examples            # Ray's own example programs

The first compares mypy's output with what validation says of the programs of ``tests/support/programs.py``. The
second checks a file of 2,000 lines with 50 calls, cold and after a change, with the plugin and without; it counts CPU
time, since a machine is seldom quiet. The third compares mypy's output on each program with the plugin and without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Final

import ray.tune

from tests.support import checkers, programs

_AT_ONCE: Final = 500


def soundness(count: int, folder: Path) -> None:
    """Print how many programs there were, were refused by the gate, were found by the plugin, and wrongly so."""
    seen = refused = found = errors = 0
    for start in range(0, count, _AT_ONCE):
        for result in programs.compare(range(start, min(start + _AT_ONCE, count)), folder, folder):
            seen += result.is_comparable
            refused += result.is_comparable and result.verdict.is_refused
            found += result.is_comparable and result.verdict.is_refused and bool(result.found)
            errors += len(result.found)
            for finding in result.false_errors:
                print(f"false: {finding}\n{result.program}")
        print(
            f"{start + _AT_ONCE} programs, {seen} of which reach their calls; {refused} refused, {found} found",
            flush=True,
        )
    print(f"{errors} errors, {found / refused:.0%} of the refused programs found")


def cost(rounds: int, folder: Path) -> None:
    """Print the CPU seconds of mypy, cold and after a change, without the plugin and with it."""
    program = folder / "program.py"
    times: dict[tuple[str, bool], list[float]] = {}
    for number in range(rounds):
        for plugin in (False, True) if number % 2 else (True, False):
            cache = folder / f"cache {plugin}"
            shutil.rmtree(cache, ignore_errors=True)
            for state in ("cold", "changed"):
                program.write_text(_long_program() + f"# {number} {state}\n", encoding="utf-8")
                times.setdefault((state, plugin), []).append(_mypy_seconds(program, cache, plugin))
    for state in ("cold", "changed"):
        without, with_plugin = (median(times[state, plugin]) for plugin in (False, True))
        print(
            f"{state}: {without:.2f} s without, {with_plugin:.2f} s with the plugin: {with_plugin / without - 1:+.1%}"
        )


def _long_program() -> str:
    """Return a program of 2,000 lines, with 50 calls that are handed dicts in various ways."""
    head = ["from typing import Any", "from ray import tune", "from typed_tune_wandb import WandbLogger", "", ""]
    head += ["def train(config: dict[str, Any]) -> None: ...", "", ""]
    lines = [*head]
    for number in range(50):
        lines += [f"def sweep_{number}(values: list[int], name: str) -> float:"]
        lines += [
            '    config: dict[str, Any] = {"lr": tune.uniform(0, 1), "wandb": {"project": "demo", "group": name}}'
        ]
        lines += ['    config["wandb"] = {"project": "demo", "tags": ["a", "b"], "name": name, "mode": "offline"}']
        for step in range(8):
            lines += [f"    total_{step} = sum(value * {step} for value in values) / max(len(values), 1)"]
            lines += [f"    if total_{step} > {step} and name:", f"        values = sorted([*values, {step}])"]
            lines += [f'    name = f"{{name}}-{{total_{step}:.2f}}"']
        lines += ["    tuner = tune.Tuner(train, param_space=config)", "    tuner.fit()", "    return total_0", "", ""]
    return "\n".join(lines) + "\n"


def _mypy_seconds(program: Path, cache: Path, plugin: bool) -> float:
    options = ["--no-error-summary", "--cache-dir", str(cache), "--config-file", str(_config(program.parent, plugin))]
    process = subprocess.Popen([sys.executable, "-m", "mypy", *options, program.name], cwd=program.parent)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def _config(folder: Path, plugin: bool) -> Path:
    path = folder / f"mypy {plugin}.ini"
    lines = ["[mypy]", *(["plugins = typed_tune_wandb.mypy_plugin"] if plugin else [])]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def examples(folder: Path) -> None:
    """Print on how many of Ray's example programs mypy says the same with the plugin as without."""
    root = Path(ray.tune.__path__[0])
    found = sorted(
        {*root.glob("examples/**/*.py"), *root.glob("tests/**/*.py"), *root.parent.glob("train/examples/**/*.py")}
    )
    copies = [folder / f"example_{number}.py" for number, _ in enumerate(found)]
    for path, copy in zip(found, copies, strict=True):
        shutil.copy(path, copy)
    outputs = [
        checkers.mypy(copies, folder / f"cache {plugin}", stubs=False, plugin=plugin) for plugin in (False, True)
    ]
    calls = sum(copy.read_text(encoding="utf-8").count(call) for copy in copies for call in ("Tuner(", "tune.run("))
    print(f"{len(copies)} programs with {calls} calls, {len(outputs[0])} errors without the plugin")
    print("the same with it" if outputs[0] == outputs[1] else f"with it: {set(outputs[1]) ^ set(outputs[0])}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        match sys.argv[1:]:
            case ["soundness", count]:
                soundness(int(count), Path(made))
            case ["cost", rounds]:
                cost(int(rounds), Path(made))
            case ["examples"]:
                examples(Path(made))
            case _:
                sys.exit(__doc__)
