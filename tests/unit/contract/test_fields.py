"""Declared fields: what becomes of a value, what is refused, and what is said of a key."""

import math
from enum import Enum

import pytest
from tandem_contract import __version__
from tandem_contract.checks import Checks, shown
from tandem_contract.fields import Field, Table, camel, from_environment, snake, variables

from scripts.schema import annotation, argument_description, description


class Colour(str, Enum):  # noqa: UP042 - as the components have them
    RED = "red"
    BLUE = "blue"


FIELDS = {
    "count": Field(2, "How many there are.", low=1, high=9, unit="things", remedy="2 are enough."),
    "share": Field(0.5, "How much of each.", low=0.0, high=1.0),
    "colour": Field("red", "Of what colour.", choices=Colour),
    "loud": Field(False, "Whether it rings."),
    "name": Field("", "What it is called.", pattern="[a-z]+", allowed="small letters", remedy="For example bell."),
    "arn": Field("", "Of its topic.", output=True),
    "tags": Field({}, "On everything."),
    "labels": Field({}, "On all that takes them.", output=True),
    "ids": Field([], "Of those that are there.", output=True, pattern="id-.*", allowed="an id"),
    "inner": Field({}, "What it holds.", table=Table("Inner", "", {"sum": Field(3, "All.", low=0.0, high=math.inf)})),
}
TABLE = Table("Things", "All things.", FIELDS)


class Output:
    """Of another resource, as Pulumi has them."""

    def apply(self, _function):
        raise AssertionError("Nobody may look into it.")


def read(**given):
    checks = Checks()
    values = TABLE.read(checks, given)
    return values, {mistake.where: str(mistake) for mistake in checks.mistakes}


def test_without_values_everything_is_its_default_also_inside():
    assert read() == (TABLE.defaults | {"inner": {"sum": 3}}, {})


def test_values_are_what_their_field_is():
    output = Output()
    given = {"count": 3.0, "share": 1, "colour": Colour.BLUE, "loud": True, "name": "bell", "arn": output}
    given |= {"tags": {"a": "b"}, "inner": {"sum": 300}, "labels": {"a": output, "b": "c"}, "ids": [output, "id-1"]}
    values, mistakes = read(**given)
    assert not mistakes
    assert values == given
    # Other languages send whole numbers as floats (pulumi/pulumi#21944); an amount stays as it was written.
    assert [type(values[key]) for key in ("count", "share")] == [int, int]


@pytest.mark.faults
def test_each_value_that_cant_be_used_is_refused_and_none_in_the_result():
    values, mistakes = read(
        count=True, share=1.5, colour="rde", loud="yes", name="Bell", tags=1, inner={"sum": -1, "sun": 1}, coulor="red"
    )
    assert set(mistakes) == {"count", "share", "colour", "loud", "name", "tags", "inner.sum", "inner.sun", "coulor"}
    assert [values[key] for key in ("count", "share", "colour", "loud", "name")] == [None] * 5
    assert mistakes["count"] == "count: true is not allowed (a whole number of things from 1 to 9). 2 are enough."
    assert mistakes["share"] == "share: 1.5 is not allowed (a number from 0.0 to 1.0). The default is 0.5."
    assert mistakes["colour"] == "colour: 'rde' is not allowed (red, blue). Did you mean `red`?"
    assert mistakes["name"] == "name: 'Bell' is not allowed (small letters). For example bell."
    assert mistakes["inner.sum"] == "inner.sum: -1 is not allowed (a number, 0.0 or more). The default is 3."
    assert mistakes["inner.sun"] == f"inner.sun: is not an argument of Tandem {__version__}. Did you mean `sum`?"
    assert mistakes["coulor"] == f"coulor: is not an argument of Tandem {__version__}. Did you mean `colour`?"


@pytest.mark.faults
def test_an_output_is_refused_where_somebody_has_to_look_into_it():
    """It was shown as an object with an address, or broke what reads it."""
    output = Output()
    keys = ("count", "share", "colour", "loud", "name", "tags", "inner", "labels", "ids")
    values, mistakes = read(**dict.fromkeys(keys, output))
    assert mistakes.keys() == {*keys}
    assert mistakes["name"] == (
        "name: is an output, which isn't known before it is there. "
        "Write the value itself: it is read before anything is made."
    )
    assert "[ids[0], ids[1]]" in mistakes["ids"] and "whose values may be outputs" in mistakes["labels"]
    assert values["inner"] == {"sum": 3}  # whole, so that rules can be applied to the rest
    assert read(tags={"a": output, "b": 1})[1].keys() == {"tags.a"}
    checks = Checks()
    LISTS.read(checks, {"letters": ["a", output]})
    assert [each.where for each in checks.mistakes] == ["letters[1]"]


