"""Every input of every type that is priced or free is considered, or named as not: against the provider's classes."""

import json
from decimal import Decimal

import pytest

from samples.previews import digest, state, step
from scripts.properties import PROPERTIES, properties
from tandem.cost.considered import Inputs
from tandem.cost.estimate import assess, estimate
from tandem.cost.model import UNKNOWN, Number, Resource
from tandem.cost.preview import read_preview
from tandem.cost.pricers import INPUTS, PRICERS, why_free
from tandem.cost.reports.as_json import as_json
from tandem.cost.reports.markdown import LIMIT, markdown
from tandem.cost.reports.terminal import terminal
from tandem.cost.summary import summarize
from tests.unit.cost import test_kubernetes_pricers, test_platform_pricers, test_pricers, test_references

TABLE = {type_: paths.split() for type_, paths in json.loads(PROPERTIES.read_text()).items()}
MOST = 0.4
"""The largest share of a type's inputs that may be not considered."""
NAT, INSTANCE = "aws:ec2/natGateway:NatGateway", "aws:ec2/instance:Instance"
TEMPLATE, NODES = "aws:ec2/launchTemplate:LaunchTemplate", "aws:eks/nodeGroup:NodeGroup"


def cases(test):
    """What a test is given, as rows."""
    return next(mark.args[1] for mark in test.pytestmark if mark.name == "parametrize")


def there(type_, inputs, **references):
    return Resource("urn", type_, "it", "", "us-east-1", inputs, references)


def every_case():
    """The resources of the other tests of pricers, with what they refer to."""
    for test in (
        test_pricers.test_idle_floor,
        test_pricers.test_not_priced_with_the_reason,
        test_pricers.test_storage_is_counted_by_the_usage_parameter_or_not_priced,
        test_pricers.test_causes_that_are_not_dollars_yet,
        test_pricers.test_use_that_no_environment_assumes_is_not_priced_in_one_either,
        test_kubernetes_pricers.test_objects_of_a_cluster_cost_nothing_by_themselves,
        test_kubernetes_pricers.test_objects_that_make_something_bill,
    ):
        yield from (there(type_, inputs) for type_, inputs, *_ in cases(test))
    for inputs, *_ in cases(test_kubernetes_pricers.test_a6_paid_options_of_a_cluster_are_not_priced_beside_its_hours):
        yield there(test_kubernetes_pricers.CLUSTER, {"version": "1.36", "enabledClusterLogTypes": ["api"]} | inputs)
    for inputs, references, _ in cases(test_kubernetes_pricers.test_nodes_that_have_no_price):
        yield there(NODES, inputs, **references)
    for inputs, _ in cases(test_references.test_what_nodes_bill_beside_their_hours):
        yield there(NODES, inputs)
    for template, subnet, *_ in cases(test_references.test_nodes_are_what_their_launch_template_and_subnets_say):
        network = there(test_references.VPC, {})
        references = {
            "launchTemplate": (there(TEMPLATE, test_references.NODE_DISK | template),),
            "subnetIds": (there(test_references.SUBNET, subnet, vpcId=(network,)),),
        }
        yield there(NODES, test_references.NODE_GROUP | {"subnetIds": [UNKNOWN]}, **references)
    machine = {"launchTemplate": {"id": UNKNOWN}}
    yield there(INSTANCE, machine, launchTemplate=(there(TEMPLATE, {"instanceType": "t3.small"}),))
    yield there(test_references.ENDPOINT, {"endpointConfigName": "c"})
    yield from (resource for resource, *_ in test_platform_pricers.PRICED + test_platform_pricers.PARTLY)
    yield there("aws:ssm/parameter:Parameter", {"name": "/x/usage", "value": "{}"})
    yield there("aws:secretsmanager/secret:Secret", {"replicas": [{"region": "us-west-2"}]})


def asked():
    """Type -> the paths that its pricer asked of it in those cases, and those that another's did."""
    own, others = {}, {}
    for resource in every_case():
        assess(resource)
        own.setdefault(resource.type, set()).update(resource.asked)
        around = [near for sources in resource.references.values() for near in sources]
        around += [far for near in around for sources in near.references.values() for far in sources]
        for each in around:
            others.setdefault(each.type, set()).update(each.asked)
    return own, others


