"""What W&B does with what it is sent, without HTTP: runs, their streams and files.

Answers hold every field a client may have asked for: clients skip those they did not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote, unquote

from tests.wandb_server import older
from tests.wandb_server.artifacts import ArtifactStore
from tests.wandb_server.records import JsonObject, NotFoundError, ServerRun, project_fields
from tests.wandb_server.sweeps import SweepStore

NO_PROJECT = "uncategorized"


class Backend:
    """All that was sent, in memory. Not thread-safe: the server calls it under its lock.

    Nothing is ever deleted. A run whose id comes again is told how many history rows there are,
    with and without `resume`, and wandb-core goes on after them; W&B's documentation says
    that it overwrites a run that comes again without `resume`.

    Args:
        entity: Entity of the user whom every key belongs to.
        url: Called for the address under which clients reach the server.
    """

    def __init__(self, entity: str, url: Callable[[], str]) -> None:
        self.entity = entity
        self.runs: dict[tuple[str, str, str], ServerRun] = {}
        self.artifacts = ArtifactStore(self._storage_url)
        self.sweeps = SweepStore(entity)
        self._url = url
        self._operations: dict[str, Callable[[JsonObject], JsonObject]] = {
            "Viewer": self._viewer,
            "GetDefaultEntity": self._viewer,
            "ServerFeaturesQuery": lambda _: {"serverInfo": {"features": []}},
            "OrganizationCoreWeaveOrganizationID": lambda _: {"entity": None},
            "UpsertBucket": self._upsert_bucket,
            "RunResumeStatus": self._run_resume_status,
            "Run": self._public_run,
            "CreateRunFiles": self._create_run_files,
            "RunUploadUrls": self._run_upload_urls,
            "UseArtifact": self._use_artifact,
            **self.artifacts.operations,
            **self.sweeps.operations,
            **older.OPERATIONS,
        }

    def knows(self, operation: str) -> bool:
        """Whether the server speaks this GraphQL operation."""
        return operation in self._operations

    def execute(self, operation: str, variables: JsonObject) -> JsonObject:
        """Carry out a GraphQL operation and return its `data`."""
        # Clients pass the same fields as variables or in one variable `input`.
        return self._operations[operation](variables | (variables.get("input") or {}))

    # Runs

    def run(self, entity: str, project: str, run_id: str) -> ServerRun:
        """The run of that entity, project and id."""
        try:
            return self.runs[entity, project, run_id]
        except KeyError:
            raise NotFoundError(f"run {entity}/{project}/{run_id} not found") from None

    def file_stream(self, entity: str, project: str, run_id: str, posted: JsonObject) -> JsonObject:
        """Store the lines of one post to a run's file stream."""
        run = self.run(entity, project, run_id)
        lines = {
            "wandb-history.jsonl": run.history_lines,
            "wandb-events.jsonl": run.event_lines,
            "wandb-summary.json": run.summary_lines,
            "output.log": run.output_lines,
        }
        for name, chunk in posted.get("files", {}).items():
            lines[name].write(chunk["offset"], chunk["content"])
        if posted.get("complete"):
            run.finished = True
            run.exit_codes.append(posted["exitcode"])
        return {"limits": {}, "stopped": run.stopped}

    def _viewer(self, _: JsonObject) -> JsonObject:
        viewer = {
            "id": "VXNlcjox",
            "entity": self.entity,
            "username": self.entity,
            "email": "user@example.org",
            "flags": "{}",
            "teams": {"edges": [{"node": {"name": self.entity}}]},
        }
        return {"viewer": viewer}

    def _upsert_bucket(self, asked: JsonObject) -> JsonObject:
        entity = asked.get("entity") or self.entity
        project = asked.get("project") or NO_PROJECT
        if asked.get("id"):  # wandb.Api names a run so
            entity, project, asked["name"] = asked["id"].split("/")
        key = entity, project, asked["name"]
        inserted = key not in self.runs
        run = self.runs.setdefault(key, ServerRun(asked["name"], project, entity))
        if inserted or (run.finished and not asked.get("id")):
            run.opened += 1
            run.finished = False
        run.display_name = asked.get("displayName") or run.display_name or run.id
        run.group = asked.get("groupName") or run.group
        run.job_type = asked.get("jobType") or run.job_type
        run.host = asked.get("host") or run.host
        run.sweep = asked.get("sweep") or run.sweep
        run.program = asked.get("program") or run.program
        run.commit = asked.get("commit") or run.commit
        run.config_json = asked.get("config") or run.config_json
        if asked.get("notes") is not None:
            run.notes = asked["notes"]
        if asked.get("tags") is not None:
            run.tags = asked["tags"]
        if asked.get("summaryMetrics"):
            run.summary_lines.write(len(run.summary_lines), [asked["summaryMetrics"]])
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": inserted}}

    def _public_run(self, asked: JsonObject) -> JsonObject:
        run = self.runs.get((asked["entity"], asked["project"], asked["name"]))
        user = {"name": "u", "username": "u"}
        more = {"projectId": "1", "commit": None, "readOnly": False, "user": user}
        fields = run and {**self._bucket(run), **more}
        return {"project": {"run": fields}}

    def _run_resume_status(self, asked: JsonObject) -> JsonObject:
        entity, project = asked.get("entity") or self.entity, asked["project"]
        run = self.runs.get((entity, project, asked["name"]))
        if run is not None:
            run.resumed += 1
        bucket = self._bucket(run) if run else None
        return {"model": project_fields(entity, project) | {"bucket": bucket}}

    def _bucket(self, run: ServerRun) -> JsonObject:
        started = {key: value for key, value in run.config.get("_wandb", {}).items() if key == "t"}
        return {
            "id": run.storage_id,
            "name": run.id,
            "displayName": run.display_name,
            "description": None,
            "sweepName": None,
            "project": project_fields(run.entity, run.project),
            "config": run.config_json,
            "wandbConfig": json.dumps(started),
            "summaryMetrics": json.dumps(run.summary),
            "historyTail": json.dumps(run.history_lines.texts[-1:]),
            "historyLineCount": len(run.history_lines),
            "eventsTail": json.dumps(run.event_lines.texts[-1:]),
            "eventsLineCount": len(run.event_lines),
            "logLineCount": len(run.output_lines),
            "tags": run.tags,
            "state": run.state,
            "group": run.group,
            "jobType": run.job_type,
            "notes": run.notes,
        }

    # Files

    def upload(self, path: str, content: bytes) -> None:
        """Store what was put under a storage address."""
        kind, *parts = _storage_parts(path)
        if kind == "run":
            entity, project, run_id, name = parts
            self.run(entity, project, run_id).files[name] = content
        elif kind == "manifest":
            self.artifacts.upload_manifest(parts[0], content)
        else:
            self.artifacts.upload_blob(content)

    def download(self, path: str) -> bytes:
        """What is stored under a storage address."""
        kind, *parts = _storage_parts(path)
        if kind == "run":
            entity, project, run_id, name = parts
            return self.run(entity, project, run_id).files[name]
        if kind == "manifest":
            return self.artifacts.download_manifest(parts[0])
        return self.artifacts.download_blob(parts[0])

    def _storage_url(self, *parts: str) -> str:
        return "/".join([self._url(), "storage", *(quote(part, safe="") for part in parts)])

    def _create_run_files(self, asked: JsonObject) -> JsonObject:
        run = self.run(asked["entity"], asked["project"], asked["run"])
        where = ("run", run.entity, run.project, run.id)
        files = [{"name": name, "uploadUrl": self._storage_url(*where, name)} for name in asked["files"]]
        created = {"runID": run.storage_id, "uploadHeaders": [], "files": files}
        return {"createRunFiles": created}

    def _run_upload_urls(self, asked: JsonObject) -> JsonObject:
        """The same for ``wandb sync`` of wandb 0.19."""
        created = self._create_run_files({**asked, "project": asked["name"]})["createRunFiles"]
        edges = [{"node": file} for file in created["files"]]
        bucket = {"id": created["runID"], "files": {"uploadHeaders": [], "edges": edges}}
        return {"model": {"bucket": bucket}}

    def _use_artifact(self, asked: JsonObject) -> JsonObject:
        run = self.run(asked["entityName"], asked["projectName"], asked["runName"])
        run.used_artifacts.append(asked["artifactID"])
        return {"useArtifact": {"artifact": {"id": asked["artifactID"]}}}


def _storage_parts(path: str) -> list[str]:
    return [unquote(part) for part in path.removeprefix("/storage/").split("/")]
