"""What faults of the network, the server and the machine cost a Tune experiment: rows, and the time of Tune's loop.

Real experiments, online against the W&B server of the tests, one after the other in one Ray session; each meets its
fault in the middle. Run it from the root of the repository: ``python -m benchmarks.online_faults``; Linux only.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.common import conditions, process_tree, table
from benchmarks.tune_overhead import timed
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from tests.wandb_server.fixture import environment

_TRIALS: Final = 4
# Rows go up after a second, as they do after 15 by default; wandb-core cuts seconds down to whole ones.
_FAST: Final[dict[str, object]] = {
    "x_file_stream_transmit_interval": 1,
    "x_file_stream_retry_wait_min_seconds": 1,
    "x_file_stream_retry_wait_max_seconds": 1,
}


def train(config: dict[str, Any]) -> None:
    """A trial that reports rows at a steady pace."""
    from ray import tune

    for row in range(config["rows"]):
        tune.report({f"metric{index}": row / (index + 1) for index in range(20)})
        time.sleep(config["pause"])


def kill(kind: str) -> None:
    """Kill this process' recorder or its wandb-core."""
    for process in process_tree(os.getpid()):
        if process.kind == kind:
            os.kill(process.pid, signal.SIGKILL)


def middle_faults(server: WandbServer) -> dict[str, Callable[[], object]]:
    """What happens when the trials have reported some rows."""
    add = server.faults.add
    return {
        "none": lambda: None,
        "server down for 20 s": lambda: server.go_down_for(20),
        "500 to 5 uploads": lambda: add(Fault("file_stream", status=500, times=5)),
        "429 to 5 uploads": lambda: add(Fault("file_stream", status=429, retry_after=1, times=5)),
        "5 connections dropped": lambda: add(Fault("file_stream", drop=True, times=5)),
        "5 answers lost": lambda: add(Fault("file_stream", lose_answer=True, times=5)),
        "uploads take 5 s each": lambda: add(Fault("file_stream", delay=5, times=5)),
        "key refused (401) from now on": lambda: add(Fault("file_stream", status=401)),
        "wandb-core killed": lambda: kill("wandb-core"),
        "recorder's process killed": lambda: kill("recorder"),
    }


def first_faults(server: WandbServer) -> dict[str, Callable[[], object]]:
    """What is so from the beginning."""
    return {
        "every run opens 5 s late": lambda: server.faults.add(Fault("UpsertBucket", delay=5, times=_TRIALS)),
        "no permission (403)": lambda: server.faults.add(Fault("UpsertBucket", status=403)),
    }


def experiment(
    server: WandbServer, folder: Path, begin: Callable[[], object], fault: Callable[[], object]
) -> list[str]:
    """Run one experiment; its figures."""
    from ray import tune
    from ray.tune import Callback

    from typed_tune_wandb import WandbLogger

    reported: list[str] = []

    class Counter(Callback):
        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            reported.append(trial.trial_id)

    def strike() -> None:
        while len(reported) < _TRIALS * 40:
            time.sleep(0.05)
        fault()

    # Tune pickles its callbacks: the fault, which knows the server, is none of them.
    threading.Thread(target=strike, daemon=True).start()
    spent: dict[str, list[float]] = defaultdict(list)
    logger = timed(WandbLogger, spent)(project="p", settings=_FAST, upload_timeout=60, dir=folder)
    begin()
    tune.Tuner(
        tune.with_resources(train, {"cpu": 0.01}),
        param_space={"rows": 120, "pause": 0.1, "trial": tune.grid_search(list(range(_TRIALS)))},
        run_config=tune.RunConfig(callbacks=[logger, Counter()], storage_path=str(folder / "ray"), verbose=0),
    ).fit()
    server.faults.clear()
    own = {info.id for info in logger.runs.values()}
    rows = {run_id: run.history for run_id, run in server.runs.items() if run_id in own}
    once = sum(len({row["training_iteration"] for row in history}) for history in rows.values())
    twice = sum(len(history) for history in rows.values()) - once
    named = sum(record.rows for record in logger.runs.values() if record.problem is not None)
    # setup and verify come before the first trial
    checks = sum(spent["setup"]) + max(spent["on_step_begin"])
    loop = [seconds for event in spent if event.startswith("on_trial") for seconds in spent[event]]
    return [
        str(len(reported)),
        str(once),
        str(twice),
        str(named),
        f"{max(loop) * 1e3:.1f}",
        f"{checks:.2f}",
        f"{sum(spent['on_experiment_end']):.1f}",
    ]


def time_to_fail(folder: Path, **settings: Any) -> str:
    """Seconds until an experiment that cannot be recorded ends, and by what."""
    from ray import tune

    from typed_tune_wandb import WandbLogger

    began = time.perf_counter()
    try:
        tune.Tuner(
            train,
            param_space={"rows": 1, "pause": 0},
            run_config=tune.RunConfig(
                callbacks=[WandbLogger(project="p", dir=folder, **settings)],
                storage_path=str(folder / "ray"),
                verbose=0,
            ),
        ).fit()
    except Exception as error:
        return f"{type(error).__name__} after {time.perf_counter() - began:.1f} s"
    return "it did not fail"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without a fault only: whether it works")
    options = parser.parse_args()
    import ray

    logging.getLogger("typed_tune_wandb").setLevel(logging.CRITICAL)
    with WandbServer() as server, tempfile.TemporaryDirectory(prefix="online-faults-") as folder:
        os.environ.update(environment(server), WANDB_SILENT="true", RAY_AIR_NEW_OUTPUT="0")
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        lines = []
        nothing: Callable[[], object] = lambda: None  # noqa: E731  # a name for both places
        faults = [(name, nothing, fault) for name, fault in middle_faults(server).items()]
        faults += [(name, begin, nothing) for name, begin in first_faults(server).items()]
        for number, (name, begin, fault) in enumerate(faults[:1] if options.quick else faults):
            lines.append([name, *experiment(server, Path(folder, str(number)), begin, fault)])
            print(*lines[-1], file=sys.stderr, sep=", ")
        print(f"{conditions('benchmarks.online_faults')}; {_TRIALS} trials of 120 rows, 10 a second\n")
        header = [
            *("fault", "rows reported", "on the server once", "twice", "in local files that are named"),
            *("longest call in Tune's loop (ms)", "check before the first trial (s)", "wait at the end (s)"),
        ]
        print(table(header, lines))
        server.refused_keys.add("f" * 40)
        print(f"\nWrong key: {time_to_fail(Path(folder), api_key='f' * 40)}.")
        server.go_down()
        if not options.quick:
            print(f"No server: {time_to_fail(Path(folder))}.")
        ray.shutdown()


if __name__ == "__main__":
    main()
