"""Writes the output of docs/tutorial.md anew: ``python -m tests.support.tutorial``."""

from __future__ import annotations

import os
import tempfile

from tests.support.pages import TUTORIAL, rendered
from tests.wandb_server.fixture import API_KEY
from tests.wandb_server.server import WandbServer


def main() -> None:
    """Run the tutorial in a folder of its own, against a server of its own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]
    with WandbServer() as server, tempfile.TemporaryDirectory() as folder:
        environment = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": API_KEY, "WANDB_ERROR_REPORTING": "false"}
        os.environ.update(RAY_ADDRESS="local", RAY_USAGE_STATS_ENABLED="0")
        os.chdir(folder)
        TUTORIAL.write_text(rendered(TUTORIAL.read_text(encoding="utf-8"), environment), encoding="utf-8")


if __name__ == "__main__":
    main()
