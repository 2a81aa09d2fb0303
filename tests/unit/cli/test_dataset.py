"""`tandem dataset import` and `check`: what is made, what is refused, and with which words."""

import builtins
import json
from pathlib import Path

import boto3
import pytest
import typer
from typer.testing import CliRunner

from samples import style_dataset
from tandem.cli import dataset
from tandem.cli.main import Commands
from tests.unit.finetuning.buckets import FakeBucket

app = typer.Typer(cls=Commands)
app.callback()(lambda: None)
app.add_typer(dataset.app)

TEXTS = ("--name", "faq", "--licence", "CC0-1.0", "--source", "made up")


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["dataset", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def chat(question: object, answer: str = "Yes.") -> dict:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rows(here) -> Path:
    return written(here / "rows.jsonl", *(chat(f"Question {number}?") for number in range(100)))


@pytest.fixture
def bucket(project, monkeypatch) -> FakeBucket:
    """The dataset bucket of the stack."""
    state = FakeBucket()
    monkeypatch.setattr(boto3.Session, "client", lambda self, service, **options: state)
    project.has(datasetBucket="data")
    return state


def test_import_writes_a_folder_that_check_accepts(here, rows):
    with rows.open("a") as file:
        file.write(json.dumps(chat("Question 7?")) + "\n" + json.dumps(chat("Question 8?", "No.")) + "\n")
    output = run("import", rows, *TEXTS, "--to", "made")
    manifest = json.loads((here / "made" / "manifest.json").read_text())
    assert [manifest[key] for key in ("name", "licence", "source")] == ["faq", "CC0-1.0", "made up"]
    assert sum(split["rows"] for split in manifest["splits"].values()) == 101
    assert "102 rows read, 1 duplicates dropped\nwarnings: 1\n" in output
    assert "rows.jsonl:102: 'Question 8?' has another answer in " in output
    assert f"faq@{manifest['digest'][:12]}, digest {manifest['digest']}" in output
    assert "written to made" in output
    assert "already in made" in run("import", rows, *TEXTS, "--to", "made")
    checked = run("check", "made")
    for name, split in manifest["splits"].items():
        numbers = [
            str(split["rows"]),
            str(split["tokens"]["mean"]),
            *(str(split["tokens"][key]) for key in ("p95", "max")),
        ]
        for text in (output, checked):
            assert [name, *numbers] in [line.split() for line in text.splitlines()]
    assert "All is as the manifest says." in checked
    for command in (("import", rows, *TEXTS, "--to", "made"), ("check", "made")):
        found = json.loads(run(*command, "--json"))
        assert (found["manifest"], found["version"]) == (manifest, manifest["digest"][:12])
        assert len(found["warnings"]) == 1


def test_files_of_their_own_for_the_splits(here):
    files = {name: written(here / f"{name}.json", chat(f"A {name}?")) for name in ("train", "validation", "test")}
    options = [part for name, file in files.items() for part in (f"--{name}", file)]
    run("import", *options, *TEXTS, "--to", "made")
    for name in files:
        assert f"A {name}?" in (here / "made" / f"{name}.jsonl").read_text()
    assert "--test: is missing. Give a file for each" in run("import", *options[:4], *TEXTS, "--to", "b", code=1)
    assert "Give either" in run("import", files["test"], *options, *TEXTS, "--to", "b", code=1)
    assert "Give either" in run("import", *TEXTS, "--to", "b", code=1)
    assert not (here / "b").exists()


def test_import_into_the_bucket_and_check_from_it(project, bucket, rows):
    output = run("import", rows, *TEXTS, "--stack", "finetune-prod")
    assert "--stack finetune-prod" in (project.folder / "pulumi-arguments").read_text()
    version = output.split("faq@")[1][:12]
    assert f"written to s3://data/datasets/faq/{version}/" in output
    assert f"already in s3://data/datasets/faq/{version}/" in run("import", rows, *TEXTS)
    for reference in ("faq", f"faq@{version}"):
        assert "All is as the manifest says." in run("check", reference)
    run("import", rows, *TEXTS, "--split", "60/20/20")
    assert f"'faq' has 2 versions, name one: faq@{min(version, other(bucket, version))}" in run("check", "faq", code=1)
    assert "There is no data set 'fax' in bucket data; it has faq@" in run("check", "fax", code=1)
    assert "no folder" in run("check", "./fax", code=1)


def other(bucket: FakeBucket, version: str) -> str:
    return next(found for key in bucket.objects if (found := key.split("/")[2]) != version)


@pytest.mark.faults
def test_an_upload_that_breaks_off_is_taken_up_again(bucket, rows):
    bucket.room = 2
    assert "broke off" in run("import", rows, *TEXTS, code=1)
    assert "it has none yet" in run("check", "faq", code=1)
    bucket.room = 9
    run("import", rows, *TEXTS)
    assert bucket.sent == ["test.jsonl", "train.jsonl", "validation.jsonl", "manifest.json"]
    run("check", "faq")


BAD_CHAT = [
    ('{"messages": [', "the row: '{", "one JSON object a line"),
    ("[1]", "the row: [1]", "a JSON object"),
    ({"prompt": "Hut?"}, "messages: is missing", "a list; each entry is an object with role and content"),
    ({"messages": []}, "messages: [] is not allowed (a list", "Each entry is an object with role and content"),
    ({"messages": ["Hut?"]}, "messages[0]: 'Hut?'", "an object with role and content"),
    (
        {"messages": [{"content": "Hut?"}, chat("")["messages"][1]]},
        "messages[0].role: is missing",
        "one of system, developer, user",
    ),
    ({"messages": [{"role": "bot", "content": "Hut?"}]}, "messages[0].role: 'bot'", "(system, developer, user, human"),
    ({"messages": [{"role": ["user"], "content": "Hut?"}]}, 'messages[0].role: ["user"]', "(system, developer, user"),
    ({"messages": [{"role": "user"}, chat("")["messages"][1]]}, "messages[0].content: is missing", "Add it, a text"),
    (chat("  \n"), "messages[0].content: '  \\n'", "Write what was said"),
    (chat("Hut?", ""), "messages[1].content: ''", "Write what was said"),
    (chat([{"type": "text"}]), "messages[0].content[0]: {", "(a part with a text)"),
    (chat(5), "messages[0].content: 5", "(a text)"),
    (chat("\u200b\u200b"), "messages[0].content: '\\u200b\\u200b'", "(a text that isn't blank)"),
    (chat("a\0b"), "messages[0].content: 'a\\x00b'", "(a text without the character NUL)"),
    (chat("\ud800"), "messages[0].content: ", "Half a surrogate pair"),
    ({"messages": [*chat("a")["messages"][:1] * 2]}, "messages[1].role: 'user'", "assistant is due here"),
    ({"messages": chat("a")["messages"][1:]}, "messages[0].role: 'assistant'", "user is due here"),
    ({"messages": chat("a")["messages"][:1]}, 'messages: ["user"]', "End with the assistant's answer"),
    ({"messages": [{"role": "system", "content": "a"}]}, 'messages: ["system"]', "End with the assistant's answer"),
    (
        {"messages": [*chat("a")["messages"], {"role": "system", "content": "a"}]},
        "messages[2].role",
        "user is due here",
    ),
]


@pytest.mark.faults
def test_every_bad_row_is_reported_at_once_and_nothing_is_written(here):
    file = written(here / "bad.jsonl", chat("Good?"), "", *(row for row, _, _ in BAD_CHAT))
    output = run(
        "import",
        file,
        "--name",
        "Bad Name",
        "--licence",
        " ",
        "--source",
        "",
        "--split",
        "90/10",
        "--to",
        "made",
        code=1,
    )
    lines = output.splitlines()
    assert lines[0] == f"The data set has {len(BAD_CHAT) + 5} mistakes:"
    assert any("prompt: nothing here reads such a field" in line for line in lines)
    for number, (row, what, remedy) in enumerate(BAD_CHAT, start=3):
        found = [line for line in lines if line.startswith(f"  - {file}:{number}: ")]
        assert what in found[0] and remedy in found[0], row
    for field in ("name: 'Bad Name'", "licence: ' '", "source: ''", "--split: '90/10'"):
        assert f"the command: {field} is not allowed (" in output
    assert [path.name for path in here.iterdir()] == ["bad.jsonl"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"instruction": "Hut?"}, "output: is missing. Add it"),
        ({"instruction": "", "output": "Open."}, "instruction: '' is not allowed (a text that isn't blank). Write"),
        ({"instruction": "Hut?", "input": 5, "output": "Open."}, "input: 5 is not allowed (a text)"),
        (
            {"conversations": [{"from": "human", "value": "Hut?"}, {"from": "gpt"}]},
            "conversations[1].value: is missing",
        ),
        (
            {"conversations": [{"from": "bot", "value": "Hut?"}]},
            "conversations[0].from: 'bot' is not allowed (system, developer, user, human",
        ),
        ({"asked": "Hut?"}, 'the row: {"asked": "Hut?"} is not allowed (an object with messages or'),
        ({"text": "Hut?"}, "text: a text in somebody's template has no turns. Write its turns as messages."),
    ],
)
def test_bad_rows_of_other_formats(here, row, what):
    good = {"instruction": "Hut?", "output": "Open."} if "instruction" in row else None
    file = written(here / "rows.jsonl", *filter(None, [good, row]))
    assert f"rows.jsonl:{2 if good else 1}: {what}" in run("import", file, *TEXTS, "--to", "made", code=1)


