"""What bills before and after, read from made-up previews and from recorded ones of Pulumi 3.259."""

import json
import re
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from samples.previews import (
    BUCKET,
    PROVIDER,
    REGION,
    STACK_URN,
    UNKNOWN,
    component,
    digest,
    events,
    many,
    stack_step,
    state,
    step,
    urn,
)
from tandem.cost.estimate import estimate
from tandem.cost.preview import KEPT, LEFT_OVER, SIDES, TWICE, read_preview
from tandem.cost.prices import NotPriced

RECORDED = Path(__file__).parent / "recorded_previews"
OLD, NEW = state(inputs={"v": "old"}), state(inputs={"v": "new"})
LATE, RETAINED = OLD | {"delete": True}, OLD | {"retainOnDelete": True}
READ, READ_BEFORE = NEW | {"external": True}, OLD | {"external": True}
REPLACE = step("replace", LATE, NEW)
FAILED = [{"severity": "error", "message": "error: no credentials"}]
RAISED = [{"severity": "error", "message": "error: no\nTraceback\nKeyError: 'v'"}]
CREATED, DELETED = step("create-replacement", OLD, NEW), step("delete-replaced", LATE)

both_forms = pytest.mark.parametrize("form", [digest, events])


def sides(read):
    """Name -> op and what bills: `v` of the inputs, before and after."""
    return [
        (change.op, *(side and side.inputs.get("v", side.name) for side in (change.before, change.after)))
        for change in read.changes
    ]


@both_forms
@pytest.mark.parametrize(
    ("steps", "expected", "remark"),
    [
        ([step("same", OLD, NEW)], [("same", "old", "new")], ""),
        ([step("create", None, NEW)], [("create", None, "new")], ""),
        ([step("import", None, NEW)], [("import", None, "new")], ""),
        ([step("update", OLD, NEW)], [("update", "old", "new")], ""),
        ([step("refresh", OLD, NEW)], [("refresh", "old", "new")], ""),
        ([step("delete", OLD)], [("delete", "old", None)], ""),
        ([step("delete", RETAINED)], [("delete", "old", "old")], KEPT),
        ([REPLACE], [("replace", "old", "new")], TWICE),
        ([step("replace", OLD | {"pendingReplacement": True}, NEW)], [("replace", "old", "new")], ""),
        ([CREATED, REPLACE, DELETED], [("replace", "old", "new")], TWICE),
        ([step("delete-replaced", OLD), step("replace", OLD, NEW), CREATED], [("replace", "old", "new")], ""),
        ([step("import-replacement", None, NEW), REPLACE, DELETED], [("replace", "old", "new")], TWICE),
        ([step("replace", OLD, READ), step("read-replacement", OLD, READ)], [("replace", "old", None)], ""),
        ([step("replace", READ_BEFORE, NEW), step("discard-replaced", READ_BEFORE)], [("replace", None, "new")], ""),
        ([step("read", READ_BEFORE, READ)], [], ""),
        ([step("discard", READ_BEFORE)], [], ""),
        ([step("same", READ_BEFORE, READ)], [], ""),
        ([step("remove-pending-replace", OLD)], [], ""),
    ],
)
def test_operation_bills_before_or_after(form, steps, expected, remark):
    read = read_preview(form(*steps))
    assert (sides(read), read.problems) == (expected, ())
    assert [change.remark for change in read.changes] == [remark] * len(expected)


def test_every_operation_of_the_engine_is_known():
    operations = (
        "same create update delete replace create-replacement delete-replaced read read-replacement refresh discard "
        "discard-replaced remove-pending-replace import import-replacement"
    )
    assert set(SIDES) == set(operations.split())


@both_forms
def test_what_is_replaced_but_retained_is_billed_beside_the_new_one(form):
    read = read_preview(form(step("replace", LATE | {"retainOnDelete": True}, NEW)))
    assert sides(read) == [("replace", "old", "new"), ("replace", None, "old")]
    assert [change.remark for change in read.changes] == ["", KEPT]


