"""Usage assumptions and the run envelope: what they cost, and bad ones."""

import json
from decimal import Decimal

import pytest

from samples.previews import ENVELOPE, component, digest, state, step
from samples.previews import USAGE as TUNING
from tandem.cost.estimate import assess, estimate
from tandem.cost.gaps import kind
from tandem.cost.model import SECRET, UNKNOWN, Change, Number, Resource
from tandem.cost.preview import Read, read_preview
from tandem.cost.usage import PARAMETER, assumed, is_usage

RAG = {
    "kind": "rag",
    "generator": "amazon.nova-lite-v1:0",
    "embedder": "amazon.titan-embed-text-v2:0",
    "memory_megabytes": 1024,
    "assumed": {
        "documents_gigabytes": 1,
        "index_gigabytes": 1,
        "ledger_gigabytes": 0.1,
        "log_gigabytes": 1,
        "question_tokens": 30,
        "prompt_tokens": 1300,
        "answer_tokens": 150,
        "query_seconds": 2,
    },
}


def parameter(content, name="/tandem/tandem/dev/rag/usage", region="us-east-1", **inputs):
    given = content if isinstance(content, str) else json.dumps(content)
    return Resource("urn", PARAMETER, "it", "", region, {"name": name, "insecureValue": given} | inputs)


def bill(resource):
    return assess(resource)


def envelope(**given):
    return parameter(ENVELOPE | given, name="/tandem/tandem/dev/tuning-training/run-envelope")


def changed(content, **given):
    return content | {"assumed": content["assumed"] | given}


def test_thousand_queries_and_what_a_rag_environment_holds():
    found = bill(parameter(RAG))
    # 1.33 M tokens at 0.06, 0.15 M at 0.24, 0.03 M at 0.02; 1,000 requests at 0.20 and 3.50 a million; 2,000 GB-s.
    assert found.usd(Number.QUERIES) == Decimal("0.1467668")
    # 0.023 + 0.024 + 0.1 x (0.25 + 0.20) + 0.03
    assert found.usd(Number.IDLE) == Decimal("0.122")
    assert all(charge.assumed for charge in found.charges)
    assert not found.unpriced
    assert any("not in the 1,000 queries: the search's compute units" in note for note in found.notes)


def test_a_domain_bills_the_index_and_the_search_itself():
    found = bill(parameter(RAG | {"store": "domain"}))
    assert found.usd(Number.IDLE) == Decimal("0.122") - Decimal("0.024")
    assert any("not in the 1,000 queries: reads of the ledger" in note for note in found.notes)


def test_another_store_says_itself_what_it_bills():
    index = {"service": "AmazonS3", "storage": "storage:standard", "search": "searches of the store"}
    found = bill(parameter(RAG | {"store": "another", "index": index}))
    assert found.usd(Number.IDLE) == Decimal("0.122") - Decimal("0.024") + Decimal("0.023")
    assert any("not in the 1,000 queries: searches of the store, reads of the ledger" in note for note in found.notes)
    found = bill(parameter(RAG | {"store": "another"}))
    assert any("the index in a store 'another'" in reason for reason in found.unpriced)


def test_tokens_of_an_embedder_of_ones_own_are_not_priced():
    found = bill(parameter(RAG | {"embedder": "https://models.example/v1#tuned"}))
    assert found.unpriced == ("tokens that https://models.example/v1#tuned reads: whoever runs it has the price",)
    assert found.open == {Number.QUERIES}
    assert found.usd(Number.QUERIES) == Decimal("0.1467668") - Decimal("0.0006")


def test_a_reranker_bills_each_question():
    found = bill(parameter(RAG | {"reranker": "cohere.rerank-v3-5:0"}))
    assert found.usd(Number.QUERIES) == Decimal("0.1467668") + 2
    assert not found.unpriced
    found = bill(parameter(RAG | {"reranker": ""}))
    assert any("reranker: '' is not allowed" in reason for reason in found.unpriced)


