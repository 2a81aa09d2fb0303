"""Data sets as a library: importers, splits, the manifest, and the bucket."""

import json
from pathlib import Path

import pytest
from tandem_contract.errors import Mistakes, TandemError

from tandem.finetuning.dataset import folder, manifest
from tandem.finetuning.dataset.collect import collect
from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.splits import divide, proportions, start
from tandem.finetuning.dataset.store import Store
from tests.unit.finetuning.buckets import FakeBucket

TEXTS = {"name": "faq", "licence": "CC0-1.0", "source": "made up"}
CHAT = {"messages": [{"role": "user", "content": "Hut?"}, {"role": "assistant", "content": "Open."}]}
EXPECTED = (("user", "Hut?"), ("assistant", "Open."))


def chat(question: str, answer: str = "Yes.") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def row(question: str, answer: str = "Yes.") -> Row:
    return Row((("user", question), ("assistant", answer)), "rows.jsonl", 1)


def written(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def made(tmp_path) -> Path:
    """A data set's folder, of 60 rows."""
    file = written(tmp_path / "rows.jsonl", [chat(f"Question {number}?") for number in range(60)])
    splits = collect([file], Reader(), "60/20/20", TEXTS).splits
    folder.write(tmp_path / "made", splits, **TEXTS)
    return tmp_path / "made"


@pytest.mark.parametrize(
    "entry",
    [
        CHAT,
        {"instruction": "Hut?", "input": "", "output": "Open."},
        {"instruction": "Hut?", "output": "Open."},
        {"conversations": [{"from": "human", "value": "Hut?"}, {"from": "gpt", "value": "Open."}]},
        {"conversations": [{"from": "user", "value": "Hut?"}, {"from": "assistant", "value": "Open."}]},
    ],
)
def test_formats_are_told_apart_and_give_the_same_row(tmp_path, entry):
    (as_lines,) = Reader().read(written(tmp_path / "lines.jsonl", [entry]))
    assert as_lines.messages == EXPECTED
    array = tmp_path / "array.json"
    array.write_text("\ufeff" + json.dumps([entry, entry], indent=2), encoding="utf-8")
    first, second = Reader().read(array)
    assert first.messages == second.messages == EXPECTED
    lines_a_row = len(json.dumps(entry, indent=2).splitlines())
    assert (first.line, second.line) == (2, 2 + lines_a_row)


def test_system_messages_and_input(tmp_path):
    rows = [
        {"instruction": "Sum up.", "input": "A long text.", "output": "Short."},
        {"instruction": "Hut?", "input": None, "output": "Open."},
    ]
    first, second = Reader(system="Be brief.").read(written(tmp_path / "a", rows))
    assert first.messages == (("system", "Be brief."), ("user", "Sum up.\n\nA long text."), ("assistant", "Short."))
    assert second.messages == (("system", "Be brief."), *EXPECTED)
    said = (("system", "Own."), ("human", "Hut?"), ("gpt", "Open."))
    own = {"conversations": [{"from": role, "value": text} for role, text in said]}
    (third,) = Reader(system="Be brief.").read(written(tmp_path / "b", [own]))
    assert third.messages == (("system", "Own."), *EXPECTED)


def test_same_prompt_same_split_whatever_is_around_it(tmp_path):
    questions = [f"Question {number}?" for number in range(400)]
    shares = proportions("80/10/10")
    all_rows = Reader().read(written(tmp_path / "a", [chat(question) for question in questions]))
    splits = divide(all_rows, shares)
    where = {start(row): name for name, rows in splits.items() for row in rows}
    assert sum(map(len, splits.values())) == 400
    assert 300 < len(splits["train"]) < 340  # 320 are expected; six standard deviations would be 48
    assert min(len(splits["validation"]), len(splits["test"])) > 20

    other_form = [chat(f"  {question.upper()}\n", "No.") for question in reversed(questions[::7])]
    again = divide(Reader().read(written(tmp_path / "b", other_form)), shares)
    assert {start(row): name for name, rows in again.items() for row in rows}.items() <= where.items()


def test_a_split_never_moves():
    """The digest of a prompt is part of the format: a new version of a data set would leak if it changed."""
    rows = [row(question) for question in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")]
    splits = {name: [start(row) for row in found] for name, found in divide(rows, (0.5, 0.25, 0.25)).items()}
    assert splits == {"train": ["delta", "epsilon", "zeta"], "validation": ["alpha", "gamma"], "test": ["beta"]}


def test_vowels_that_are_marks_tell_questions_apart():
    assert start(row("\u0915\u0932?")) != start(row("\u0915\u093e\u0932?"))  # kal, kaal
    assert start(row("Hot \u2764")) == start(row("Hot \u2764\ufe0f!"))
    assert start(row("e\u0301t\u0301")) != start(row("\u00e9t")) == start(row("e\u0301t"))


def test_manifest_says_what_is_in_the_folder(made):
    content = json.loads((made / "manifest.json").read_text())
    assert content.keys() == {"format", "name", "schema", "licence", "source", "splits", "digest"}
    assert {key: content[key] for key in TEXTS} == TEXTS
    assert content["format"] == 1 and content["schema"] == "chat"
    for name, split in content["splits"].items():
        lines = (made / f"{name}.jsonl").read_text().splitlines()
        assert split["rows"] == len(lines) and split["file"] == f"{name}.jsonl"
        assert json.loads(lines[0]).keys() == {"messages"}
    assert sum(split["rows"] for split in content["splits"].values()) == 60
    assert manifest.digest(content) == content["digest"]


def test_written_rows_are_one_line_each_for_every_reader(tmp_path):
    texts = ["one\u2028two", "three\x85four", "five\r\nsix\u2029", "\U0001f3d4"]
    rows = [chat(f"{text} {number}") for number in range(20) for text in texts]
    splits = collect([written(tmp_path / "a", rows)], Reader(), "50/25/25", TEXTS).splits
    folder.write(tmp_path / "made", splits, **TEXTS)
    lines = [line for file in (tmp_path / "made").glob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    assert sorted(json.loads(line)["messages"][0]["content"] for line in lines) == sorted(
        row["messages"][0]["content"] for row in rows
    )


def test_writing_again_is_nothing_and_other_content_is_refused(made, tmp_path):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.iterdir()}
    _, splits, _ = folder.read(made)
    assert folder.write(made, splits, **TEXTS)[1] is False
    splits["train"].pop()
    with pytest.raises(TandemError, match="a data set never changes"):
        folder.write(made, splits, **TEXTS)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.iterdir()} == before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    with pytest.raises(TandemError, match="name a new or an empty folder"):
        folder.write(tmp_path / "photos", splits, **TEXTS)


def test_a_failed_write_leaves_nothing(made, tmp_path):
    with pytest.raises(RuntimeError), folder.staged(tmp_path / "new") as inside:
        (inside / "train.jsonl").touch()
        raise RuntimeError
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "made"}


