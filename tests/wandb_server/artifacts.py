"""What W&B does with artifacts: versions, aliases, manifests and the bytes of their files."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable

from tests.wandb_server.records import ArtifactVersion, JsonObject, NotFoundError, project_fields


class ArtifactStore:
    """All artifact versions and the content of their files. Not thread-safe.

    Args:
        storage_url: Called with the parts of a path for the address to put or get a file.
    """

    def __init__(self, storage_url: Callable[..., str]) -> None:
        self.versions: list[ArtifactVersion] = []
        self.operations: dict[str, Callable[[JsonObject], JsonObject]] = {
            "XXHashDigestsEnabled": lambda _: {"entity": {"xxhashDigestsEnabled": False}},
            "CreateArtifact": self._create_artifact,
            "CreateArtifactManifest": self._create_artifact_manifest,
            "CreateArtifactFiles": self._create_artifact_files,
            "CommitArtifact": self._commit_artifact,
            "ClientIDMapping": self._client_id_mapping,
            "ArtifactType": self._artifact_type,
            "ArtifactByID": self._artifact_by_id,
            "ArtifactByIDShort": self._artifact_by_id,
            "ArtifactMembershipByName": self._artifact_membership_by_name,
            "AddAliases": self._add_aliases,
            "DeleteAliases": self._delete_aliases,
            "UpdateArtifact": self._update_artifact,
            "FetchArtifactManifest": self._fetch_artifact_manifest,
            "GetArtifactMembershipFileUrls": self._get_artifact_membership_file_urls,
        }
        self._storage_url = storage_url
        self._blobs: dict[str, bytes] = {}
        self._client_ids: dict[str, str] = {}

    def upload_manifest(self, artifact_id: str, content: bytes) -> None:
        """Store the manifest of a version."""
        self._by_id(artifact_id).manifest = json.loads(content)

    def upload_blob(self, content: bytes) -> None:
        """Store the content of a file under its own digest, whatever the client says that is."""
        self._blobs[base64.b64encode(hashlib.md5(content).digest()).decode()] = content

    def download_manifest(self, artifact_id: str) -> bytes:
        """The manifest of a version."""
        return json.dumps(self._by_id(artifact_id).manifest).encode()

    def download_blob(self, digest: str) -> bytes:
        """The content of a file."""
        return self._blobs[digest]

    def _by_id(self, artifact_id: str) -> ArtifactVersion:
        for version in self.versions:
            if version.id == artifact_id:
                return version
        raise NotFoundError(f"artifact {artifact_id} not found")

    def _collection(self, entity: str, project: str, name: str) -> list[ArtifactVersion]:
        place = entity, project, name
        return [version for version in self.versions if (version.entity, version.project, version.name) == place]

    def _by_alias(self, asked: JsonObject, name: str, alias: str) -> ArtifactVersion | None:
        for version in self._collection(asked["entity"], asked["project"], name):
            if alias in (f"v{version.index}", *version.aliases):
                return version
        return None

    # Logging an artifact

    def _create_artifact(self, asked: JsonObject) -> JsonObject:
        name = asked["artifactCollectionName"]
        collection = self._collection(asked["entityName"], asked["projectName"], name)
        committed = [version for version in collection if version.committed]
        same = [version for version in committed if version.digest == asked["digest"]]
        if same and asked.get("enableDigestDeduplication"):
            version = same[-1]
        else:
            version = ArtifactVersion(
                id=base64.b64encode(f"Artifact:{len(self.versions)}".encode()).decode(),
                name=name,
                type=asked["artifactTypeName"],
                project=asked["projectName"],
                entity=asked["entityName"],
                digest=asked["digest"],
                index=len(collection),
                run=asked.get("runName"),
                description=asked.get("description"),
                metadata=json.loads(asked.get("metadata") or "{}"),
                tags=[tag["tagName"] for tag in asked.get("tags") or []],
                history_step=asked.get("historyStep"),
            )
            self.versions.append(version)
        self._client_ids[asked["clientID"]] = version.id
        moving = [alias["alias"] for alias in asked.get("aliases") or []]
        for other in collection:
            other.aliases = [alias for alias in other.aliases if alias not in moving]
        version.aliases += moving
        created = {
            "id": version.id,
            "state": _state(version),
            "artifactSequence": {"latestArtifact": {"id": committed[-1].id} if committed else None},
        }
        return {"createArtifact": {"artifact": created}}

    def _create_artifact_manifest(self, asked: JsonObject) -> JsonObject:
        version = self._by_id(asked["artifactID"])
        url = self._storage_url("manifest", version.id)
        file = {"id": version.id, "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": version.id, "file": file}}}

    def _create_artifact_files(self, asked: JsonObject) -> JsonObject:
        nodes = [
            {
                "storagePath": spec["md5"],
                # No address: the server has this file.
                "uploadUrl": None if spec["md5"] in self._blobs else self._storage_url("blob", spec["md5"]),
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": spec["artifactID"]},
            }
            for spec in asked["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def _commit_artifact(self, asked: JsonObject) -> JsonObject:
        version = self._by_id(asked["artifactID"])
        version.files = {path: self._blobs[entry["digest"]] for path, entry in _uploaded(version).items()}
        version.committed = True
        return {"commitArtifact": {"artifact": {"id": version.id, "digest": version.digest}}}

    def _client_id_mapping(self, asked: JsonObject) -> JsonObject:
        known = self._client_ids.get(asked["clientID"])
        return {"clientIDMapping": {"serverID": known} if known else None}

    def _add_aliases(self, asked: JsonObject) -> JsonObject:
        version = self._by_id(asked["artifactID"])
        for alias in asked["aliases"]:
            for other in self._collection(version.entity, version.project, version.name):
                other.aliases = [known for known in other.aliases if known != alias["alias"]]
            version.aliases.append(alias["alias"])
        return {"result": {"success": True}}

    def _delete_aliases(self, asked: JsonObject) -> JsonObject:
        version = self._by_id(asked["artifactID"])
        gone = [alias["alias"] for alias in asked["aliases"]]
        version.aliases = [alias for alias in version.aliases if alias not in gone]
        return {"result": {"success": True}}

    def _update_artifact(self, asked: JsonObject) -> JsonObject:
        return {"result": {"artifact": _artifact_fields(self._by_id(asked["artifactID"]))}}

    # Asking for an artifact

    def _artifact_type(self, asked: JsonObject) -> JsonObject:
        entity, project = asked.get("entity") or asked["entityName"], asked.get("project") or asked["projectName"]
        versions = self._collection(entity, project, asked["name"].partition(":")[0])
        kind = {"artifactType": {"name": versions[-1].type}} if versions else None
        return {"project": {"artifact": kind}}

    def _artifact_by_id(self, asked: JsonObject) -> JsonObject:
        return {"artifact": _artifact_fields(self._by_id(asked["id"]))}

    def _artifact_membership_by_name(self, asked: JsonObject) -> JsonObject:
        name, _, alias = asked["name"].partition(":")
        version = self._by_alias(asked, name, alias or "latest")
        membership = version and {
            "__typename": "ArtifactCollectionMembership",
            "id": version.id,
            "versionIndex": version.index,
            "createdAt": _now(),
            "aliases": _alias_fields(version),
            "artifactCollection": _collection_fields(version),
            "artifact": _artifact_fields(version),
        }
        return {"project": {"artifactCollectionMembership": membership}}

    def _fetch_artifact_manifest(self, asked: JsonObject) -> JsonObject:
        file = {"directUrl": self._storage_url("manifest", asked["id"])}
        return {"artifact": {"currentManifest": {"file": file}}}

    def _get_artifact_membership_file_urls(self, asked: JsonObject) -> JsonObject:
        version = self._by_alias(asked, asked["collection"], asked["alias"])
        if version is None:
            return {"project": {"artifactCollection": None}}
        nodes = [
            {"__typename": "File", "name": path, "directUrl": self._storage_url("blob", entry["digest"])}
            for path, entry in _uploaded(version).items()
        ]
        files = {
            "pageInfo": {"hasNextPage": False, "endCursor": None},
            "edges": [{"node": node} for node in nodes],
        }
        collection = {"__typename": "ArtifactSequence", "artifactMembership": {"files": files}}
        return {"project": {"artifactCollection": collection}}


def _uploaded(version: ArtifactVersion) -> dict[str, JsonObject]:
    return {path: entry for path, entry in version.entries.items() if "ref" not in entry}


def _state(version: ArtifactVersion) -> str:
    return "COMMITTED" if version.committed else "PENDING"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _collection_fields(version: ArtifactVersion) -> JsonObject:
    project = project_fields(version.entity, version.project)
    return {"__typename": "ArtifactSequence", "name": version.name, "project": project}


def _alias_fields(version: ArtifactVersion) -> list[JsonObject]:
    collection = _collection_fields(version)
    return [
        {"__typename": "ArtifactAlias", "id": alias, "alias": alias, "artifactCollection": collection}
        for alias in version.aliases
    ]


def _artifact_fields(version: ArtifactVersion) -> JsonObject:
    return {
        "__typename": "Artifact",
        "id": version.id,
        "artifactSequence": _collection_fields(version),
        "versionIndex": version.index,
        "artifactType": {"name": version.type},
        "description": version.description,
        "metadata": json.dumps(version.metadata),
        # wandb takes a number of 0 or less as: never expires.
        "ttlDurationSeconds": -1,
        "ttlIsInherited": False,
        "tags": [{"__typename": "Tag", "id": tag, "name": tag} for tag in version.tags],
        "historyStep": version.history_step,
        "state": _state(version),
        "size": sum(entry.get("size", 0) for entry in version.entries.values()),
        "digest": version.digest,
        "digestAlgorithm": "MANIFEST_MD5",
        "commitHash": version.id,
        "fileCount": len(version.entries),
        "createdAt": _now(),
        "updatedAt": _now(),
        "aliases": _alias_fields(version),
        "currentManifest": None,
    }
