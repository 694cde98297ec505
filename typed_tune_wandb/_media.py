"""Arrays as W&B media, with the shapes that Ray's own callback takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    import wandb

    if not isinstance(value, np.ndarray):
        return value
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