@pytest.mark.faults
def test_files_that_are_no_text_or_have_no_rows(here):
    (here / "latin.jsonl").write_bytes(b'{"instruction": "H\xfctte?", "output": "Offen."}\n')
    (here / "cut.json").write_text('[\n{"instruction": "Hut?",\n')
    (here / "empty.jsonl").write_text("\n")
    output = run("import", "latin.jsonl", "cut.json", "empty.jsonl", *TEXTS, "--to", "made", code=1)
    for place in ("latin.jsonl:1: the row: ", "cut.json:3: the file: ", "empty.jsonl: the file is empty"):
        assert place in output
    assert "does not exist" in run("import", "nowhere.jsonl", *TEXTS, "--to", "made", code=2)


@pytest.mark.faults
def test_all_mistakes_can_be_written_to_a_file(here):
    file = written(here / "rows.jsonl", *(chat(f"Question {number}?") for number in range(100)), *["{}"] * 70)
    run("import", file, *TEXTS, "--to", "made", "--mistakes", "mistakes.txt", code=1)
    lines = (here / "mistakes.txt").read_text().splitlines()
    assert len(lines) == 70 and lines[69].startswith(f"{file}:170: messages: is missing. Add it")
    (here / "mistakes.txt").unlink()
    output = run("import", file, *TEXTS, "--to", "made", "--mistakes", "mistakes.txt", "--skip")
    assert (here / "mistakes.txt").read_text().splitlines() == lines
    assert "bad rows left out: 70\n" in output and "100 rows read" in output
    assert f"warnings: 70\n  skipped: {file}:101: messages: is missing." in output and "... and 50 more" in output
    assert json.loads((here / "made" / "manifest.json").read_text())["skipped"] == 70
    assert "bad rows left out: 70\n" in run("check", "made")
    assert "can't be written" in run("import", file, *TEXTS, "--to", "b", "--skip", "--mistakes", "no/where", code=1)


