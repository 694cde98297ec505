"""The page of releases that work together, and what writes it."""

from __future__ import annotations

from pathlib import Path

from tests.compatibility import CHECKS, COLUMNS, ROOT, outcomes, rows, with_row


def test_every_test_that_is_named_is_there() -> None:
    """A test that is renamed is renamed there, too."""
    for name in (name for names in CHECKS.values() for name in names):
        file, _, function = name.partition("::")
        assert f"def {function}" in (ROOT / file).read_text(), name


def test_outcomes_of_a_report(tmp_path: Path) -> None:
    """A check holds if all of its tests passed: a skipped one has shown nothing."""
    cases = "".join(
        f'<testcase classname="tests.{file}" name="{name}">{inside}</testcase>'
        for file, name, inside in [
            ("recording.test_border", "test_rows_after_media_keep_their_order", ""),
            ("test_recorder", "test_a_killed_process_costs_no_row[a]", ""),
            ("test_recorder", "test_a_killed_process_costs_no_row[b]", "<failure>it was lost</failure>"),
            ("test_wandb_internals", "test_anything", "<skipped/>"),
        ]
    )
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    seen = outcomes(report, CHECKS)
    assert ("1 of 1", "1 of 2", "0 of 1") == (seen["media"], seen["killed"], seen["wandb's inside"])
    assert "-" == seen["online"] == seen["unit tests"]
    assert "2 of 3" == outcomes(report, [])["unit tests"]


def test_a_row_takes_the_place_of_its_like() -> None:
    """By releases; the rows are in their order, the text stays, and so does what was not run again."""

    def row(ray: str, wandb: str, seen: str) -> dict[str, str]:
        return {**dict.fromkeys(COLUMNS, seen), "Ray": ray, "wandb": wandb, "Python": "3.11"}

    page = "# Page\n\nText.\n\n"
    for releases in (("2.60.0", "0.31.0"), ("2.9.0", "0.30.0"), ("2.60.0", "0.4.0")):
        page = with_row(page, row(*releases, "no"))
    page = with_row(page, row("2.60.0", "0.4.0", "yes"))
    page = with_row(page, row("2.60.0", "0.4.0", "-"))
    assert page.startswith("# Page\n\nText.\n\n| Ray | wandb |")
    found = [(r["Ray"], r["wandb"], r["media"]) for r in rows(page)]
    assert [("2.9.0", "0.30.0", "no"), ("2.60.0", "0.4.0", "yes"), ("2.60.0", "0.31.0", "no")] == found