@both_forms
def test_copy_left_over_from_an_earlier_replacement_is_billed_until_it_goes(form):
    left = step("delete-replaced", state(inputs={"v": "left"}, id="i-0", delete=True))
    read = read_preview(form(step("same", OLD, NEW), left))
    assert sides(read) == [("same", "old", "new"), ("delete-replaced", "left", None)]
    assert [change.remark for change in read.changes] == ["", LEFT_OVER]
    again = read_preview(form(CREATED, REPLACE, DELETED, left))
    assert sides(again) == [("replace", "old", "new"), ("delete-replaced", "left", None)]


@both_forms
def test_refreshed_resource_counts_once(form):
    refreshed = step("refresh", state(inputs={"v": "drifted"}), OLD)
    assert sides(read_preview(form(refreshed, step("update", OLD, NEW)))) == [("update", "old", "new")]
    # It is gone already: nothing bills until it is made again.
    assert sides(read_preview(form(refreshed, step("create", None, NEW)))) == [("create", None, "new")]


@pytest.mark.parametrize("name", ["digest.json", "refreshed-with-replacement-steps.json", "events.ndjson"])
def test_all_forms_of_a_recorded_preview_say_the_same(name):
    read = read_preview((RECORDED / name).read_text())
    found = {(c.urn.rsplit("::")[-1], c.op, bool(c.before), bool(c.after), c.remark) for c in read.changes}
    assert found == {
        ("same", "same", True, True, ""),
        ("cbd", "replace", True, True, TWICE),
        ("dbr", "replace", True, True, ""),
        ("upd", "update", True, True, ""),
        ("retrep", "replace", True, True, ""),
        ("retrep", "replace", False, True, KEPT),
        ("del", "delete", True, False, ""),
        ("retdel", "delete", True, True, KEPT),
        ("new", "create", False, True, ""),
    }
    assert (read.stack, read.problems, len(read.changes)) == ("dyn/dev", (), len(found))


def test_recorded_refresh_finds_resources_gone():
    read = read_preview((RECORDED / "gone-events.ndjson").read_text())
    assert {(c.op, bool(c.before)) for c in read.changes} == {("create", False)}
    assert len(read.changes) == 3  # and three that are read: not the stack's


def test_recorded_target_leaves_out_what_does_not_exist():
    read = read_preview((RECORDED / "targeted.json").read_text())
    assert "new" not in [change.urn.rsplit("::")[-1] for change in read.changes]
    assert ["Resource::new doesn't exist, and --target leaves it out" in problem for problem in read.problems] == [True]


@both_forms
def test_components_and_providers_are_parents_and_bill_nothing(form):
    environment = component("tandem:index:RagEnvironment", "rag", op="create")
    bucket = component("tandem:index:DataBucket", "rag-documents", environment["urn"], op="create")
    provider = state(PROVIDER, "elsewhere", {"region": "eu-west-1"})
    made = state(BUCKET, "it", parent=bucket["urn"])
    steps = (environment, bucket, step("create", None, provider), step("create", None, made))
    read = read_preview(form(*steps))
    assert read.parents == {
        STACK_URN: "",
        environment["urn"]: STACK_URN,
        bucket["urn"]: environment["urn"],
        provider["urn"]: STACK_URN,
    }
    (change,) = read.changes
    assert "DataBucket$aws:s3/bucket" in change.urn
    assert (change.after.type, change.after.name, change.after.parent) == (BUCKET, "it", bucket["urn"])
    assert (read.stack, read.region) == ("tandem/rag-dev", REGION)


def test_type_is_the_last_of_the_urn_where_the_state_has_none():
    made = state(parent=component("tandem:index:DataBucket", "documents")["urn"])
    del made["type"]
    assert read_preview(digest(step("create", None, made))).changes[0].after.type == BUCKET


PROVIDER_STATE = state(PROVIDER, "mine", {"region": "eu-west-1"})
MINE = {"provider": f"{PROVIDER_STATE['urn']}::{UNKNOWN}"}
ARNS = {"role": "arn:aws:iam::123456789012:role/it", "arn": "arn:aws:sqs:eu-west-2:123456789012:it"}


