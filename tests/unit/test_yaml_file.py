"""Files that people write: nothing in them is read as another thing than what stands there."""

import pytest
from tandem_contract.errors import Mistakes

from tandem import yaml_file


@pytest.fixture
def read(tmp_path):
    def reading(text: str):
        path = tmp_path / "file.yaml"
        path.write_text(text)
        return yaml_file.read(path, "a mapping")

    return reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-5", 2e-5),
        ("2E-5", 2e-5),
        ("1.e-4", 1e-4),
        ("1e+3", 1000.0),
        ("-3e2", -300.0),
        ("0.0001", 0.0001),
        ("0", 0),
        ("0.5", 0.5),
        (".inf", float("inf")),
        ("0x10", 16),
        ("'016'", "016"),
        ("'1e-4'", "1e-4"),
        ("'no'", "no"),
        ("true", True),
        ("1e-4 or so", "1e-4 or so"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
    ],
)
def test_what_a_value_is(read, text, value):
    found = read(f"key: {text}\n")["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.faults
@pytest.mark.parametrize("text", ["016", "010", "00", "1:30", "1:30.5", "1_000", "1_0.5", "0b11", "-017"])
def test_a_number_that_old_yaml_reads_otherwise_is_refused(read, text):
    with pytest.raises(Mistakes, match=rf"file.yaml:2: key\.inner: '{text}' is no plain number. Write it in digits"):
        read(f"key:\n  inner: {text}\n")


@pytest.mark.faults
@pytest.mark.parametrize("text", ["no", "Off", "YES", "on"])
def test_a_word_that_old_yaml_takes_for_true_or_false_is_refused(read, text):
    with pytest.raises(Mistakes, match=rf"key\[1\]: '{text}' is neither true nor false"):
        read(f"key: [a, {text}]\n")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a: stands twice, in line 1 too"),
        ("a: {b: 1, b: 1}\n", ":1: a.b: stands twice"),
        ('{"a": [{"b": 1,\n"b": 2}]}', r":2: a\[0\].b: stands twice, in line 1 too"),
        ("a: 1\n'a': 2\n", ":2: a: stands twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused(read, text, said):
    with pytest.raises(Mistakes, match=said):
        read(text)


def test_aliases_are_read_once(read):
    assert read("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}
    with pytest.raises(Mistakes) as refused:
        read("a: &x {b: 010}\nc: *x\n")
    assert len(refused.value.mistakes) == 1


@pytest.mark.faults
def test_the_recipe_of_the_finding_has_all_its_mistakes_at_once(read):
    with pytest.raises(Mistakes) as refused:
        read(
            "base_model: Qwen/Qwen3-8B\nlearning_rate: 1e-5\nmax_steps: 1:30\nlora: {rank: 016}\n"
            "gate: {token_f1: {gain: 0.05}}\nlearning_rate: 1e-3\n"
        )
    found = [mistake.where.rpartition(" ")[2] for mistake in refused.value.mistakes]
    assert found == ["max_steps", "lora.rank", "learning_rate"]


def test_a_day_that_no_calendar_has_is_named_with_its_line_and_hides_no_other_mistake(read):
    with pytest.raises(Mistakes) as error:
        read("until: 2027-13-01\nother:\n  - {until: 2027-02-30}\nrate: 1:30\n")
    said = str(error.value)
    assert "file.yaml:1" in said and "2027-13-01" in said and "month must be in 1..12" in said
    assert "other[0].until" in said and "2027-02-30" in said
    assert "1:30" in said