def undeclared(type_, paths):
    return [path for path in paths if INPUTS[type_].why_ignored(path) == ""]


def test_table_is_that_of_the_classes():
    assert PROPERTIES.read_text() == properties(), (
        "The provider's classes have changed: run `make schema`, and declare."
    )


def test_every_priced_type_says_what_of_its_inputs_it_considers():
    assert {type_ for type_ in PRICERS if type_.startswith("aws:")} <= set(INPUTS)
    assert all(type_ in PRICERS or why_free(type_) for type_ in INPUTS)
    assert set(INPUTS) <= set(TABLE)
    assert all(type_ in INPUTS or why_free(type_) for type_ in TABLE)


def test_every_input_is_priced_free_or_not_considered_and_few_are_the_last():
    shares = {}
    for type_, inputs in INPUTS.items():
        assert not undeclared(type_, TABLE[type_]), type_
        ignored = [path for path in TABLE[type_] if inputs.why_ignored(path)]
        shares[type_] = len(ignored) / len(TABLE[type_])
    for type_, share in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        print(f"{share:4.0%} of {len(TABLE[type_]):3} inputs not considered: {type_}")
    assert max(shares.values()) <= MOST


@pytest.mark.parametrize("type_", sorted(INPUTS))
def test_each_reason_is_given_and_each_path_is_one_of_the_type(type_):
    inputs = INPUTS[type_]
    reasons = {**inputs.free, **inputs.ignored}
    assert all(why.strip() and paths.split() for why, paths in reasons.items())
    shared = [path for other, each in INPUTS.items() if each is inputs for path in TABLE[other]]
    declared = " ".join([inputs.priced, *reasons.values()]).split()
    stale = [
        name
        for name in declared
        if name != "*" and not any(path == name or path.startswith((name[:-1], f"{name[:-2]}[]")) for path in shared)
    ]
    assert not stale
    assert len(declared) == len(set(declared))


@pytest.mark.parametrize("new", ["brandNew", "nested.brandNew", "list[].brandNew"])
def test_a_property_that_the_classes_get_is_missing_until_it_is_declared(new):
    assert undeclared(NAT, [*TABLE[NAT], new]) == [new]


def test_what_is_declared_as_priced_is_what_pricers_ask_for():
    (own, others), unasked, undeclared = asked(), {}, {}
    for type_, inputs in INPUTS.items():
        # Another type's price may read what this type's own leaves out and says so.
        by_others = {path for path in others.get(type_, set()) if not inputs.why_ignored(path)}
        priced, real = set(inputs.priced.split()), own.get(type_, set()) | by_others
        unasked[type_] = {n for n in priced if not {n, n.removesuffix(".*"), n.removesuffix("[]")} & real}
        # A list or an object that is only counted or looked into isn't an input by itself.
        undeclared[type_] = {
            path
            for path in real
            if not {path, f"{path}.*", f"{path}[]"} & priced
            and not any(name.startswith((f"{path}.", f"{path}[]")) for name in priced)
        }
    assert not {type_: names for type_, names in unasked.items() if names}
    assert not {type_: paths for type_, paths in undeclared.items() if paths}


@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        ({"a": 1}, "a", None),
        ({"b": {"c": 1, "d": 2}}, "b.d", "it may"),
        ({"b": {"e": 1}}, "b.e", ""),
        ({"l": [{"x": 1}, {"y": 1}]}, "l[].y", ""),
        ({"m": {"any": {"thing": [1]}}}, "m.any.thing[]", None),
        ({"tags": {"a.b/c": "d"}}, "tags.a.b/c", None),
        ({"b": UNKNOWN}, "b", None),  # what it has may be considered
        ({"n": UNKNOWN}, "n", "it may"),
        ({"o": {"p": 1, "q": [{"r": 2}]}}, "o", "all of it may"),
        ({"a": {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "path": "x"}}, "a", None),
        ({"__defaults": ["a"], "b": {"__defaults": []}}, "__defaults", None),
        ({"z": None, "y": [], "x": {}}, "z", None),
    ],
)
def test_what_is_set_and_not_considered(given, path, why):
    inputs = Inputs("a b.c l[].x", {"free": "m.*"}, {"it may": "b.d n.p", "all of it may": "o.*"})
    assert inputs.not_considered(given) == ({} if why is None else {path.removesuffix("[]"): why})


