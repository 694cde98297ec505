"""When each mistake of ``tests/support/mistakes.py`` is found by Ray's callback, by wandb.init, and by this library.

    python -m benchmarks.mistakes                       # all, about 10 minutes
    python -m benchmarks.mistakes "a misspelt key"      # by title

Runs a real Tune experiment for each mistake that the callback's construction does not tell, and a real ``wandb.init``;
offline. Writes what it saw to ``tests/support/mistakes_seen.json``, from which ``tests/test_mistakes.py`` makes
docs/mistakes.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from tests.support.mistakes import AROUND, MISTAKES

SEEN: Final = Path(__file__).parents[1] / "tests" / "support" / "mistakes_seen.json"
RIGHT: Final = "nothing: the entry is right"
_MARK: Final = "trained"


def seen_by_init(arguments: Mapping[Any, object]) -> str:
    """What a bare ``wandb.init`` does with some arguments."""
    import wandb

    words: dict[Any, Any] = dict(arguments)
    try:
        run = wandb.init(**words)
    except Exception as error:
        return f"raises {type(error).__name__}"
    run.finish()
    return "takes it"


def seen_by_tune(make: Callable[[], Any], config: dict[str, object], folder: Path) -> str:
    """What an experiment with a callback comes to: where it ends, or what its run holds."""
    from ray import tune

    from tests.support.offline import OfflineRun, read_file

    def train(config: dict[str, Any]) -> None:
        (folder / _MARK).touch()
        for step in range(2):
            tune.report({"loss": step})

    folder.mkdir(parents=True)
    files = set(Path(os.environ["WANDB_DIR"]).rglob("*.wandb"))
    try:
        callback = make()
    except Exception as error:
        return f"construction: {type(error).__name__}"
    run_config = tune.RunConfig(storage_path=str(folder), callbacks=[callback], verbose=0)
    try:
        results = tune.Tuner(train, param_space=config, run_config=run_config).fit()
    except Exception as error:
        when = "after training" if (folder / _MARK).exists() else "before the first trial"
        return f"{when}: {type(error).__name__}"
    expected = 2 * len(results)
    runs: dict[str, OfflineRun] = {}
    for file in set(Path(os.environ["WANDB_DIR"]).rglob("*.wandb")) - files:
        read_file(file, runs)
    rows = sum(len(run.rows("loss")) for run in runs.values())
    return f"{rows} of {expected} rows"


def _often(make: Callable[[], Any], config: dict[str, object], folder: Path) -> str:
    """The best of three: on a busy machine Ray's callback now and then loses the rows of a right run too."""
    seen = ""
    for attempt in range(3):
        seen = seen_by_tune(make, config, folder / str(attempt))
        if not seen.startswith("0 of"):
            break
    return seen


def _making(kind: Callable[..., Any], words: Mapping[Any, Any]) -> Callable[[], Any]:
    return lambda: kind(**words)


def _environment(home: Path, mode: str) -> dict[str, str]:
    """An environment in which wandb knows nothing of its user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    words = {"ERROR_REPORTING": "false", "SILENT": "true", "CONFIG_DIR": f"{home}/config", "DIR": str(home)}
    words |= {"MODE": mode} if mode else {}
    own = {"NETRC": f"{home}/netrc", "RAY_AIR_NEW_OUTPUT": "0", "PYTHONPATH": str(SEEN.parents[1])}
    return {**kept, **{f"WANDB_{name}": word for name, word in words.items()}, **own}


def _in_ray(home: Path, see: Callable[[Mapping[str, Any]], None]) -> None:
    """See something under a small Ray, with the names that the mistakes' sources use."""
    import ray
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback

    from typed_tune_wandb import WandbLogger

    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    os.chdir(home)
    see(
        {
            "tune": tune,
            "SimpleNamespace": SimpleNamespace,
            "WandbLoggerCallback": WandbLoggerCallback,
            "WandbLogger": WandbLogger,
        }
    )
    ray.shutdown()


def _see_entries(home: Path, titles: list[str]) -> dict[str, dict[str, str]]:
    """Mistakes in an entry, by Ray's callback and by wandb.init."""
    entries = {RIGHT: {}, **{mistake.title: mistake.value() for mistake in MISTAKES}}
    seen: dict[str, dict[str, str]] = {}

    def see(names: Mapping[str, Any]) -> None:
        for title in titles:
            words = {"project": "mnist", **entries[title]}
            theirs = _often(_making(names["WandbLoggerCallback"], words), {"lr": 0.1}, home / str(len(seen)))
            seen[title] = {"ray": theirs, "init": seen_by_init(words)}

    _in_ray(home, see)
    return seen


def _see_around(home: Path, title: str, who: str) -> str:
    """One mistake beside the entry, by one of the three."""
    around = next(around for around in AROUND if around.title == title)
    source = {"ours": around.ours, "ray": around.ray, "init": around.init}[who] or ""
    if who == "init":
        return seen_by_init(eval(source))
    seen = []
    _in_ray(
        home,
        lambda names: seen.append(_often(lambda: eval(source, {**names}), eval(around.config, {**names}), home / "x")),
    )
    return seen[0]


def _elsewhere(mode: str, see: Callable[..., object], *arguments: object) -> Any:
    """What a function of this module sees in a process of its own: wandb reads its environment but once."""
    home = Path(tempfile.mkdtemp())
    code = f"import json, pathlib, benchmarks.mistakes as m; seen = m.{see.__name__}(pathlib.Path({str(home)!r}), "
    code += f"*{list(arguments)!r}); print(json.dumps(seen))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=_environment(home, mode),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    print(*arguments, seen, flush=True)
    return seen


def main(titles: Collection[str]) -> None:
    """See the mistakes with these titles, or all, and write it down."""
    record = json.loads(SEEN.read_text(encoding="utf-8"))
    entries = [RIGHT, *(mistake.title for mistake in MISTAKES)]
    seen = {title: record["seen"].get(title, {}) for title in [*entries, *(around.title for around in AROUND)]}
    for title in set(titles) - set(seen):
        raise SystemExit(f"no such mistake: {title}")
    chosen = [title for title in entries if title in (titles or entries)]
    seen.update(_elsewhere("offline", _see_entries, chosen) if chosen else {})
    for around in AROUND:
        if not titles or around.title in titles:
            present = [who for who in ("ours", "ray", "init") if getattr(around, who) is not None]
            seen[around.title] = {who: _elsewhere(around.mode, _see_around, around.title, who) for who in present}
    versions = {name: version(name) for name in ("ray", "wandb")}
    if titles and versions != record["versions"]:
        raise SystemExit(f"the others were seen with {record['versions']}, not {versions}: see all of them anew")
    SEEN.write_text(json.dumps({"versions": versions, "seen": seen}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