@both_forms
@pytest.mark.parametrize(
    ("new", "config", "expected"),
    [
        (state(inputs={"region": "ap-south-1"}) | MINE, {"aws:region": "us-west-2"}, "ap-south-1"),
        (state(inputs={"region": UNKNOWN}) | MINE, {"aws:region": "us-west-2"}, ""),
        (state() | MINE, {"aws:region": "us-west-2"}, "eu-west-1"),
        (state(), {"aws:region": "us-west-2"}, "us-west-2"),
        (state(), {"aws:region": "[secret]"}, "eu-west-2"),
        (state(), {}, "eu-west-2"),
    ],
)
def test_region_is_what_is_nearest_to_the_resource(form, new, config, expected):
    steps = (step("create", None, PROVIDER_STATE), step("update", state(outputs=ARNS), new))
    text = form(*steps).replace(json.dumps({"aws:region": REGION}), json.dumps(config))
    if form is digest:
        text = form(*steps, config=config)
    assert read_preview(text).changes[-1].after.region == expected


def test_what_is_deployed_stays_in_its_region_when_configuration_moves():
    moved = step("replace", state(outputs={"region": "eu-west-1"}, delete=True), state())
    (change,) = read_preview(digest(moved)).changes
    assert (change.before.region, change.after.region) == ("eu-west-1", REGION)


def test_region_that_nothing_says_is_empty():
    read = read_preview(digest(step("create", None, state()), config={}))
    assert (read.region, read.changes[0].after.region) == ("", "")


@both_forms
@pytest.mark.parametrize("value", [UNKNOWN, "[secret]"])
def test_hidden_input_is_never_taken_for_a_value(form, value):
    resource = read_preview(form(step("create", None, state(inputs={"a": [{"b": value}]})))).changes[0].after
    with pytest.raises(NotPriced, match=r"a\.0\.b"):
        resource.get("a.0.b")


def test_secret_of_events_is_a_secret():
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
    resource = read_preview(events(step("create", None, state(inputs={"size": secret})))).changes[0].after
    with pytest.raises(NotPriced, match="secret"):
        resource.get("size")


@both_forms
def test_operation_of_a_later_engine_is_said_and_counts(form):
    steps = (step("transmute", OLD, NEW), step("vanish", state(name="b")), step("appear", None, state(name="c")))
    read = read_preview(form(*steps))
    assert sides(read) == [("transmute", "old", "new"), ("vanish", "b", None), ("appear", None, "c")]
    for problem, given in zip(read.problems, steps, strict=True):
        assert repr(given["op"]) in problem and given["urn"] in problem and "isn't known" in problem


def test_state_that_is_missing_is_said():
    read = read_preview(digest(step("update", OLD), step("create", None, state(name="b")) | {"newState": None}))
    assert sides(read) == [("update", "old", None)]
    assert len(read.problems) == 2
    assert all("lacks a state" in problem for problem in read.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (digest(step("update", OLD, NEW), changeSummary={"same": 41, "update": 1}), "40 unchanged .*--show-sames"),
        (digest(step("create", None, NEW), maybeCorrupt=True), "corrupt.*pulumi refresh"),
        (events(step("create", None, NEW), maybeCorrupt=True), "corrupt.*pulumi refresh"),
        (digest(diagnostics=RAISED), "no KeyError: 'v'"),
        (events(step("create", None, NEW), result="failed"), "failed.*result is 'failed'"),
        (events(step("create", None, NEW)).split('{"sequence": 6')[0], "events end before their summary"),
        (digest(step("create", None, NEW)) + "\nleft of a longer file", "not read.*left of a longer file"),
    ],
)
def test_preview_that_is_not_the_whole_truth_says_so(text, said):
    (problem,) = read_preview(text).problems
    assert re.search(said, problem)


@pytest.mark.parametrize(
    "text",
    [
        digest(step("same", OLD, NEW)),
        digest(step("refresh", OLD, NEW), step("same", OLD, NEW), changeSummary={"same": 2}),
        digest(step("create", None, NEW), diagnostics=[{"severity": "warning", "message": "warning: old"}]),
        events(step("same", OLD, NEW)),
    ],
)
def test_whole_preview_has_no_problems(text):
    assert read_preview(text).problems == ()


@both_forms
def test_warnings_of_the_command_are_tolerated(form):
    text = "warning: A new version of Pulumi is available {3.260}\n\n" + form(step("create", None, NEW))
    assert sides(read_preview(text)) == [("create", None, "new")]
    assert sides(read_preview("\ufeff" + form(step("create", None, NEW)))) == [("create", None, "new")]


