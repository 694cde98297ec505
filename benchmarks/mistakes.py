"""When each mistake of ``tests/mistakes.py`` is found by Ray's WandbLoggerCallback, by wandb.init, and by this library.

    python -m benchmarks.mistakes

Runs a real Tune experiment for each mistake that the callback's construction does not tell, and a real ``wandb.init``;
offline, some minutes. Writes what it saw to ``tests/mistakes_seen.json``, from which ``tests/test_mistakes.py`` makes
docs/mistakes.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

SEEN: Final = Path(__file__).parents[1] / "tests" / "mistakes_seen.json"
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

    from tests.offline import OfflineRun, read_file

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


def main() -> None:
    """See all of them, and write it down."""
    home = Path(tempfile.mkdtemp())
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]
    os.environ.update(WANDB_ERROR_REPORTING="false", WANDB_SILENT="true", NETRC=str(home / "netrc"))
    os.environ.update(WANDB_CONFIG_DIR=str(home / "config"), RAY_AIR_NEW_OUTPUT="0", WANDB_MODE="offline")
    os.environ["WANDB_DIR"] = str(home)
    import ray
    import wandb
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback

    from tests.mistakes import AROUND, MISTAKES
    from typed_tune_wandb import WandbLogger

    names = {"tune": tune, "WandbLoggerCallback": WandbLoggerCallback, "WandbLogger": WandbLogger}
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    seen: dict[str, dict[str, str]] = {}
    os.chdir(home)
    for index, mistake in enumerate(MISTAKES):
        entry: dict[Any, Any] = mistake.value()
        folder = home / f"m{index}"
        words: dict[Any, Any] = {"project": "mnist", **entry}
        seen[mistake.title] = {
            "ray": seen_by_tune(lambda w=words: WandbLoggerCallback(**w), {"lr": 0.1}, folder),  # type: ignore[misc]
            "init": seen_by_init(words),
        }
        print(mistake.title, seen[mistake.title], file=sys.stderr, flush=True)
    for index, around in enumerate(AROUND):
        os.environ["WANDB_MODE"] = around.mode
        if not around.mode:
            del os.environ["WANDB_MODE"]
        folder, config = home / f"a{index}", eval(around.config, dict(names))
        ours = seen_by_tune(lambda a=around: eval(a.ours, dict(names)), config, folder / "ours")  # type: ignore[misc]
        theirs = around.ray and seen_by_tune(lambda a=around: eval(a.ray, dict(names)), config, folder / "ray")  # type: ignore[misc]
        init = around.init and seen_by_init(eval(around.init))
        seen[around.title] = {"ours": ours, **({"ray": theirs} if theirs else {}), **({"init": init} if init else {})}
        print(around.title, seen[around.title], file=sys.stderr, flush=True)
    ray.shutdown()
    versions = {"ray": ray.__version__, "wandb": wandb.__version__}
    SEEN.write_text(json.dumps({"versions": versions, "seen": seen}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
