"""What Tune does not tell its callbacks, read from the call of Tune that runs them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any


def variables_of_run(*names: str) -> Mapping[str, Any] | None:
    """Return the variables of the ``ray.tune.tune.run`` from which this is called; None if that cannot be seen.

    Args:
        names: Variables that the call must have.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "ray.tune.tune" and {*names} <= {*frame.f_locals}:
            return frame.f_locals
        frame = frame.f_back
    return None


def is_silent() -> bool:
    """Tell whether the call of Tune from which this is called has ``verbose=0``.

    It is a variable of ``ray.tune.tune.run`` alone (seen in Ray 2.43 to 2.60); ``tests/test_console.py`` fails where it
    is not found. Then the logger's own ``quiet`` decides.
    """
    variables = variables_of_run("verbose")
    return variables is not None and bool(variables["verbose"] == 0)
