"""Files of rows: what is read, and one sentence for a file that is something else."""

import csv
import gzip
import io
import json
import os
import sys
import tarfile
import types
from pathlib import Path

import pytest

from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import Row, messages

ROWS = [{"instruction": f"Hut {at}?", "input": "", "output": f"Ja, {at} ü."} for at in range(60)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
EXPECTED = [
    [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}] for row in ROWS
]


def good(path: Path) -> list[Row]:
    reader = Reader()
    rows = reader.read(path)
    assert reader.checks.mistakes == []
    return rows


def the_mistake(path: Path, **options: object) -> str:
    reader = Reader(**options)
    reader.read(path)
    (mistake,) = reader.checks.mistakes
    return str(mistake).removeprefix(str(path))


def table(delimiter: str, rows: list[dict] = ROWS) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows"])
@pytest.mark.parametrize(
    "text", [LINES, "\ufeff" + LINES, json.dumps(ROWS), table(","), table(";"), table("\t"), "\ufeff" + table(",")]
)
def test_content_tells_what_a_file_is(tmp_path, text, name, pack):
    (tmp_path / name).write_bytes(pack(text.encode()))
    assert [messages(row) for row in good(tmp_path / name)] == EXPECTED


def test_rows_of_a_table_have_their_lines_and_lists(tmp_path):
    rows = [{"messages": json.dumps(EXPECTED[0]), "id": 1}, {"messages": json.dumps(EXPECTED[1], indent=1), "id": 2}]
    (tmp_path / "a.csv").write_text(table(",", [*rows, rows[0]]), newline="")
    found = good(tmp_path / "a.csv")
    assert [messages(row) for row in found] == [EXPECTED[0], EXPECTED[1], EXPECTED[0]]
    assert [row.line for row in found] == [2, 3, 3 + len(rows[1]["messages"].splitlines())]


