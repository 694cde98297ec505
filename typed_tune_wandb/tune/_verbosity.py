"""How much Tune prints, which it does not tell its callbacks."""

from __future__ import annotations

import sys
from types import FrameType


def is_tune_silent() -> bool:
    """Tell whether the call of Tune from which this is called has ``verbose=0``.

    It is a variable of ``ray.tune.tune.run`` alone (seen in Ray 2.43 to 2.60); ``tests/test_console.py`` fails where it
    is not found. Then the logger's own ``quiet`` decides.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "ray.tune.tune" and "verbose" in frame.f_locals:
            return bool(frame.f_locals["verbose"] == 0)
        frame = frame.f_back
    return False
