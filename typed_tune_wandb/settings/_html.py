"""Settings as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from typed_tune_wandb.settings._model import WandbSettings, shown_fields
from typed_tune_wandb.settings._origins import resolved_settings


def settings_table(settings: WandbSettings) -> str:
    """Return a table of what settings say, and of what holds where they say nothing; no secret is in it."""
    given = [(name, text, "given") for name, text in shown_fields(settings)]
    names = {name for name, _, _ in given}
    rest = [
        (row.name, row.value or "-", row.source)
        for row in resolved_settings(settings, lambda field: f"the field {field}")
        if not names & {row.name, "dir" if row.name == "folder" else row.name}
    ]
    return html_table(("setting", "value", "set by"), [*given, *rest])


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return an HTML table of texts; every text is escaped."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