def test_run_that_is_expected():
    found = bill(parameter(TUNING))
    assert found.usd(Number.RUN_EXPECTED) == Decimal("3.50")  # 1.25 h at 2.80
    assert found.usd(Number.IDLE) == Decimal("0.486")  # 21 x 0.023 + 0.1 x 0.03
    assert found.usd(Number.RUN_CEILING) == 0
    assert all(charge.assumed for charge in found.charges)


def test_ceiling_is_that_of_the_envelope_line_by_line():
    found = bill(envelope())
    assert [(charge.what, charge.usd) for charge in found.charges] == [
        ("training on ml.g6e.2xlarge", Decimal("22.4")),
        ("evaluation on ml.g6e.2xlarge", Decimal("5.6")),
        ("checkpoints and artifact in S3, a month", Decimal("4.6")),
    ]
    assert not any(charge.assumed or charge.number is not Number.RUN_CEILING for charge in found.charges)


def test_spot_is_expected_at_the_on_demand_price():
    found = bill(parameter(TUNING | {"envelope": ENVELOPE | {"spot": True}}))
    assert found.usd(Number.RUN_EXPECTED) == Decimal("3.50")
    assert any("spot is less" in note for note in found.notes)
    assert bill(envelope(spot=True)).usd(Number.RUN_CEILING) == bill(envelope()).usd(Number.RUN_CEILING)


def test_envelope_of_a_run_on_a_cluster_is_priced_by_its_nodes():
    found = bill(envelope(instance_type="g6e.12xlarge", evaluation_instance_type="g6e.2xlarge", instance_count=2))
    assert {row.service for charge in found.charges for row in charge.rows} == {"AmazonEC2", "AmazonS3"}
    # 2 nodes, 2 starts of 14,400 + 180 s at 10.49264, 2 of 3600 + 180 s at 2.24208, 200 GB of gp3 for as long, and of
    # S3 for a month: 169.9808... + 4.7084... + 0.4011... + 4.60
    assert found.usd(Number.RUN_CEILING).quantize(Decimal("0.01")) == Decimal("179.69")


def test_run_that_the_envelope_would_stop_is_noted():
    assert any("would stop it" in note for note in bill(parameter(changed(TUNING, training_hours=9))).notes)
    assert not bill(parameter(TUNING)).notes


@pytest.mark.parametrize(
    ("generator", "note"),
    [
        # 1.33 x (0.33 - 0.30) + 0.15 x (2.75 - 2.50)
        ("us.amazon.nova-2-lite-v1:0", "10 % dearer than global.amazon.nova-2-lite-v1:0"),
        ("us.amazon.nova-2-lite-v1:0", "$0.0774 for 1,000 queries"),
        ("global.amazon.nova-2-lite-v1:0", ""),
        ("amazon.nova-lite-v1:0", ""),
    ],
)
def test_regional_profile_is_noted(generator, note):
    notes = bill(parameter(RAG | {"generator": generator})).notes
    assert any(note in text for text in notes) if note else not any("dearer" in text for text in notes)


@pytest.mark.parametrize("tier", [None, "Standard"])
def test_another_parameter_is_free(tier):
    found = bill(parameter("anything", name="/mine", tier=tier))
    assert "standard tier" in found.free
    assert not found.charges


