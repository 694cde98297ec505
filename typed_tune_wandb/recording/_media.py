"""Media on their way to a run: arrays become images and videos, files outlive the process that made them."""

from __future__ import annotations

import copy as copying
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from typed_tune_wandb._wandb_internals import media_path, set_media_path

if TYPE_CHECKING:
    import numpy as np


def to_wandb_media(value: object, image_kwargs: dict[str, Any], video_kwargs: dict[str, Any]) -> object:
    """Turn an array into an Image or a Video, or several; give every other value as it is.

    Args:
        value: ``(height, width, channels)`` is an image, ``(n, height, width, channels)`` n images, ``(n, frames,
            channels, height, width)`` n videos.
        image_kwargs: Arguments of ``wandb.Image``.
        video_kwargs: Arguments of ``wandb.Video``.
    """
    import numpy as np

    if not isinstance(value, np.ndarray):
        return value
    with _PILLOW:
        return _from_array(value, image_kwargs, video_kwargs)


# Pillow registers its formats at its first use, and two first uses at once confuse it.
_PILLOW: Final = threading.Lock()


def _from_array(value: np.ndarray, image_kwargs: dict[str, Any], video_kwargs: dict[str, Any]) -> object:
    import wandb

    if value.ndim == 3:
        return wandb.Image(value, **image_kwargs)
    items: list[wandb.Image | wandb.Video] = (
        [wandb.Image(item, **image_kwargs) for item in value]
        if value.ndim == 4
        else [wandb.Video(item, **video_kwargs) for item in value]
    )
    return items if len(items) > 1 else items[0]


def retain_media_file(value: object, folder: str, *, copy: bool = True) -> object:
    """Keep the file of a W&B media value in another folder: its own is removed when the trial's process ends.

    Args:
        value: A W&B value, or a list of such.
        folder: Where the file is kept until the recorder has it.
        copy: Whether to copy a file that has no hard link there, which takes a while; else such a value stays as it is.

    Raises:
        OSError: The file cannot be copied.
    """
    if isinstance(value, (list, tuple)):
        return [retain_media_file(item, folder, copy=copy) for item in value]
    path = media_path(value)
    if path is None or Path(path).parent == Path(folder) or not Path(path).is_file():
        return value
    retained = Path(folder, f"{uuid4().hex}{Path(path).suffix}")
    try:
        os.link(path, retained)
    except OSError:
        if not copy:
            return value
        try:
            shutil.copyfile(path, retained)
        except OSError:
            with suppress(OSError):
                retained.unlink(missing_ok=True)
            raise
    moved = copying.copy(value)
    set_media_path(moved, str(retained))
    return moved