def test_of_rows_that_are_there_twice_the_first_stays_in_its_place(tmp_path):
    file = written(tmp_path / "a", [chat(str(number)) for number in (*range(50), 3, 3, 0)])
    collected = collect([file], Reader(), "60/20/20", TEXTS)
    assert (collected.read, collected.duplicates) == (53, 3)
    for rows in collected.splits.values():
        assert [row.line for row in rows] == [int(start(row)) + 1 for row in rows] == sorted(row.line for row in rows)


@pytest.mark.faults
def test_manifest_of_another_shape_is_refused_with_every_reason(made):
    content = json.loads((made / "manifest.json").read_text())
    content |= {"format": 2, "licence": " ", "digest": "x"}
    content["splits"]["test"]["file"] = "../../etc/passwd"
    content["splits"]["train"]["rows"] = 0
    del content["splits"]["validation"]
    with pytest.raises(Mistakes) as caught:
        manifest.parse(json.dumps(content).encode())
    fields = {mistake.where.removeprefix("manifest.json: ") for mistake in caught.value.mistakes}
    validation = {f"splits.validation.{field}" for field in ("file", "rows", "sha256", "tokens")}
    assert fields == {"format", "licence", "digest", "splits.test.file", "splits.train.rows"} | validation
    for wrong in (b"[]", b"{", b"\xff"):
        with pytest.raises(Mistakes, match=r"manifest\.json"):
            manifest.parse(wrong)


def test_upload_and_download_give_the_same_bytes(made, tmp_path):
    store, moved = Store(FakeBucket(), "data"), []
    stored, new = store.upload(made, moved.append)
    content = json.loads((made / "manifest.json").read_text())
    assert new and stored.prefix == f"datasets/faq/{content['digest'][:12]}/"
    assert store.s3.sent == ["test.jsonl", "train.jsonl", "validation.jsonl", "manifest.json"]
    assert sum(moved) == sum(path.stat().st_size for path in made.glob("*.jsonl"))
    assert store.download(store.resolve("faq"), tmp_path / "copy") == content
    for path in made.iterdir():
        assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()
    assert store.upload(made) == (stored, False)
    assert len(store.s3.sent) == 4


@pytest.mark.faults
def test_half_an_upload_is_no_data_set_and_goes_on_where_it_stopped(made):
    bucket = FakeBucket()
    store = Store(bucket, "data")
    for room in (1, 2):
        bucket.room = room
        with pytest.raises(Exception, match="SlowDown"):
            store.upload(made)
        assert store.data_sets() == []
        with pytest.raises(TandemError, match="has none yet"):
            store.resolve("faq")
    bucket.room = 1
    assert store.upload(made)[1] is True
    assert bucket.sent == ["test.jsonl", "train.jsonl", "validation.jsonl", "manifest.json"]
    assert [str(stored) for stored in store.data_sets()] == [str(store.resolve("faq"))]


@pytest.mark.faults
def test_what_was_changed_in_the_bucket_is_not_fetched(made, tmp_path):
    store = Store(FakeBucket(), "data")
    stored, _ = store.upload(made)
    train = store.s3.objects[f"{stored.prefix}train.jsonl"]
    train["data"] = train["data"].replace(b"Yes.", b"Nay.")
    with pytest.raises(TandemError, match=r"train\.jsonl: its SHA-256"):
        store.download(stored, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.s3.objects["datasets/faq/0123456789ab/manifest.json"] = store.s3.objects[f"{stored.prefix}manifest.json"]
    with pytest.raises(TandemError, match="it belongs to datasets/faq/"):
        store.manifest(store.resolve("faq@0123456789ab"))


def test_a_name_with_two_versions_must_say_which(made, tmp_path):
    store = Store(FakeBucket(), "data")
    first, _ = store.upload(made)
    _, splits, _ = folder.read(made)
    splits["test"].pop()
    folder.write(tmp_path / "second", splits, **TEXTS)
    second, _ = store.upload(tmp_path / "second")
    with pytest.raises(TandemError, match="2 versions") as caught:
        store.resolve("faq")
    assert str(first) in str(caught.value) and str(second) in str(caught.value)
    assert store.resolve(str(second)) == second
    with pytest.raises(TandemError, match=r"no data set 'fax'.*it has faq@"):
        store.resolve("fax")