def test_fields_that_are_left_out_stand_in_the_manifest(here):
    rows = [chat(f"Question {number}?") | {"id": number, "rating": 5} for number in range(100)]
    file = written(here / "rows.jsonl", *rows)
    assert "--leave-out 'rating'" in run("import", file, *TEXTS, "--to", "made", code=1)
    output = run("import", file, *TEXTS, "--to", "made", "--leave-out", "rating")
    assert "fields left out: id (100 rows), rating (100 rows)\n" in output and "warnings: 0\n" in output
    assert json.loads((here / "made" / "manifest.json").read_text())["left_out"] == {"id": 100, "rating": 100}
    assert "fields left out: id (100 rows), rating (100 rows)\n" in run("check", "made")


def test_rows_are_divided_by_a_field(here):
    rows = [chat("Sum up.", f"Sum {number}.") | {"case": number // 3} for number in range(100)]
    file = written(here / "rows.jsonl", *rows)
    assert "with --group-by" in run("import", file, *TEXTS, "--to", "made", "--leave-out", "case", code=1)
    run("import", file, *TEXTS, "--to", "made", "--group-by", "case")
    manifest = json.loads((here / "made" / "manifest.json").read_text())
    assert manifest["group_by"] == "case" and "left_out" not in manifest


@pytest.mark.faults
def test_a_long_list_of_mistakes_is_cut_and_counted(here):
    file = written(here / "rows.jsonl", *["{}"] * 70)
    output = run("import", file, *TEXTS, "--to", "made", code=1)
    assert output.startswith("The data set has 70 mistakes:") and output.rstrip().endswith("... and 20 more")
    assert len(output.splitlines()) == 52


@pytest.mark.faults
def test_an_empty_split_is_refused(here):
    file = written(here / "rows.jsonl", chat("One?"), chat("Two?"))
    output = run("import", file, *TEXTS, "--to", "made", code=1)
    assert "test: the split is empty. Give more rows" in output
    assert not (here / "made").exists()


@pytest.mark.faults
@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_row_of_train_in_another_split_is_refused(here, split):
    files = {name: [chat(f"A {name}?")] for name in ("train", "validation", "test")}
    files["train"].append(chat("Is the hut  open?", "Yes."))
    files[split].append(chat(" is the HUT open?\n", "YES."))
    options = [part for name, found in files.items() for part in (f"--{name}", written(here / name, *found))]
    output = run("import", *options, *TEXTS, "--to", "made", code=1)
    place = f"{here / split}:2: a {split} row: "
    assert place in output and f"and its answer are in train too ({here / 'train'}:2)" in output
    assert "Leave it out of one" in output


@pytest.mark.faults
def test_a_leak_in_a_finished_folder_is_found(here):
    """Somebody wrote folder and manifest with right digests, and the same prompt in two splits."""
    from tandem.finetuning.dataset import folder
    from tandem.finetuning.dataset.rows import Row

    row = Row((("user", "Hut?"), ("assistant", "Open.")), "", 1)
    folder.write(here / "made", {name: [row] for name in ("train", "validation", "test")}, "faq", "CC0-1.0", "made up")
    output = run("check", "made", code=1)
    assert "test.jsonl:1: a test row: 'Hut?' and its answer" in output and "validation.jsonl:1: a validation" in output


@pytest.mark.faults
def test_a_changed_folder_is_found(here, rows):
    run("import", rows, *TEXTS, "--to", "made")
    train, manifest = here / "made" / "train.jsonl", here / "made" / "manifest.json"
    whole = train.read_bytes()
    train.write_bytes(whole.replace(b"Yes.", b"Nay.", 1))
    assert "train.jsonl: its SHA-256 is" in run("check", "made", code=1)
    assert "the file was changed" in run("import", rows, *TEXTS, "--to", "made", code=1)
    train.unlink()
    assert "train.jsonl: is missing" in run("check", "made", code=1)
    train.write_bytes(whole)
    manifest.write_text(manifest.read_text().replace("CC0-1.0", "CC-BY-4.0"))
    assert "manifest.json: digest: " in run("check", "made", code=1)
    manifest.unlink()
    assert "name the folder of a data set" in run("check", "made", code=1)


@pytest.mark.faults
def test_another_data_set_in_the_folder_stays(here, rows):
    run("import", rows, *TEXTS, "--to", "made")
    before = {path: path.read_bytes() for path in (here / "made").iterdir()}
    output = run("import", rows, *TEXTS, "--split", "60/20/20", "--to", "made", code=1)
    assert "a data set never changes" in output and "name another folder" in output
    assert {path: path.read_bytes() for path in (here / "made").iterdir()} == before
    assert "File exists" in run("import", rows, *TEXTS, "--to", "rows.jsonl/made", code=1)


@pytest.fixture
def tokenizer(here) -> str:
    """A tokenizer of words, whose file says that it cuts after three tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.enable_truncation(3)
    made.enable_padding(length=50)
    made.save(str(here / "tokenizer.json"))
    return "tokenizer.json"


@pytest.mark.faults
def test_rows_longer_than_the_model_are_reported(here, rows, tokenizer):
    with rows.open("a") as file:
        file.write(json.dumps(chat("word " * 90, "two words")) + "\n")
    run("import", rows, *TEXTS, "--to", "made")
    assert "95" in run("check", "made", "--tokenizer", tokenizer, "--max-tokens", "95")  # 92 words, three of ChatML
    output = run("check", "made", "--tokenizer", tokenizer, "--max-tokens", "94", code=1)
    assert "1 rows have more than 94 tokens (by its tokenizer)" in output
    assert ".jsonl:" in output and ": 95 tokens, 'word word" in output
    assert "(the longest has 95)" in output
    assert "(estimated)" in run("check", "made", "--max-tokens", "94", code=1)


@pytest.mark.faults
def test_no_tokenizer(here, rows, monkeypatch):
    run("import", rows, *TEXTS, "--to", "made")
    assert "rows.jsonl is no tokenizer.json" in run("check", "made", "--tokenizer", rows, code=1)
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install tokenizers" in run("check", "made", "--tokenizer", rows, code=1)


def test_the_style_sample_has_a_hundred_test_rows_in_one_form(here, monkeypatch):
    import re

    monkeypatch.setattr("sys.argv", ["style_dataset.py", "--to", "style.jsonl"])
    style_dataset.main()
    output = run("import", "style.jsonl", *TEXTS, "--split", "70/5/25", "--to", "made")
    assert "497 rows read, 0 duplicates dropped\nwarnings: 0\n" in output
    test = [json.loads(line)["messages"] for line in (here / "made" / "test.jsonl").read_text().splitlines()]
    assert len(test) >= 100
    answers = [messages[-1]["content"] for messages in test]
    assert all(re.fullmatch(style_dataset.FORMAT, answer) for answer in answers)
    assert all(len(answer.splitlines()[0].split()) <= style_dataset.WORDS + 2 for answer in answers)
    system, question, _ = test[0]
    assert not re.search("line|format|topic|luck", system["content"], re.IGNORECASE)
    assert not re.fullmatch(style_dataset.FORMAT, question["content"])
