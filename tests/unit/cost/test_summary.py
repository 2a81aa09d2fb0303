"""What an estimate comes to: the numbers, what moved, what isn't known, and the verdict."""

import cProfile
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tandem.cost.model import UNKNOWN, Assumption, Number
from tandem.cost.summary import Figure, summarize
from tests.unit.cost.estimates import ENVIRONMENT, FUNCTION, QUERY, STACK, charge, estimate, line

TODAY = date(2026, 11, 24)
UNPRICED = {"unpriced": ("no row",)}
PARAMETER = "aws:ssm/parameter:Parameter"


def summary(*lines, **more):
    return summarize(estimate(*lines, **more), TODAY)


def test_numbers_of_both_sides():
    found = summary(
        line("nat", 10, 4),
        line("gone", 2),
        line("usage", None, (charge(1), charge("0.5", Number.QUERIES, assumed=True))),
    )
    assert found.figures[Number.IDLE] == Figure(12, 5, -7)
    assert found.figures[Number.QUERIES] == Figure(None, Decimal("0.5"), Decimal("0.5"))
    assert found.figures[Number.RUN_CEILING] == Figure(None, None, None)
    assert not found.new


def test_what_is_rounding_does_not_move():
    third = Decimal(1) / 3
    found = summary(line("run", third * 3, 1))
    assert found.figures[Number.IDLE].delta == 0
    assert found.moved == ()


@pytest.mark.parametrize(
    ("line_", "expected"),
    [
        (line("new", None, UNPRICED), (False, True, True)),
        (line("kept", UNPRICED, UNPRICED), (True, True, False)),
        (line("other", UNPRICED, UNPRICED, op="update"), (True, True, True)),
        (line("gone", UNPRICED), (True, False, True)),
        (line("retained", UNPRICED, UNPRICED, op="delete"), (True, True, False)),
        (line("silent", None, {}), (False, True, True)),
        (line("elsewhere", None, {"unavailable": ("not there",)}), (False, True, True)),
        (line("partly", None, {"charges": (charge(3),), "unpriced": ("its volume",)}), (False, True, True)),
    ],
    ids=lambda value: value.change.urn.rsplit("::", 1)[-1] if hasattr(value, "change") else "",
)
def test_what_is_not_priced_leaves_a_number_open(line_, expected):
    assert summary(line_).figures[Number.IDLE][3:] == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("/tandem/x/run-envelope", UNKNOWN, {Number.RUN_CEILING}),
        ("/tandem/x/usage", '{"kind": "rag"}', {Number.IDLE, Number.QUERIES}),
        ("/tandem/x/usage", '{"kind": "finetuning"}', {Number.IDLE, Number.RUN_EXPECTED, Number.RUN_CEILING}),
        ("/tandem/x/usage", UNKNOWN, set(Number)),
    ],
)
def test_parameters_open_the_numbers_that_they_decide(name, value, expected):
    found = summary(line("p", None, UNPRICED, type_=PARAMETER, name=name, insecureValue=value))
    assert {number for number, figure in found.figures.items() if figure.after_open} == expected


def test_a_resource_opens_queries_only_where_somebody_asks():
    endpoint = line("endpoint", None, UNPRICED)
    asked = line("usage", None, (charge(1, Number.QUERIES, assumed=True),))
    assert not summary(endpoint).figures[Number.QUERIES].after_open
    assert summary(endpoint, asked).figures[Number.QUERIES].after_open


def test_what_is_known_to_cost_only_when_asked_leaves_the_idle_floor_closed():
    asked = line("usage", None, (charge(1, Number.QUERIES),))
    awake = line("collection", None, {"unpriced": ("no row",), "open": frozenset({Number.QUERIES})})
    figures = summary(asked, awake).figures
    assert figures[Number.QUERIES].after_open and not figures[Number.IDLE].after_open


@pytest.mark.parametrize(
    ("parent", "name"),
    [
        (ENVIRONMENT, "rag"),
        (QUERY, "rag / rag-query"),
        (FUNCTION, "rag / rag-query"),
        (STACK, "(no component)"),
        ("", "(no component)"),
    ],
)
def test_roll_up_by_component(parent, name):
    [component] = summary(line("nat", 3, 5, parent=parent), line("role", None, {"free": "IAM"}, parent="")).components
    assert component.name == name
    assert component.figures[Number.IDLE] == Figure(3, 5, 2)


def test_child_of_a_resource_belongs_to_the_resources_component():
    bucket = line("bucket", 1, 1)
    child = line("child", 2, 2, parent=bucket.change.urn)
    assert [(item.name, item.figures[Number.IDLE].after) for item in summary(bucket, child).components] == [
        ("rag / rag-query", 3)
    ]


def test_environment_in_an_environment():
    outer = "urn:pulumi:dev::tandem::tandem:index:HybridEnvironment::hybrid"
    inner = "urn:pulumi:dev::tandem::tandem:index:HybridEnvironment$tandem:index:RagEnvironment::hybrid-rag"
    query = f"{inner.rsplit('::', 1)[0]}$tandem:index:QueryApi::hybrid-rag-query"
    whole = replace(
        estimate(*(line(name, 1, 1, parent=parent) for name, parent in (("a", outer), ("b", inner), ("c", query)))),
        parents={STACK: "", outer: STACK, inner: outer, query: inner},
    )
    assert [component.name for component in summarize(whole, TODAY).components] == [
        "hybrid",
        "hybrid / hybrid-rag",
        "hybrid / hybrid-rag / hybrid-rag-query",
    ]


