"""What W&B does with sweeps, as far as a client can tell: they have a configuration, a state, and runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from tests.wandb_server.records import JsonObject, NotFoundError, project_fields


@dataclass
class ServerSweep:
    """One sweep, as the server knows it.

    Attributes:
        state: ``PENDING`` until a client sets another.
        prior_runs: Ids of the runs that the server had before, and that the client has added.
    """

    id: str
    project: str
    entity: str
    config: JsonObject
    state: str = "PENDING"
    prior_runs: list[str] = field(default_factory=list)

    @property
    def storage_id(self) -> str:
        """The id by which the server itself calls the sweep."""
        return f"sweep/{self.entity}/{self.project}/{self.id}"


class SweepStore:
    """All sweeps. Not thread-safe."""

    def __init__(self, entity: str) -> None:
        self.sweeps: list[ServerSweep] = []
        self.operations: dict[str, Callable[[JsonObject], JsonObject]] = {
            "UpsertSweep": self._upsert_sweep,
            "SweepWithRuns": self._sweep_with_runs,
        }
        self._entity = entity

    def _upsert_sweep(self, asked: JsonObject) -> JsonObject:
        if asked.get("id"):
            sweep = next((sweep for sweep in self.sweeps if sweep.storage_id == asked["id"]), None)
            if sweep is None:
                raise NotFoundError(f"sweep {asked['id']} not found")
        else:
            project, entity = asked.get("projectName") or "uncategorized", asked.get("entityName") or self._entity
            sweep = ServerSweep(f"sweep{len(self.sweeps)}", project, entity, yaml.safe_load(asked["config"]))
            self.sweeps.append(sweep)
        sweep.state = asked.get("state") or sweep.state
        filters = json.loads(asked.get("priorRunsFilters") or "{}")
        sweep.prior_runs += [run["name"] for run in filters.get("$or", [])]
        found = {"id": sweep.storage_id, "name": sweep.id, "project": project_fields(sweep.entity, sweep.project)}
        return {"upsertSweep": {"sweep": found, "configValidationWarnings": []}}

    def _sweep_with_runs(self, asked: JsonObject) -> JsonObject:
        place = asked.get("entity") or self._entity, asked["project"], asked["sweep"]
        sweep = next((item for item in self.sweeps if (item.entity, item.project, item.id) == place), None)
        if sweep is None:
            return {"project": {"sweep": None}}
        fields = {
            "id": sweep.storage_id,
            "name": sweep.id,
            "method": sweep.config["method"],
            "state": sweep.state,
            "description": None,
            "config": yaml.safe_dump(sweep.config),
            "createdAt": "2026-01-01T00:00:00Z",
            "heartbeatAt": None,
            "updatedAt": None,
            "earlyStopJobRunning": False,
            "bestLoss": None,
            "controller": None,
            "scheduler": None,
            "runs": {"edges": []},
        }
        return {"project": {"sweep": fields}}