@pytest.mark.faults
def test_inputs_without_end_are_not_looked_into():
    deep = {"a": 1}
    for _ in range(900):
        deep = {"a": deep}
    (path,) = Inputs().not_considered({"x": deep})
    assert len(path) < 100


def report(*resources):
    """A summary of a preview that creates these: type, name, inputs."""
    steps = (step("create", None, state(type_, name, inputs=inputs)) for type_, name, inputs in resources)
    return summarize(estimate(read_preview(digest(*steps))))


def test_reports_name_what_is_not_considered_by_type_and_the_total_stays():
    plain = {"instanceType": "t3.small", "associatePublicIpAddress": False, "rootBlockDevice": test_references.DISK}
    inputs = plain | {"ami": "ami-1", "quantumBooster": {"qubits": 8}, "tags": {"a": "b"}}
    found = report((INSTANCE, "one", inputs), (INSTANCE, "two", inputs), (NAT, "nat", {"subnetId": "s", "newer": True}))
    assert found.figures[Number.IDLE].after == 2 * Decimal("16.784") + Decimal("32.85")
    assert not found.figures[Number.IDLE].after_open
    assert found.verdict.state == "more"
    for said in ("not considered: ami, quantumBooster.qubits of " + INSTANCE, "not considered: newer of " + NAT):
        assert said in terminal(found)
        assert said in markdown(found).replace("`", "")
    assert json.loads(as_json(found))["not_considered"] == [
        {
            "type": INSTANCE,
            "inputs": [
                {"path": "ami", "why": INPUTS[INSTANCE].why_ignored("ami")},
                {"path": "quantumBooster.qubits", "why": ""},
            ],
            "resources": ["one", "two"],
        },
        {"type": NAT, "inputs": [{"path": "newer", "why": ""}], "resources": ["nat"]},
    ]


def test_nothing_is_said_where_all_is_considered():
    found = report((NAT, "nat", {"subnetId": "s", "allocationId": UNKNOWN, "tags": {"a": "b"}}))
    assert not found.not_considered
    assert "not considered" not in terminal(found)


def test_a_free_type_that_scales_what_bills_says_to_what():
    group, service = "aws:autoscaling/schedule:Schedule", "aws:appautoscaling/scheduledAction:ScheduledAction"
    found = report(
        (group, "morning", {"autoscalingGroupName": "g", "desiredCapacity": 50, "recurrence": "0 8 * * *"}),
        (service, "morning", {"serviceNamespace": "ecs", "scalableTargetAction": {"minCapacity": 20}}),
    )
    named = {type_: list(inputs) for type_, inputs, _ in found.not_considered}
    assert named == {group: ["desiredCapacity"], service: ["scalableTargetAction.minCapacity"]}


def test_recorded_preview_of_a_cluster_names_what_no_price_considers():
    text = (PROPERTIES.parent / "recorded_previews" / "cluster.json").read_text()
    found = {type_: list(inputs) for type_, inputs, _ in summarize(estimate(read_preview(text))).not_considered}
    assert found == {TEMPLATE: ["capacityReservationSpecification"], NODES: ["launchTemplate.version"]}


@pytest.mark.faults
def test_a_comment_has_few_of_many_and_none_is_markup():
    evil = {f"{'x' * 2000}{number}": 1 for number in range(300)} | {"</details>|**b**`": 1}
    found = report(*((type_, "it", evil) for type_ in INPUTS))
    text = markdown(found)
    assert len(text) <= LIMIT
    assert text.count("not considered:") == 13
    assert text.count("296 more of ") == 12
    assert f"inputs of {len(found.not_considered) - 12} more types" in text
    assert "</details>|" not in text.replace("`", "")
