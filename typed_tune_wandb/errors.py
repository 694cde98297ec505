"""The errors of this library: each carries data, its text is made from that data."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen
class Problem:
    """One mistake in a W&B entry.

    Attributes:
        path: Where it stands, from the entry on: ``tags[1]``, ``config.lr``, or ``""`` for the entry itself.
        message: What is wrong and what is expected. Never holds a value of the user's.
        suggestion: What was probably meant, ready to type, or None.
    """

    path: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{text} Did you mean {self.suggestion}?" if self.suggestion else text


class TypedTuneWandbError(Exception):
    """The base of every error that this library raises on purpose."""


class WandbSettingsError(TypedTuneWandbError, ValueError):
    """A W&B entry has mistakes; all of them are named at once.

    It crosses process borders whole (it can be pickled), and no value of the user's is in it.

    Attributes:
        problems: Every mistake, in the order of the entry.
        source: What was checked, as a user would name it: ``config["wandb"]``.

    Example:
        >>> from typed_tune_wandb import WandbSettings, WandbSettingsError
        >>> try:
        ...     WandbSettings.from_dict({"project": "mnist", "mode": "ofline"})
        ... except WandbSettingsError as error:
        ...     print(error.problems[0].suggestion)
        "offline"
    """

    def __init__(self, problems: Iterable[Problem], source: str = "the W&B entry") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self.problems, source)

    def __reduce__(self) -> tuple[type[WandbSettingsError], tuple[tuple[Problem, ...], str]]:
        return type(self), (self.problems, self.source)

    def __str__(self) -> str:
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        return "\n".join([f"{count} in {self.source}:", *(f"  {p}" for p in self.problems)])


class WandbLoginError(TypedTuneWandbError):
    """W&B cannot be reached with what was configured: no key, a refused key, no server, no permission."""


class WandbRunError(TypedTuneWandbError):
    """A W&B run could not be opened or recorded (raised with ``on_error="raise"`` alone)."""