@pytest.mark.parametrize("tier", ["Advanced", "Intelligent-Tiering"])
def test_another_tier_is_not_priced(tier):
    assert any(tier in reason for reason in bill(parameter("anything", name="/mine", tier=tier)).unpriced)
    both = bill(parameter(RAG, tier=tier))
    assert both.charges
    assert any(tier in reason for reason in both.unpriced)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("resource", "reasons"),
    [
        (parameter("{"), ["can't be read as JSON"]),
        (parameter("[" * 100_000), ["can't be read as JSON"]),
        (parameter("[]"), ["isn't a JSON object"]),
        (parameter({}), ["of kind 'None'; known: rag, finetuning"]),
        (parameter({"kind": ["rag"]}), ["known: rag, finetuning"]),
        (parameter({"kind": "rag"}), ["11 mistake(s)", "assumed.query_seconds: null is not", "generator: null is not"]),
        (parameter(changed(RAG, query_seconds="2", index_gigabytes=-1)), ["2 mistake(s)", "'2'", "-1"]),
        (parameter(changed(RAG, query_seconds=True)), ["true is not allowed (a number from 0"]),
        (parameter(changed(RAG, query_seconds=float("nan"))), ["NaN is not allowed (a number from 0"]),
        (parameter(changed(RAG, query_seconds=float("inf"))), ["Infinity is not allowed (a number from 0"]),
        (parameter(RAG | {"assumed": [1]}), ["8 mistake(s)"]),
        (parameter(RAG | {"generator": "nobody.knows"}), ["input:nobody.knows", "output:nobody.knows"]),
        (parameter(RAG, insecureValue=UNKNOWN), ["insecureValue is known only once"]),
        (parameter("", value=SECRET), ["value is a secret"]),
        (parameter(RAG, insecureValue=None), ["can't be read as JSON"]),
        (parameter(TUNING | {"envelope": None}), ["null is not a mapping"]),
        (parameter(TUNING | {"envelope": ENVELOPE | {"attempts": 9}}), ["attempts: 9 is not allowed"]),
        (parameter(TUNING | {"envelope": ENVELOPE | {"instance_type": "ml.p9.huge"}}), ["training:ml.p9.huge"]),
        (envelope(volume_gb=0, attempts=9), ["2 mistake(s)", "volume_gb: 0", "attempts: 9"]),
        (envelope(instance_type="ml.p9.huge"), ["training:ml.p9.huge"]),
        (envelope(instance_type="ml.m5.xlarge"), ["storage:training"]),
        (parameter("{", name="/a/run-envelope"), ["can't be read as JSON"]),
    ],
)
def test_what_cannot_be_read_is_not_priced_with_the_reason(resource, reasons):
    found = bill(resource)
    assert all(any(reason in text for text in found.unpriced) for reason in reasons), found
    assert not found.free


def test_storage_is_priced_although_the_run_is_not():
    found = bill(parameter(TUNING | {"envelope": ENVELOPE | {"instance_type": "ml.p9.huge"}}))
    assert found.usd(Number.IDLE) == Decimal("0.486")
    assert found.usd(Number.RUN_EXPECTED) == 0
    assert found.unpriced


def test_assumptions_are_compared_and_never_fail():
    assert is_usage(parameter(RAG))
    assert not is_usage(envelope())
    assert not is_usage(parameter(RAG, name=UNKNOWN))
    assert not is_usage(Resource("urn", "aws:s3/bucket:Bucket", "it", "", "", {"name": "/a/usage"}))
    assert assumed(parameter(RAG)) == RAG["assumed"]
    for bad in (parameter("{"), parameter("[]"), parameter({"assumed": 3}), parameter(RAG, insecureValue=UNKNOWN)):
        assert assumed(bad) == {}


def test_changed_assumption_stands_apart():
    change = Change("update", "a::b::rag-usage", parameter(RAG), parameter(changed(RAG, answer_tokens=300)))
    found = estimate(Read("tandem/dev", "us-east-1", (change,), {}, ()))
    (assumption,) = found.assumptions
    assert (assumption.environment, assumption.key, assumption.before, assumption.after) == (
        "rag-usage",
        "answer_tokens",
        150,
        300,
    )
    assert found.lines[0].delta(Number.QUERIES) == Decimal("0.036")  # 0.15 M tokens at 0.24


@pytest.mark.parametrize(
    ("discounts", "usd"),
    [
        ({}, "32.85"),
        ({"AmazonEC2": 10}, "29.565"),
        ({"AmazonEC2": 10, "all": 50}, "29.565"),
        ({"all": 50}, "16.425"),
        ({"AmazonVPC": 10}, "32.85"),
        ({"AmazonEC2": 100}, "0"),
    ],
)
def test_a_discount_is_taken_off_the_charges_of_its_service_on_both_sides(discounts, usd):
    nat = Resource("a::b::nat", "aws:ec2/natGateway:NatGateway", "nat", "", "us-east-1", {})
    change = Change("same", nat.urn, nat, nat)
    found = estimate(Read("tandem/dev", "us-east-1", (change,), {}, ()), discounts)
    assert found.lines[0].before.usd(Number.IDLE) == found.lines[0].after.usd(Number.IDLE) == Decimal(usd)


