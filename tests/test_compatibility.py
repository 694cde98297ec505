"""The page of releases that work together, and what writes it."""

from __future__ import annotations

from pathlib import Path

from tests.compatibility import (
    CHECKS,
    COLUMNS,
    MAIN_PYTHON,
    NOT_RUN,
    OTHER_PYTHONS,
    PAGE,
    PAIRS,
    PROJECT,
    RELEASES,
    ROOT,
    UNCLASSIFIED,
    UNIT,
    outcomes,
    rows,
    with_row,
)
from typed_tune_wandb._versions import NEWEST_TESTED


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


def test_the_page_has_all_releases() -> None:
    """From the lower bounds on, and up to what a newer release is compared with; each Python with a classifier."""
    seen = rows(PAGE.read_text(encoding="utf-8"))
    for (name, requirement), number in {("Ray", "ray[tune]"): 0, ("wandb", "wandb"): 1}.items():
        assert f"{requirement}>={PAIRS[0][number].removesuffix('.0')}" in PROJECT["dependencies"]
        wanted = {pair[number].removesuffix("*") for pair in PAIRS if pair[number] != "newest"}
        wanted.add(f"{NEWEST_TESTED[name.lower()]}.")
        assert [] == [release for release in wanted if not any(row[name].startswith(release) for row in seen)]
    assert {MAIN_PYTHON, *OTHER_PYTHONS} - {*UNCLASSIFIED} <= {row["Python"] for row in seen}


def test_the_page_has_no_failure() -> None:
    """In no row; what fails is mended before the page is committed."""
    for row in rows(PAGE.read_text(encoding="utf-8")):
        cells = {key: row[key].split(" of ") for key in (*CHECKS, UNIT) if row[key] != NOT_RUN}
        assert {key: cell for key, cell in cells.items() if cell[0] != cell[-1]} == {}, [row[key] for key in RELEASES]