def test_components_of_somebody_elses_program_are_rolled_up_too():
    """Without an environment: the outermost component and its child, whatever is below."""
    shop = "urn:pulumi:dev::acme::acme:index:Shop::shop"
    cart = "urn:pulumi:dev::acme::acme:index:Shop$acme:index:Cart::cart"
    store = f"{cart.rsplit('::', 1)[0]}$acme:index:Store::store"
    whole = replace(
        estimate(*(line(name, 1, 2, parent=parent) for name, parent in (("a", shop), ("b", cart), ("c", store)))),
        parents={STACK: "", shop: STACK, cart: shop, store: cart},
    )
    found = {each.name: each.figures[Number.IDLE].after for each in summarize(whole, TODAY).components}
    assert found == {"shop": 2, "shop / cart": 4}


def test_moved_resources_the_biggest_first():
    found = summary(
        line("small", 1, 2), line("same", 5, 5), line("big", 90), line("kept", 4, 4, op="delete", remark="is kept")
    ).moved
    assert [(moved.op, moved.resource.name, moved.deltas[Number.IDLE], moved.remark) for moved in found] == [
        ("delete", "big", -90, ""),
        ("update", "small", 1, ""),
        ("delete", "kept", 0, "is kept"),
    ]


def test_coverage_counts_each_resource_once():
    found = summary(
        line("priced", None, 1),
        line("zero", None, 0),
        line("assumed", None, (charge(1, assumed=True),)),
        line("bucket", None, {"assumed": "storage: documents_gigabytes"}),
        line("role", None, {"free": "IAM costs nothing"}),
        line("policy", None, {"free": "IAM costs nothing"}),
        line("partly", None, {"charges": (charge(1),), "unpriced": ("volume", "traffic")}),
        line("absent", None, {"unavailable": ("not in us-east-1",)}),
        line("deleted", UNPRICED),
    )
    assert found.coverage == (8, 2, 2, 2, 1, 1)
    assert found.free == (("IAM costs nothing", ("policy", "role")),)
    assert [group.text for group in found.usage_assumed] == [
        "assumes how much it is used",
        "storage: documents_gigabytes",
    ]
    assert [(gap.resource.name, gap.when, gap.reasons) for gap in found.not_priced] == [
        ("deleted", "gone", ("no row",)),
        ("partly", "added", ("volume", "traffic")),
    ]
    assert [(gap.resource.name, gap.reasons) for gap in found.not_offered] == [("absent", ("not in us-east-1",))]


def test_changed_assumptions_stand_apart_from_resources():
    found = summary(
        line("rag-usage", (charge(1, Number.QUERIES, assumed=True),), (charge(3, Number.QUERIES, assumed=True),)),
        line("nat", 1, 2),
        assumptions=(Assumption("rag-usage", "answer_tokens", 150, 600),),
    )
    [changed] = found.changed
    assert (changed.name, changed.deltas[Number.QUERIES]) == ("rag-usage", 2)
    assert [moved.resource.name for moved in found.moved] == ["nat"]
    assert found.figures[Number.QUERIES].delta == 2


@pytest.mark.parametrize(
    ("read_at", "state"),
    [
        ("2026-11", "fresh"),
        ("2026-08-26", "fresh"),
        ("2026-08-25", "old"),
        ("2025-11-24", "old"),
        ("2025-11-23", "stale"),
    ],
)
def test_oldest_price(read_at, state):
    found = summary(
        line("a", (charge(1, read_at=read_at),)), line("b", None, (charge(1, read_at="2026-11-23"),))
    ).oldest
    assert found
    assert (found.row.read_at, found.state) == (read_at, state)


def test_forgetting_counts_what_bills_by_the_hour():
    found = summary(
        line("nat", None, (charge("32.85", hourly=True), charge(5))), line("gone", (charge(99, hourly=True),))
    )
    assert found.forgotten_usd == Decimal("1.08")  # 24 h at 0.045
    assert [(resource.name, usd) for resource, usd in found.forgotten] == [("nat", Decimal("1.08"))]


def test_notes_are_said_once():
    found = summary(
        *(line(name, None, {"charges": (charge(1),), "notes": ("kept for ever",)}) for name in ("b", "a")),
        line("gone", {"charges": (charge(1),), "notes": ("leaves support",)}),
    )
    assert found.notes == (("kept for ever", ("a", "b")),)


@pytest.mark.parametrize(
    ("lines", "problems", "state"),
    [
        ((line("a", 1, 1),), (), "same"),
        ((line("a", 1, 2),), (), "more"),
        ((line("a", 1, 2), line("b", 5)), (), "less"),
        ((line("a", 1, (charge(2), charge(1, Number.QUERIES))), line("b", 5)), (), "more"),
        ((line("a", UNPRICED, UNPRICED),), (), "same"),
        ((line("a", None, UNPRICED),), (), "unknown"),
        ((line("a", UNPRICED), line("b", 5)), (), "unknown"),
        ((line("a", 1, 1),), ("step frobnicate isn't known",), "unknown"),
        ((line("a", None, {"unavailable": ("no",)}), line("b", None, UNPRICED)), (), "error"),
        ((line("a", {"unavailable": ("no",)}),), (), "unknown"),
        ((), (), "same"),
    ],
)
def test_verdict_is_sure_only_of_what_is_known(lines, problems, state):
    assert summary(*lines, problems=problems).verdict.state == state


def test_work_is_linear_in_steps():
    def calls(count):
        whole = estimate(*(line(f"nat-{number}", number, number + 1) for number in range(count)))
        profile = cProfile.Profile()
        profile.runcall(summarize, whole, TODAY)
        return sum(entry.callcount for entry in profile.getstats())

    assert calls(2000) < 11 * calls(200)
