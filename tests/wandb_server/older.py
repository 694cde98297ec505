"""What older wandb clients ask for besides; seen in wandb 0.19 to 0.30."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Operation = Callable[[dict[str, Any]], dict[str, Any]]

# Which fields the server's types have: one that has none of them is asked in the simplest way.
OPERATIONS: Mapping[str, Operation] = {
    "ProbeServerCapabilities": lambda _: {
        name: {"fields": []} for name in ("QueryType", "MutationType", "ServerInfoType")
    },
    "ProbeServerSettings": lambda _: {"ServerSettingsType": {"fields": []}},
    "ProbeServerArtifact": lambda _: {"ArtifactInfoType": {"fields": []}},
    "ProbeServerCreateArtifactInput": lambda _: {"CreateArtifactInputInfoType": {"inputFields": []}},
    "ProbeRunInput": lambda _: {"RunType": {"fields": []}},
    "InputFields": lambda _: {"TypeInfo": {"inputFields": []}},
    "TypeFields": lambda _: {"TypeInfo": {"fields": []}},
    "TypeInfo": lambda asked: {"__type": {"name": asked["name"], "fields": [], "inputFields": None}},
    "RunStoppedStatus": lambda _: {"project": {"run": {"stopped": False}}},
}
