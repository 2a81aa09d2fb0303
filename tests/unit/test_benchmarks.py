"""The parts of the benchmarks that compute."""

import zipfile

import pytest

from benchmarks import functions
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
    split = parts({"embed": 10, "search": 20, "ledger": 5, "rerank": 0, "generate": 900, "total": 940}, 950.5)
    assert (split["our code"], split["gateway and network"], split["client's wait"]) == (5, 10.5, 950.5)
    assert sum(split.values()) == 2 * split["client's wait"]


def made(path, **modules: str):
    """A zip of functions, of which only those with a handler count."""
    with zipfile.ZipFile(path, "w") as content:
        for name, text in modules.items():
            content.writestr(f"tandem/rag/functions/{name}.py", text)
    return path


def test_each_handler_is_measured_in_its_own_zip_beside_an_earlier_one(tmp_path, monkeypatch):
    handler = "def handler(event, context):\n    return {}\n"
    ours = [made(tmp_path / "a.zip", query=handler, shared="x = 1"), made(tmp_path / "b.zip", ingest=handler)]
    before = made(tmp_path / "before.zip", query=handler + "#" * 1000, gone=handler)
    monkeypatch.setattr(functions, "archives", lambda: ours)
    monkeypatch.setattr(functions, "RUNS", 1)
    assert functions.run("", lambda line: None).columns == ["import", "zip", "median ms", "of botocore.session"]
    table = functions.run("", lambda line: None, [before])
    assert [row[0] for row in table.rows] == ["botocore.session", "rag: query", "rag: ingest"]
    query, ingest = table.rows[1:]
    assert float(query[5]) == round(ours[0].stat().st_size / before.stat().st_size, 2)
    assert float(query[6]) > 0
    assert ingest[4:] == ["", "", ""]
