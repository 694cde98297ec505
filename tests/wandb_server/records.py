"""What the server keeps: runs, artifacts, and the requests that brought them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]


class NotFoundError(Exception):
    """A client named something that is not there."""


def project_fields(entity: str, name: str) -> JsonObject:
    """A project as GraphQL answers hold it."""
    entity_fields = {"id": entity, "name": entity}
    project = f"{entity}/{name}"
    return {"id": project, "internalId": project, "name": name, "entityName": entity, "entity": entity_fields}


@dataclass
class Request:
    """One HTTP request of a client.

    Attributes:
        time: Seconds since the epoch at which the request had been read.
        operation: Name of the GraphQL operation, or `file_stream`, `upload`, `download`.
        run: Id of the run it is about, where it names one.
        key: API key it carried.
        variables: GraphQL variables, or the body of a `file_stream` post.
        status: HTTP status of the answer; None while there is none, and for good if it was lost.
    """

    time: float
    method: str
    path: str
    operation: str
    run: str | None = None
    key: str | None = None
    variables: JsonObject = field(default_factory=dict, repr=False)
    status: int | None = None


@dataclass
class Lines:
    """Lines of a streamed file by offset: an offset that is sent again overwrites.

    Attributes:
        resent: How many lines came again as they were.
        overwritten: Offsets whose line was replaced by another one.
    """

    resent: int = 0
    overwritten: list[int] = field(default_factory=list)
    _by_offset: dict[int, str] = field(default_factory=dict, repr=False)

    def write(self, offset: int, content: list[str]) -> None:
        """Store `content` from line `offset` on."""
        for number, line in enumerate(content, start=offset):
            known = self._by_offset.get(number)
            if known == line:
                self.resent += 1
            elif known is not None:
                self.overwritten.append(number)
            self._by_offset[number] = line

    def __len__(self) -> int:
        """Number of the line that comes next."""
        return max(list(self._by_offset), default=-1) + 1

    @property
    def texts(self) -> list[str]:
        """The lines, in the order of their offsets."""
        return [line for _, line in sorted(self._by_offset.copy().items())]

    @property
    def rows(self) -> list[JsonObject]:
        """The lines, decoded."""
        return [json.loads(line) for line in self.texts]

    @property
    def missing(self) -> list[int]:
        """Offsets below the last one for which no line came."""
        known = self._by_offset.copy()
        return [offset for offset in range(max(known, default=-1)) if offset not in known]


@dataclass
class ServerRun:
    """One run, as the server knows it.

    Attributes:
        sweep: Id of the sweep that it belongs to.
        opened: How often a client created the run, or reopened it after it was complete.
        resumed: How often a client was told that the run exists and where it stands.
        exit_codes: Exit code of every time the run was completed.
        finished: Whether the run is complete now.
        stopped: Set it to ask the client to stop the run, as W&B's stop button does.
        files: Content of the uploaded files by name.
        used_artifacts: Ids of the artifact versions the run took as input.
    """

    id: str
    project: str
    entity: str
    display_name: str | None = None
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    tags: list[str] = field(default_factory=list)
    host: str | None = None
    program: str | None = None
    commit: str | None = None
    sweep: str | None = None
    config_json: str = field(default="{}", repr=False)
    opened: int = 0
    resumed: int = 0
    exit_codes: list[int] = field(default_factory=list)
    finished: bool = False
    stopped: bool = False
    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    used_artifacts: list[str] = field(default_factory=list)
    history_lines: Lines = field(default_factory=Lines, repr=False)
    event_lines: Lines = field(default_factory=Lines, repr=False)
    output_lines: Lines = field(default_factory=Lines, repr=False)
    summary_lines: Lines = field(default_factory=Lines, repr=False)

    @property
    def storage_id(self) -> str:
        """The id by which the server itself calls the run."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def config(self) -> JsonObject:
        """The run's config, decoded, with W&B's own `_wandb`."""
        return {key: entry["value"] for key, entry in json.loads(self.config_json).items()}

    @property
    def history(self) -> list[JsonObject]:
        """All rows in the order of their offsets."""
        return self.history_lines.rows

    @property
    def summary(self) -> JsonObject:
        """The run's summary."""
        rows = self.summary_lines.rows
        return rows[-1] if rows else {}

    @property
    def events(self) -> list[JsonObject]:
        """The rows of system metrics."""
        return self.event_lines.rows

    @property
    def output(self) -> list[str]:
        """The lines of the console, each with W&B's level and timestamp before it."""
        return self.output_lines.texts

    @property
    def exit_code(self) -> int | None:
        """Exit code of the run if it is complete."""
        return self.exit_codes[-1] if self.finished else None

    @property
    def state(self) -> str:
        """`running`, `finished` or `failed`."""
        if not self.finished:
            return "running"
        return "finished" if self.exit_code == 0 else "failed"


@dataclass
class ArtifactVersion:
    """One version of an artifact.

    Attributes:
        index: 0 for `v0`.
        run: Id of the run that logged it.
        committed: Whether the client completed the upload.
        manifest: The uploaded manifest, decoded.
        files: Content of the uploaded files by their path in the artifact.
    """

    id: str
    name: str
    type: str
    project: str
    entity: str
    digest: str
    index: int
    run: str | None = None
    description: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    history_step: int | None = None
    committed: bool = False
    manifest: JsonObject = field(default_factory=dict, repr=False)
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def entries(self) -> dict[str, JsonObject]:
        """The manifest's entries by path: `digest`, `size`, and `ref` for a reference."""
        entries: dict[str, JsonObject] = self.manifest.get("contents", {})
        return entries

    @property
    def references(self) -> dict[str, str]:
        """The URIs of the reference entries by path."""
        return {path: entry["ref"] for path, entry in self.entries.items() if "ref" in entry}
