"""Media on their way to a run: arrays become images and videos, files outlive the process that made them."""

from __future__ import annotations

import copy
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np

if TYPE_CHECKING:
    from typed_tune_wandb._messages import MediaOptions


def as_media(value: object, options: MediaOptions) -> object:
    """An array as an Image or a Video, or several; every other value as it is.

    Args:
        value: ``(height, width, channels)`` is an image, ``(n, height, width, channels)`` n images, ``(n, frames,
            channels, height, width)`` n videos.
        options: Arguments of ``wandb.Image`` and ``wandb.Video``.
    """
    if not isinstance(value, np.ndarray):
        return value
    with _PILLOW:
        return _as_media(value, options)


# Pillow registers its formats at its first use, and two first uses at once confuse it.
_PILLOW: Final = threading.Lock()


def _as_media(value: np.ndarray, options: MediaOptions) -> object:
    import wandb

    image_kwargs: dict[str, Any] = options.image_kwargs
    video_kwargs: dict[str, Any] = options.video_kwargs
    if value.ndim == 3:
        return wandb.Image(value, **image_kwargs)
    items: list[wandb.Image | wandb.Video] = (
        [wandb.Image(item, **image_kwargs) for item in value]
        if value.ndim == 4
        else [wandb.Video(item, **video_kwargs) for item in value]
    )
    return items if len(items) > 1 else items[0]


def held(value: object, folder: str) -> object:
    """A W&B media value with its file held in another folder: its own is removed when the trial's process ends.

    Args:
        value: A W&B value, or a list of such.
        folder: Where the file is kept until the recorder has it.
    """
    if isinstance(value, (list, tuple)):
        return [held(item, folder) for item in value]
    # A media value has no public name for its file; this one was seen in wandb 0.21 to 0.31.
    path = getattr(value, "_path", None)
    if not isinstance(path, str) or not Path(path).is_file():
        return value
    kept = Path(folder, f"{uuid4().hex}{Path(path).suffix}")
    try:
        os.link(path, kept)
    except OSError:
        shutil.copyfile(path, kept)
    moved = copy.copy(value)
    vars(moved)["_path"] = str(kept)
    return moved