@pytest.mark.faults
@pytest.mark.parametrize("given", [5, {"a": 1}, ["a"], True])
def test_what_may_be_an_output_is_one_or_a_text(given):
    assert read(arn=given)[1].keys() == {"arn"}


def test_a_message_shows_that_a_value_is_an_output():
    assert (shown(Output()), shown({"a": [Output()]})) == ('"an output"', '{"a": ["an output"]}')


def test_rules_are_told_what_is_given_beside_the_defaults():
    """SDKs of other languages write out every default of the schema."""
    told = []
    table = Table("Ruled", "", FIELDS, lambda _checks, _values, given: told.append(dict(given)))
    table.read(Checks(), {"count": 2, "colour": Colour.RED, "loud": None, "name": "bell", "other": 1})
    assert told == [{"name": "bell"}]


def test_keys_that_a_table_has_are_put_into_snake_case_and_no_others():
    inner = Table("Inner", "", {"least_size": Field(1, "", low=0, high=9), "node_labels": Field({}, "")})
    table = Table("Outer", "", {"inner_ones": Field([], "", items=inner), "own_inner": Field({}, "", table=inner)})
    content = {"leastSize": 1, "nodeLabels": {"teamName": "a"}, "leastSise": 2}
    expected = {"least_size": 1, "node_labels": {"teamName": "a"}, "leastSise": 2}
    assert table.in_snake_case({"innerOnes": [content], "ownInner": content, "ownOther": 1}) == {
        "inner_ones": [expected],
        "own_inner": expected,
        "ownOther": 1,
    }


def test_a_description_has_limits_default_and_cost():
    assert description(FIELDS["count"]) == "How many there are. 1 to 9 things; 2 by default."
    assert description(FIELDS["inner"].table.fields["sum"]) == "All. 3 by default."
    big = Field(16384, "Disk.", low=0.2, high=16384.0, unit="GB", cost="Billed by the hour.")
    assert description(big) == "Disk. 0.2 to 16,384 GB; 16,384 by default. Billed by the hour."
    assert (description(FIELDS["colour"]), description(FIELDS["loud"])) == (
        "Of what colour. `red` by default.",
        "Whether it rings. false by default.",
    )
    assert description(FIELDS["name"]) == "What it is called."


def test_a_function_reads_from_its_environment_what_was_written_there(monkeypatch):
    fields = {key: FIELDS[key]._replace(variable=key.upper()) for key in ("count", "share", "loud", "name", "tags")}
    told = variables(fields, {"count": 3, "share": 1, "loud": True, "name": "", "tags": {"a": "b"}})
    assert told == {"COUNT": "3", "SHARE": "1.0", "LOUD": "true", "TAGS": '{"a": "b"}'}
    for name, text in told.items():
        monkeypatch.setenv(name, text)
    assert from_environment(fields) == {"count": 3, "share": 1.0, "loud": True, "name": "", "tags": {"a": "b"}}
    monkeypatch.delenv("COUNT")
    assert from_environment(fields)["count"] == 2
    output = Output()
    assert variables({"name": fields["name"]}, {"name": output}) == {"NAME": output}


def test_keys_of_a_configuration_are_in_camel_case():
    assert camel("chunk_tokens") == "chunkTokens" and snake("chunkTokens") == "chunk_tokens"


@pytest.mark.faults
@pytest.mark.parametrize("value", [10**5000, [10**5000]], ids=["number", "list"])
def test_a_value_that_python_does_not_write_is_refused_too(value):
    _, mistakes = read(count=value, inner={"sum": value})
    kind = type(value).__name__
    assert f"count: a value of type {kind} is not allowed (a whole number of things" in mistakes["count"]
    assert f"a value of type {kind} is not allowed" in mistakes["inner.sum"]


@pytest.mark.faults
def test_json_of_any_depth_is_left_to_the_check():
    assert FIELDS["tags"].parsed("[" * 100_000) == "[" * 100_000


