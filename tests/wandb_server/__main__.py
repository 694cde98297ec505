"""Starts the server by hand, so that a person can try a script online against it."""

from __future__ import annotations

import argparse
import threading

from tests.wandb_server.fixture import environment
from tests.wandb_server.server import WandbServer

COLUMNS = ("run", "project", "group", "name", "state", "exit code", "rows", "files", "artifacts")


def main() -> None:
    """Serve until Ctrl-C, then print what was received."""
    parser = argparse.ArgumentParser(prog="python -m tests.wandb_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any)")
    server = WandbServer(port=parser.parse_args().port)
    for name, value in environment(server).items():
        print(f"export {name}={value}")
    print("# Ctrl-C ends the server and prints the runs it received.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.close()
    print(table(server))


def table(server: WandbServer) -> str:
    """One line for each run received."""
    lines: list[tuple[object, ...]] = [COLUMNS]
    for run in server.all_runs:
        lines.append(
            (
                run.id,
                run.project,
                run.group or "",
                run.display_name,
                run.state,
                "" if run.exit_code is None else run.exit_code,
                len(run.history_lines),
                len(run.files),
                sum(version.run == run.id for version in server.all_artifacts),
            )
        )
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


if __name__ == "__main__":
    main()