def tarred(data: bytes) -> bytes:
    with io.BytesIO() as made:
        with tarfile.open(fileobj=made, mode="w") as archive:
            entry = tarfile.TarInfo("rows.jsonl")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        return made.getvalue()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("".join(json.dumps(row, indent=2) + "\n" for row in ROWS), "several lines each. `jq -c . rows.jsonl > NEW"),
        (json.dumps({"version": 1, "data": ROWS}, indent=2), "one JSON object, not rows. `jq -c '.\"data\"[]' rows"),
        (json.dumps({"version": 1, "data": ROWS}), "one JSON object, not rows. `jq -c '.\"data\"[]' rows.jsonl > NEW"),
        ("".join(f"{row}\n" for row in ROWS), "Python's notation, with single quotes"),
        ("instruction: Hut?\noutput: Ja.\n" * 30, "none of its lines is a JSON object. Write one JSON object a line"),
        ("<html><body>Sign in</body></html>", "it is HTML or XML, not rows. If a web page was saved"),
        (LINES.encode("utf-16"), "it is text in UTF-16, not rows. `iconv -f UTF-16 -t UTF-8 rows.jsonl > NEW`"),
        (
            LINES.encode("utf-16-le"),
            "it has zero bytes: it is no text in UTF-8. If it is text in UTF-16, `iconv -f UTF-16LE",
        ),
        (LINES.encode("latin-1"), ":1: the file: 60 of its lines are no UTF-8, the first is 1. `iconv -f LATIN1"),
        (json.dumps(ROWS, ensure_ascii=False).encode("latin-1"), "it is no text in UTF-8"),
        (table(",").encode("cp1252"), "it is a table in another encoding than UTF-8"),
        ("instruction,output,output\na,b,c\n", ":1: the file: column 'output' stands twice"),
        ('instruction,output\na,"b\n', ":2: the file: it is no whole CSV"),
        (gzip.compress(LINES.encode())[:-20], "it is packed by gzip and damaged"),
        (
            gzip.compress(gzip.compress(LINES.encode())),
            "it is packed by gzip twice, not rows. `gunzip rows",
        ),
        (tarred(LINES.encode()), "it is a tar archive, not rows. `tar -xf rows.jsonl` unpacks it."),
        (gzip.compress(tarred(LINES.encode())), "it is a tar archive, not rows. `tar -xf rows.jsonl` unpacks it."),
        (b"PK\x03\x04....", "it is a ZIP archive, or a sheet of Excel"),
        (b"ARROW1\0\0....", "it is an Arrow file, not rows. `datasets.Dataset.from_file(rows.jsonl)"),
        (b"BZh9....", "it is packed by bzip2, not rows. `bunzip2 rows.jsonl` unpacks it."),
        (
            b"PAR1....PAR1",
            "it is a Parquet file, and the package pyarrow isn't installed. `pip install pyarrow` lets it",
        ),
        ("[" + LINES.replace("\n", ",\n") + "]", ":61: the file: it is no whole JSON array: Expecting value"),
        (json.dumps(ROWS) + "\n{}", ":2: the file: something follows its JSON array"),
        (json.dumps(ROWS)[:-1] + ' {"a": 1}]', "it is no whole JSON array: Expecting ',' or ']'"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_a_file_that_is_something_else_gets_one_sentence(tmp_path, content, what, skip, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "rows.jsonl").write_bytes(data)
    assert what in the_mistake(tmp_path / "rows.jsonl", skip=skip)


@pytest.mark.parametrize("data", [LINES.encode(), gzip.compress(LINES.encode())])
def test_a_pipe_is_read_too(data):
    taken, given = os.pipe()
    os.write(given, data)  # fits into a pipe
    os.close(given)
    assert [messages(row) for row in good(Path(f"/dev/fd/{taken}"))] == EXPECTED
    os.close(taken)


@pytest.mark.faults
def test_a_bad_line_among_good_ones_is_named(tmp_path):
    lines = LINES.splitlines(keepends=True)
    data = [line.encode() for line in lines]
    data[7], data[9] = lines[7].encode("latin-1"), b'{"instruction": NaN, "output": "a"}\n'
    (tmp_path / "rows.jsonl").write_bytes(b"\n" + b"".join(data))
    reader = Reader()
    assert len(reader.read(tmp_path / "rows.jsonl")) == 58
    assert [mistake.where.rpartition("rows.jsonl:")[2] for mistake in reader.checks.mistakes] == [
        "9: the row",
        "11: the row",
    ]
    assert "NaN is no number of JSON" in reader.checks.mistakes[1].remedy
    (tmp_path / "rows.jsonl").write_text(LINES.replace("\n", "", 1))
    assert the_mistake(tmp_path / "rows.jsonl").startswith(":1: the row: '{")
    twice = '[{""role"": ""user"", ""content"": ""a"", ""content"": ""b""}]'
    (tmp_path / "rows.csv").write_text(f'messages,id\n"{twice}",1\n')
    assert the_mistake(tmp_path / "rows.csv").startswith(":2: content: stands twice")
    (tmp_path / "rows.csv").write_text("instruction,output\na,b\na,b,c\n")
    assert the_mistake(tmp_path / "rows.csv").startswith(":3: the row: 3 cells are not allowed (2, as many as")


@pytest.mark.faults
def test_skip_counts_and_names_bad_rows(tmp_path):
    bad = [{"instruction": "a"}, {"instruction": 4, "output": 5}]
    (tmp_path / "rows.jsonl").write_text(LINES + "".join(json.dumps(row) + "\n" for row in bad) + "{\n")
    reader = Reader(skip=True)
    assert [messages(row) for row in reader.read(tmp_path / "rows.jsonl")] == EXPECTED
    assert reader.skipped_rows == 3 and reader.checks.mistakes == []
    places = [mistake.where.rpartition("rows.jsonl:")[2] for mistake in reader.skipped]
    assert places == ["61: output", "62: instruction", "62: output", "63: the row"]
    (tmp_path / "rows.jsonl").write_text(json.dumps(bad[0]) + "\n")
    assert "not one row of the file is good" in the_mistake(tmp_path / "rows.jsonl", skip=True)


def test_rows_of_parquet(tmp_path, monkeypatch):
    """With a stand-in for pyarrow, which no test environment has."""

    class ParquetFile:
        def __init__(self, stream):
            assert stream.read(4) == b"PAR1"
            self.rows = [{"messages": EXPECTED[at], "tools": None} for at in range(3)]

        def iter_batches(self):
            return [types.SimpleNamespace(to_pylist=lambda part=part: part) for part in (self.rows[:2], self.rows[2:])]

    monkeypatch.setitem(sys.modules, "pyarrow", types.ModuleType("pyarrow"))
    made = types.ModuleType("pyarrow.parquet")
    made.ParquetFile = ParquetFile
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", made)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1....PAR1")
    found = good(tmp_path / "rows.parquet")
    assert [messages(row) for row in found] == EXPECTED[:3] and [row.line for row in found] == [1, 2, 3]
