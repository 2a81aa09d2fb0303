"""The parts of the benchmarks that compute."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks import functions
from benchmarks.beside import SIDES, Corpus, Results, calls, ingestion_table, processes
from benchmarks.beside.sections import write_sections
from benchmarks.queries import parts
from benchmarks.ranking import digest
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


def test_sections_are_files_and_the_same_text_is_one(tmp_path):
    package = tmp_path / "some-doc"
    package.mkdir()
    (package / "a.html").write_text("<h1>Ferry</h1><p>It leaves at nine.</p><h2>Price</h2><p>Two coins.</p>")
    (package / "b.html").write_text("<h1>Cost</h1><p>Two  coins.</p>")
    (package / "genindex.html").write_text("<h1>Index</h1><p>ferry, price</p>")
    names = write_sections([package], tmp_path / "out")
    texts = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
    assert sorted(texts.values()) == ["Ferry\n\nIt leaves at nine.\n", "Ferry > Price\n\nTwo coins.\n"]
    assert texts[names["some-doc/a.html", digest("Ferry")]].endswith("nine.\n")
    assert names["some-doc/b.html", digest("Cost")] == names["some-doc/a.html", digest("Ferry > Price")]
    assert len(names) == 3


def test_a_side_is_compared_with_the_faster_form_of_a_peer_in_each_round():
    results = Results(Corpus("huts", Path()), 10, dict.fromkeys(SIDES, 20))
    rounds = {side: [8.0, 8.0, 8.0] for side in SIDES} | {
        "Tandem": [2.0, 4.0, 10.0],
        "LangChain": [4.0, 4.0, 4.0],
        "LangChain, at once": [5.0, 2.0, 5.0],
    }
    results.seconds.update(rounds)
    [row] = [row for row in ingestion_table(results).rows if row[0] == "Tandem"]
    assert row[1:] == ["20", "4.0", "2.5", "5.0", "2.00 (0.80 to 4.00)", "0.50 (0.40 to 2.00)", "2.00 (0.80 to 4.00)"]


def test_requests_are_counted_by_service_while_a_command_runs(tmp_path):
    before = "[2026-11-29 20:26:58 +0000] [7] [INFO] request"
    lines = [
        f"{before} DynamoDB_20120810.GetItem POST /",
        f"{before} AmazonSQS.SendMessage POST /",
        f"{before} - PUT /documents/a file with spaces.md",
        f"{before} - POST /_aoss/abc/index/_bulk",
        f"{before} - POST /_aws/execute-api/abc/v1/query",
        f"{before} - GET /_ministack/health",
        f"{before} - POST /2015-03-31/functions",
        '127.0.0.1 - - [29/Nov/2026 13:32:11] "POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1" 200 9082',
        '127.0.0.1 - - [29/Nov/2026 13:32:11] "GET /health HTTP/1.1" 200 9',
        '{"event": "document deleted", "document": "a request for all", "reason": ""}',
    ]
    (tmp_path / "emulator.log").write_text(f"{before} - GET /before\n")
    (tmp_path / "models.log").write_text("")
    counted = calls.Calls(tmp_path)
    for name in ("emulator.log", "models.log"):
        with (tmp_path / name).open("a") as log:
            log.writelines(f"{line}\n" for line in lines if ("127.0.0.1" in line) == (name == "models.log"))
    assert counted.until_now() == dict.fromkeys(calls.SERVICES, 1)


def test_processor_seconds_of_functions_that_have_ended_count(monkeypatch):
    monkeypatch.setattr(processes, "PARTS", {"emulator": processes.EMULATOR})
    monkeypatch.setattr(type(processes.EMULATOR), "running", lambda part: {"pid": os.getpid()})
    before = processes.seconds()
    work = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert processes.seconds()["functions"] - before["functions"] > 0.25