def test_events_stand_between_other_lines_and_hold_any_character():
    made = step("create", None, state(inputs={"v": "a\u2028b\x85c"}))
    text = json.dumps(json.loads(events(made).split("\n")[4]), ensure_ascii=False) + "\nwarning: no\n" + events()
    assert sides(read_preview(text)) == [("create", None, "a\u2028b\x85c")]


def test_only_json_of_a_compact_digest_matters():
    assert sides(read_preview(json.dumps(json.loads(digest(REPLACE))))) == [("replace", "old", "new")]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty.*--show-sames"),
        (" \n", "is empty"),
        ("Previewing update (dev)\n + create", "no JSON object in it.*--show-sames"),
        ("[]", "no JSON object"),
        ('{"version": 3, "deployment": {}}', "neither .* its keys are version, deployment.*--show-sames"),
        ("{}", "its keys are none"),
        (digest(REPLACE)[:-200], "cut off or damaged.*line .*Make the preview again"),
        (events(REPLACE)[:-20], r"cut off or damaged \(line 8.*Make the preview again"),
        (digest(REPLACE).replace('"op"', "op"), "cut off or damaged"),
        ("{" + '"a": {' * 100_000, "cut off or damaged"),
        (digest(stack=False), "has no steps"),
        (digest(stack=False, diagnostics=FAILED), "no steps: no credentials"),
        (json.dumps({"diagnostics": FAILED}), "no steps: no credentials"),
        (digest({"op": "same", "urn": "urn:pulumi:prod::a::b:c:D::e"}), "more than one stack: a/prod, tandem/rag-dev"),
        (digest(steps={}), r"steps: {} is not allowed \(a list\)|neither a preview"),
        (digest(config=[]), r"config: \[\] is not allowed \(an object\)"),
        (digest(changeSummary=3), r"changeSummary: 3 is not allowed \(an object\)"),
    ],
)
def test_bad_input_says_what_to_do(text, said):
    with pytest.raises(TandemError, match=f"(?s){said}"):
        read_preview(text)


@pytest.mark.faults
@both_forms
def test_all_mistakes_in_steps_are_said_at_once(form):
    bad = [
        {"op": None, "urn": "urn:pulumi:rag-dev::tandem::a:b:C::d"},
        {"op": "same", "urn": "nothing"},
        {"op": "same", "urn": urn(), "oldState": "text", "newState": {"inputs": ["a"], "type": 3}},
        {"op": "same", "urn": urn(), "newState": {"propertyDependencies": {"a": [["b"]], "c": None, "d": True}}},
    ]
    with pytest.raises(TandemError) as error:
        read_preview(form(*bad))
    for said in (
        "step 2: op: null is not allowed (the name of an operation)",
        "step 3: urn: 'nothing' is not allowed (as urn:pulumi:STACK::PROJECT::TYPE::NAME)",
        "step 4: oldState: 'text' is not allowed (an object)",
        'step 4: newState.inputs: ["a"] is not allowed (an object)',
        "step 4: newState.type: 3 is not allowed (a text)",
        'step 5: newState.propertyDependencies.a: [["b"]] is not allowed (a list of URNs)',
        "step 5: newState.propertyDependencies.d: true is not allowed (a list of URNs)",
    ):
        assert said in str(error.value)
    assert "propertyDependencies.c" not in str(error.value)


@pytest.mark.faults
def test_many_mistakes_are_counted():
    with pytest.raises(TandemError, match=r"(?s)has 100 mistakes:.*and 50 more"):
        read_preview(digest(*[{"op": "same", "urn": ""}] * 100))


@both_forms
def test_large_preview_is_priced_whole(form):
    steps = many(400)
    read = read_preview(form(*steps, stack=False))
    custom = {given["urn"] for given in steps if (given.get("newState") or given.get("oldState") or {}).get("custom")}
    assert {change.urn for change in read.changes} == custom
    assert read.problems == ()
    found = estimate(read)
    assert any(line.after and line.after.charges for line in found.lines)
    assert len(found.lines) == len(read.changes) == len(custom)


def test_stack_alone_is_a_preview():
    assert read_preview(digest(stack_step("create"), stack=False)).changes == ()
