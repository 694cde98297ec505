"""The process that creates or finishes a sweep, by wandb's public function and command."""

from __future__ import annotations

import io
import json
import os
import re
import runpy
import sys
import threading
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, Final

from typed_tune_wandb._service import stop_service
from typed_tune_wandb.recording._sweep_file import RESULT_FILE, TIMEOUT_S

_URL: Final = re.compile(r"^Sweep URL: (\S+)", re.MULTILINE)


def main(folder: str) -> None:
    """Do what is in the folder's ``request.json``, with the API key from standard input; write down what came of it.

    Args:
        folder: The folder, in which the result is written.
    """
    place = Path(folder)
    asked = json.loads((place / "request.json").read_text("utf-8"))
    if key := sys.stdin.read():
        os.environ["WANDB_API_KEY"] = key
    if asked["base_url"]:
        os.environ["WANDB_BASE_URL"] = asked["base_url"]

    import wandb  # noqa: F401  # from a slow disk it takes a while, for which the server is not to blame

    def give_up() -> None:
        _write(place, {"problem": f"the server gave no answer within {TIMEOUT_S:.0f} s"})
        os._exit(1)

    timer = threading.Timer(TIMEOUT_S, give_up)
    timer.daemon = True
    timer.start()
    try:
        result = _finish(asked["finish"]) if asked["finish"] else _create(asked)
    except BaseException as error:  # of wandb, which also raises SystemExit
        result = {"problem": f"{type(error).__name__}: {' '.join(str(error).split())}"}
    timer.cancel()
    _write(place, result)
    stop_service()


def _create(asked: dict[str, Any]) -> dict[str, Any]:
    import wandb

    with redirect_stdout(io.StringIO()) as printed:
        sweep_id = wandb.sweep(
            asked["config"], entity=asked["entity"], project=asked["project"], prior_runs=asked["prior_runs"] or None
        )
    url = _URL.search(printed.getvalue())
    # wandb.sweep leaves the entity that the server has chosen in this variable, for agents.
    return {"id": sweep_id, "url": url and url[1], "entity": os.environ.get("WANDB_ENTITY")}


def _finish(path: str) -> dict[str, Any]:
    sys.argv = ["wandb", "sweep", "--stop", path]
    try:
        runpy.run_module("wandb", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"wandb sweep --stop has ended with exit code {end.code}") from None
    return {}


def _write(folder: Path, result: dict[str, Any]) -> None:
    """Write the result; whoever reads it finds all of it. Nobody may be there any more."""
    with suppress(OSError):
        part = folder / f"{RESULT_FILE}.part"
        part.write_text(json.dumps(result), "utf-8")
        part.replace(folder / RESULT_FILE)