OWN = {
    "bucket": ("aws:s3/bucket:Bucket", {}),
    "table": ("aws:dynamodb/table:Table", {"billingMode": "PAY_PER_REQUEST"}),
    "log": ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}),
    "images": ("aws:ecr/repository:Repository", {}),
    "queue": ("aws:sqs/queue:Queue", {}),
    "topic": ("aws:sns/topic:Topic", {}),
    "rest": ("aws:apigateway/restApi:RestApi", {}),
    "http": ("aws:apigatewayv2/api:Api", {"protocolType": "HTTP"}),
    "function": ("aws:lambda/function:Function", {"memorySize": 10_240}),
    "machine": ("aws:sfn/stateMachine:StateMachine", {"type": "STANDARD"}),
}
INSIDE = component("tandem:index:RagEnvironment", "rag")
PART = component("tandem:index:QueryApi", "rag-query", INSIDE["urn"])
BESIDE = component("acme:index:Shop", "shop")


def kinds(parent, content=RAG, op="create", **at):
    """What each of `OWN` is under a parent, in a stack with an environment and its usage assumptions."""

    def made(type_, name, inputs, parent):
        given = state(type_, name, inputs, parent=parent)
        return step(op, *((given, given) if op == "same" else (None, given)))

    usage = {"name": "/tandem/tandem/rag-dev/rag-1/usage", "insecureValue": json.dumps(content)}
    steps = [made(PARAMETER, "rag-usage", usage, at.get("usage", INSIDE["urn"]))]
    steps += [made(type_, name, inputs, parent) for name, (type_, inputs) in OWN.items()]
    found = estimate(read_preview(digest(INSIDE, PART, BESIDE, *steps)))
    return {line.after.resource.name: kind(line.after) for line in found.lines if line.after}


@pytest.mark.parametrize("op", ["create", "same"])
def test_what_is_beside_an_environment_is_not_in_its_assumptions(op):
    for parent in (digest_stack(), BESIDE["urn"]):
        found = kinds(parent, op=op)
        assert found.pop("rag-usage") == "usage_assumed"
        assert found == dict.fromkeys(OWN, "not_priced")


def digest_stack():
    return json.loads(digest())["steps"][0]["urn"]


@pytest.mark.parametrize("parent", [INSIDE["urn"], PART["urn"]])
def test_what_is_in_an_environment_is_what_its_own_assumptions_say(parent):
    found = kinds(parent)
    assert {name for name, is_ in found.items() if is_ == "usage_assumed"} == {"rag-usage", "bucket", "table", "log"}
    assert {name for name, is_ in found.items() if is_ == "not_priced"} == {"images", "http"}  # rag assumes no images
    tuned = kinds(parent, TUNING)
    assert (tuned["images"], tuned["bucket"], tuned["table"]) == ("usage_assumed", "usage_assumed", "not_priced")


def test_the_child_of_a_resource_in_an_environment_is_in_it():
    bucket = state("aws:s3/bucket:Bucket", "bucket", parent=PART["urn"])
    content = state("aws:s3/bucketObject:BucketObject", "content", parent=bucket["urn"])
    usage = {"name": "/a/usage", "insecureValue": json.dumps(RAG)}
    there = (state(PARAMETER, "u", usage, parent=INSIDE["urn"]), bucket, content)
    made = [step("create", None, each) for each in there]
    found = estimate(read_preview(digest(INSIDE, PART, *made))).lines
    assert {line.after.assumed for line in found} == {"", "storage: documents_gigabytes"}


@pytest.mark.faults
def test_assumptions_that_nobody_can_place_or_read_count_nothing():
    """A parameter under the stack itself would speak for everything in it; one that can't be read for nothing."""
    assert set(kinds(INSIDE["urn"], usage=digest_stack()).values()) == {"usage_assumed", "not_priced"}
    assert kinds(INSIDE["urn"], "{")["bucket"] == "not_priced"