@pytest.mark.faults
def test_a_key_of_any_signs_is_named_on_one_line_that_can_be_printed():
    _, mistakes = read(**{"\ud800\n\x1b[31m": 1, "inner": {"\udc00": 1}, "größe": 1})
    assert {r"\ud800\n\x1b[31m", r"inner.\udc00", "größe"} == mistakes.keys()


LISTS = Table(
    "Lists",
    "",
    {
        "letters": Field([], "Texts.", pattern="[a-z]", allowed="a letter", remedy="For example a."),
        "groups": Field([{}], "Tables.", items=Table("Group", "", {"size": Field(1, "Its size.", low=0, high=9)})),
    },
)


def test_a_list_holds_texts_or_tables_each_read():
    checks = Checks()
    assert LISTS.read(checks, {}) == {"letters": [], "groups": [{"size": 1}]}
    assert LISTS.read(checks, {"letters": ("a", "b"), "groups": [{}, {"size": 2.0}]}) == {
        "letters": ["a", "b"],
        "groups": [{"size": 1}, {"size": 2}],
    }
    assert not checks.mistakes
    assert [annotation(LISTS.fields[each]) for each in ("letters", "groups")] == ["Sequence[str]", "Sequence[Group]"]


def test_the_type_of_an_argument_says_what_of_it_may_be_an_output_and_so_does_a_text():
    expected = {
        "name": ("str", " No output: it is read before anything is made."),
        "arn": ("pulumi.Input[str]", ""),
        "labels": ("Mapping[str, pulumi.Input[str]]", ""),
        "ids": ("Sequence[pulumi.Input[str]]", ""),
        "count": ("int", ""),
        "colour": ("Colour", ""),
    }
    told = {key: (annotation(FIELDS[key]), argument_description(FIELDS[key])) for key in expected}
    assert told == {key: (kind, description(FIELDS[key]) + more) for key, (kind, more) in expected.items()}


@pytest.mark.faults
def test_a_list_names_the_place_of_each_mistake():
    checks = Checks()
    values = LISTS.read(checks, {"letters": ["a", "B", 1], "groups": [{"size": 10}, "x", {"sise": 1}]})
    assert [each.where for each in checks.mistakes] == [
        "letters[1]", "letters[2]", "groups[0].size", "groups[1]", "groups[2].sise"
    ]  # fmt: skip
    assert values["letters"] is None
    LISTS.read(alone := Checks(), {"letters": "a"})
    assert str(alone.mistakes[0]) == "letters: 'a' is not a list. Write it in brackets, also one alone."


def test_a_number_may_follow_from_something_else_where_it_is_not_given(monkeypatch):
    """Its default is empty: nothing is told to the function, and nothing said of a default."""
    share = Field("", "How much of each.", low=0.0, high=1.0, remedy="Leave it out.", variable="SHARE")
    table, checks = Table("Things", "All things.", {"share": share}), Checks()
    assert [table.read(checks, given)["share"] for given in ({}, {"share": ""}, {"share": 1})] == ["", "", 1.0]
    assert table.read(checks, {"share": 2})["share"] is None
    assert str(checks.mistakes[0]) == "share: 2 is not allowed (a number from 0.0 to 1.0). Leave it out."
    assert [variables({"share": share}, {"share": value}) for value in ("", 0.5, 1)] == [
        {},
        {"SHARE": "0.5"},
        {"SHARE": "1.0"},
    ]
    assert from_environment({"share": share}) == {"share": ""}
    monkeypatch.setenv("SHARE", "0.5")
    assert from_environment({"share": share}) == {"share": 0.5}
    assert (annotation(share), description(share)) == ("float", "How much of each. 0 to 1.")


def test_what_has_to_be_given_is_told_to_be_missing_and_may_be_an_output():
    table = Table("Needing", "", {"table_name": Field("", "", output=True, required=True, remedy="Name it.")})
    for given in ({}, {"table_name": None}, {"table_name": ""}):
        checks = Checks()
        assert table.read(checks, given) == {"table_name": None}
        assert list(map(str, checks.mistakes)) == ["table_name: is missing. Name it."]
    for name in ("ledger", Output()):
        assert table.read(Checks(), {"table_name": name}) == {"table_name": name}
