"""What was lost is said in few lines."""

from tandem.rag.documents.section import Loss
from tandem.rag.losses import Losses


def warnings(*losses: Loss) -> list[str]:
    found = Losses()
    for loss in losses:
        found.add(loss)
    return found.warnings()


def test_pages_are_ranges_and_each_kind_is_a_line():
    scans = [Loss("no text (a scan?)", page) for page in (*range(10, 1, -1), 12, 14, 15)]
    assert warnings(Loss("damaged", 3), *scans, Loss("damaged", 3)) == [
        "page 3: damaged",
        "pages 2-10, 12, 14-15: no text (a scan?)",
    ]


def test_names_are_told_and_what_has_neither_is_counted():
    assert warnings(
        Loss("picture without a description"),
        Loss("picture without a description"),
        Loss("macros"),
        Loss("hidden sheet", name="Costs"),
        *(Loss("attachment", name=f"{number}.zip") for number in range(5)),
        Loss("attachment", name="0.zip"),
        Loss("chart", 2, "Turnover"),
        Loss("chart", 3, "Turnover"),
    ) == [
        "picture without a description (2 times)",
        "macros",
        "hidden sheet: Costs",
        "attachment: 0.zip, 1.zip, 2.zip and 2 more (6 times)",
        "pages 2-3: chart: Turnover",
    ]


def test_a_row_of_the_ledger_holds_them_whatever_the_document():
    every_second = [Loss("no text (a scan?)", page) for page in range(1, 200_000, 2)]
    kinds = [Loss(f"kind {number}", name="x" * 100_000) for number in range(1000)]
    found = warnings(*every_second, *kinds)
    assert found[0].startswith("pages 1, 3, 5") and found[0].endswith(" and 99980 more: no text (a scan?)")
    assert len(found) == 21 and found[-1] == "and 981 kinds more"
    assert sum(map(len, found)) < 5000
