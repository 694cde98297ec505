"""A W&B server in memory: tests run the real wandb client online against it."""

from tests.wandb_server.faults import Fault, Faults
from tests.wandb_server.records import ArtifactVersion, Lines, Request, ServerRun
from tests.wandb_server.server import WandbServer

__all__ = [
    "ArtifactVersion",
    "Fault",
    "Faults",
    "Lines",
    "Request",
    "ServerRun",
    "WandbServer",
]
