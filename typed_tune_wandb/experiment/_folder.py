"""The folder of an experiment: local, or in a storage that pyarrow knows (S3, GCS...)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


@frozen
class Folder:
    """A folder.

    Attributes:
        filesystem: Where it is.
        path: Its path there.
    """

    filesystem: FileSystem
    path: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rstrip("/").rpartition("/")[2]

    @classmethod
    def at(cls, place: str | os.PathLike[str]) -> Folder:
        """Return the folder of a path or a URI such as ``s3://bucket/experiment``.

        Raises:
            ValueError: pyarrow does not know the URI.
        """
        from pyarrow import fs

        text = os.fspath(place)
        if "://" in text:
            return cls(*fs.FileSystem.from_uri(text))
        return cls(fs.LocalFileSystem(), str(Path(text).expanduser().absolute()))

    def read(self, name: str) -> str | None:
        """Return the text of a file; None if there is none."""
        with (
            suppress(FileNotFoundError, NotADirectoryError),
            self.filesystem.open_input_stream(self._inside(name)) as file,
        ):
            return str(file.read(), "utf-8")
        return None

    def write(self, name: str, text: str) -> None:
        """Write a file; whoever reads it finds the old text or the new one.

        Raises:
            OSError: It cannot be written.
        """
        part = self._inside(f"{name}.part")
        with self.filesystem.open_output_stream(part) as file:
            file.write(text.encode())
        self.filesystem.move(part, self._inside(name))

    def subfolders(self) -> list[Folder]:
        """Return the folders in it, by name."""
        from pyarrow import fs

        found = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        folders = sorted(info.path for info in found if info.type == fs.FileType.Directory)
        return [Folder(self.filesystem, path) for path in folders]

    def _inside(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"
