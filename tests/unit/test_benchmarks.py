"""The parts of the benchmarks that compute."""

import pytest

from benchmarks.queries import parts
from benchmarks.report import Table, median_ratio, percentile, write_section


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (5, 1), (50, 10), (51, 11), (95, 19), (100, 20)])
def test_percentile_is_the_nearest_rank(percent, expected):
    assert percentile(list(range(20, 0, -1)), percent) == expected


def test_percentile_of_one_value_and_of_none():
    assert percentile([7.5], 95) == 7.5
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_ratio_is_taken_round_by_round():
    assert median_ratio([20, 4, 300], [10, 1, 100]) == 3


def test_table_is_markdown_that_lines_up():
    table = Table(["what", "ms"], [["search", "7"], ["our code", "1234"]])
    assert table.markdown().splitlines() == [
        "| what     |   ms |",
        "| -------- | ---: |",
        "| search   |    7 |",
        "| our code | 1234 |",
    ]


def test_section_is_replaced_and_the_rest_stays(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n")
    write_section(readme, "two", r"new \1")
    write_section(readme, "one", "new")
    assert readme.read_text() == "a\n<!-- one -->\nnew\n<!-- end -->\nb\n<!-- two -->\nnew \\1\n<!-- end -->\n"
    with pytest.raises(ValueError, match="three"):
        write_section(readme, "three", "new")


def test_parts_of_a_query_add_up():
    split = parts({"embed": 10, "search": 20, "ledger": 5, "generate": 900, "total": 940}, 950.5)
    assert (split["our code"], split["gateway and network"], split["client's wait"]) == (5, 10.5, 950.5)
    assert sum(split.values()) == 2 * split["client's wait"]
