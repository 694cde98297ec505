"""``python -m benchmarks compare OLD NEW``: what got slower."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import compare


def main() -> int:
    """Run a command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("compare", help="name what got worse between two files of figures")
    command.add_argument("old", type=Path)
    command.add_argument("new", type=Path)
    options = parser.parse_args()
    try:
        changes = compare.compare(compare.read_figures(options.old), compare.read_figures(options.new))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not changes:
        print("The files have no figure in common.", file=sys.stderr)
        return 2
    print(compare.report(changes))
    return int(any(change.verdict == "worse" for change in changes))


if __name__ == "__main__":
    sys.exit(main())
