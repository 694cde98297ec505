"""What users pass to the recorder, in a form that the worker can read: exact builtins, and media with their files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import evolve

from typed_tune_wandb.recording._media import retain_media_file
from typed_tune_wandb.recording._protocol import LogRow, UnsendableError, encode, pickled, to_builtins


def convert_values(values: Mapping[str, object], warn: Callable[[str, str], None]) -> dict[str, object]:
    """Make the values of a row or a config exact builtins; one that has no such form is left out.

    Args:
        values: The values.
        warn: Called with a key and a reason where a value is left out.
    """
    found: dict[str, object] = {}
    try:
        for key, value in values.items():
            name = str.__str__(key) if isinstance(key, str) else str(key)
            try:
                found[name] = to_builtins(value, name)
            except UnsendableError as error:
                warn(name, error.reason)
            except Exception as error:  # of the value's own class
                warn(name, f"it cannot be read ({type(error).__name__}).")
    except Exception as error:  # of the mapping's
        warn("a row or a config", f"it cannot be read to its end ({type(error).__name__}).")
    return found


def convert_init(init: Mapping[str, Any], warn: Callable[[str, str], None]) -> dict[str, Any]:
    """Make the arguments of ``wandb.init`` exact builtins; a value of the config costs itself alone.

    Raises:
        UnsendableError: An argument has no such form.
    """
    config = init.get("config")
    arguments: dict[str, Any] = to_builtins({name: value for name, value in init.items() if name != "config"})
    if config is not None:
        arguments["config"] = convert_values(config, warn) if isinstance(config, Mapping) else to_builtins(config)
    return arguments


def pickle_settings(settings: Mapping[str, object]) -> dict[str, bytes]:
    """Pickle arguments of ``wandb.Settings``, as builtins where that can be: the worker may not have their classes.

    Raises:
        UnsendableError: A value cannot be pickled.
    """
    plain: dict[str, object] = {}
    for name, value in settings.items():
        try:
            plain[name] = to_builtins(value, name)
        except UnsendableError:
            plain[name] = value
    return pickled(plain, _refuse)


def _refuse(name: str, reason: str) -> None:
    raise UnsendableError(f"settings.{name}", reason)


class MediaEncoder:
    """Encodes rows with media, and keeps the media's files in a folder until the worker has them.

    Args:
        warn: Called with a key and a reason where a value is left out.
    """

    def __init__(self, warn: Callable[[str, str], None]) -> None:
        self._warn = warn
        self._folder: str | None = None

    def prepare(self, row: LogRow, media: Mapping[str, object]) -> Callable[[], bytes]:
        """Retain the files of media, and give a function that encodes the row with them.

        That function copies files and pickles: it is for another thread than Tune's.
        """
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="wandb-media-")
        folder, warn = self._folder, self._warn
        linked = dict(media)
        for key, value in media.items():
            with suppress(Exception):  # of the value's own class: the other thread tries again, and says so
                linked[key] = retain_media_file(value, folder, copy=False)

        def encoded() -> bytes:
            retained: dict[str, object] = {}
            for key, value in linked.items():
                try:
                    retained[key] = retain_media_file(value, folder)
                except OSError as error:
                    warn(key, f"its file cannot be copied ({error.strerror}).")
                except Exception as error:  # of the value's own class
                    warn(key, f"its file cannot be kept ({type(error).__name__}).")
            return encode(evolve(row, media=pickled(retained, warn)))

        return encoded

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
