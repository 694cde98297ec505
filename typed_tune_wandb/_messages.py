"""What Tune's driver and the recorder's process say to each other: commands go out, events come back."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from attrs import Factory, field, frozen

from typed_tune_wandb.settings import WandbInitKwargs

INTERRUPTED: Final = 130
"""The exit code of a run whose trial neither finished nor failed: 128 + SIGINT, as shells count."""
CORE_LOST: Final = 70
"""The recorder's process ended because wandb-core was gone; EX_SOFTWARE."""
ON_PURPOSE: Final = 75
"""It ended to begin anew, because wandb would not do otherwise; EX_TEMPFAIL."""


@frozen
class Open:
    """Open the run of a trial.

    Attributes:
        init: Arguments of ``wandb.init``.
        settings: Arguments of ``wandb.Settings`` over those that every recorded run has; the API key may be among them.
        next_step: The first step that rows may have.
        rows: Rows that the run already has.
        earlier_files: The local files of processes that died over this run: which of the rows that follow are in them,
            or already on the server, is for the new process to find out.
    """

    trial_id: str
    init: WandbInitKwargs
    settings: dict[str, Any] = field(repr=False)
    next_step: int = 0
    rows: int = 0
    earlier_files: tuple[str, ...] = ()


@frozen
class Log:
    """Record one row, and the config that changed with it."""

    trial_id: str
    step: int
    row: dict[str, object]
    media: dict[str, object] = Factory(dict)
    config: dict[str, object] = Factory(dict)


@frozen
class UpdateConfig:
    """Change values in a run's config."""

    trial_id: str
    config: dict[str, object]


@frozen
class SaveCheckpoint:
    """Upload a checkpoint as a version of a model artifact.

    Attributes:
        location: A local folder, or a URI that becomes a reference.
        remove_after: Whether the folder is the recorder's to remove.
    """

    trial_id: str
    artifact_name: str
    location: str
    aliases: tuple[str, ...]
    metadata: dict[str, object]
    remove_after: bool = False


@frozen
class Finish:
    """End the run of a trial."""

    trial_id: str
    exit_code: int


@frozen
class Verify:
    """Ask the server whether it takes the key.

    Attributes:
        key: The key, or None for the one that wandb finds by itself.
        base_url: The server, or None for wandb's own choice.
        timeout: The longest wait, in whole seconds.
    """

    key: str | None = field(repr=False)
    base_url: str | None
    timeout: int


@frozen
class Verified:
    """What came of :class:`Verify`: ``problem`` is None where the server takes the key."""

    url: str
    problem: str | None


@frozen
class MediaOptions:
    """How arrays become media: arguments of ``wandb.Image`` and ``wandb.Video``."""

    image_kwargs: dict[str, Any]
    video_kwargs: dict[str, Any]


@frozen
class Opened:
    """A run is open.

    Attributes:
        url: Its page, or None offline.
        path: Its local file.
        first_step: The least step that its next row may have.
        problem: Why it is recorded offline, though it should be online; or None.
    """

    trial_id: str
    run_id: str
    name: str
    url: str | None
    path: str
    first_step: int
    problem: str | None = None


@frozen
class DiskFull:
    """There is no space left below a folder: the process ends, its successor must record elsewhere."""

    folder: str


@frozen
class Failed:
    """A run could not be opened, or is lost."""

    trial_id: str
    reason: str


@frozen
class Recorded:
    """How many rows of each trial were recorded up to now, and how many of them are on disk or on the server."""

    rows: dict[str, int]
    safe: dict[str, int]


@frozen
class Finished:
    """A run has ended, its rows are uploaded or in its local file."""

    trial_id: str
    problem: str | None = None


@frozen
class LeftOut:
    """One value of a row could not be stored."""

    trial_id: str
    key: str
    reason: str


RunCommand: TypeAlias = Open | Log | UpdateConfig | SaveCheckpoint | Finish
Command: TypeAlias = RunCommand | MediaOptions | Verify
Event: TypeAlias = Opened | DiskFull | Failed | Recorded | Finished | LeftOut | Verified
