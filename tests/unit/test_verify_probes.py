"""The probes of a verification: each holds, fails, or saw nothing."""

import pytest

from scripts.aws_facts import FACTS
from scripts.verify import probes
from scripts.verify.probes import FAILS, HOLDS, NOT_HERE, UNANSWERED, Deployed, Probe, Seen
from tests.unit import test_verify_parts

answers = test_verify_parts.answers  # the fixture

OUTPUTS = {
    "queryUrl": "https://x",
    "storeEndpoint": "https://a.us-east-1.aoss.amazonaws.com",
    "deadLetterQueueUrl": "u",
}


def outcome(see, here: bool = False, worked=("up",)) -> probes.Answer:
    (answer,) = probes.ask([Probe("fact", ("queryUrl",), "?", see)], Deployed("rag-dev", OUTPUTS, worked), here)
    return answer


@pytest.mark.parametrize(
    ("see", "state", "evidence"),
    [
        ("up", HOLDS, "up succeeded"),
        ("tandem ask", UNANSWERED, "tandem ask wasn't done, or failed, for whatever reason"),
        (lambda _: Seen(True, "28"), HOLDS, "28"),
        (lambda _: Seen(False, "20"), FAILS, "20"),
        (lambda _: None, UNANSWERED, "this stack can't show it"),
        (lambda _: int("x"), UNANSWERED, "ValueError: invalid literal for int() with base 10: 'x'"),
    ],
)
def test_a_probe_holds_fails_or_isnt_answered(see, state, evidence):
    assert outcome(see)[1:] == (state, evidence)
    assert outcome(see, here=True).state == NOT_HERE  # the local cloud passes no probe


def test_each_guess_is_asked_about_or_has_its_reason():
    asked, facts = [probe.fact for probe in probes.PROBES], {fact.key: fact for fact in FACTS}
    assert len(set(asked)) == len(asked) and set(asked) <= facts.keys()
    assert probes.NEVER.keys() <= facts.keys() - set(asked)
    assert {key for key, fact in facts.items() if fact.sure == "guess"} <= {*asked, *probes.NEVER}


def test_a_stack_is_asked_what_it_can_show():
    facts = {probe.fact for probe in probes.probes(OUTPUTS, after=False)}
    assert {"aoss-strict-mapping", "titan-limits"} <= facts
    with_domain = OUTPUTS | {"storeEndpoint": "https://search-a.us-east-1.es.amazonaws.com"}
    assert not any(probe.fact.startswith("aoss-") for probe in probes.probes(with_domain, after=False))
    assert [probe.fact for probe in probes.probes(OUTPUTS, after=True)] == [
        "aoss-group-after-collection",
        "sagemaker-logs-stay",
    ]
    cluster = {probe.fact for probe in probes.probes({"clusterName": "tuning"}, after=False)}
    assert "eks-pod-identity-tags" in cluster and "sagemaker-cuda-compat" not in cluster


def see(fact: str, outputs: dict, *worked: str, model: str = "") -> tuple[str, str]:
    wanted = [probe for probe in probes.PROBES if probe.fact == fact]
    (answer,) = probes.ask(wanted, Deployed("a-stack", outputs, worked, model), here=False)
    return answer.state, answer.evidence


def test_a_message_of_ours_is_not_moved_by_sqs(answers):
    failed = {"Status": "FAILED", "FailureReason": "CouldNotDetermineMessageSource"}
    moving(answers, failed)
    assert see("sqs-redrive-of-our-own", OUTPUTS) == (HOLDS, "FAILED CouldNotDetermineMessageSource")
    moving(answers, {"Status": "COMPLETED"})
    assert see("sqs-redrive-of-our-own", OUTPUTS) == (FAILS, "COMPLETED")
    moving(answers, {"Status": "FAILED", "FailureReason": "AccessDenied"})
    assert see("sqs-redrive-of-our-own", OUTPUTS)[0] == UNANSWERED


def moving(answers, task: dict) -> None:
    answers(
        "sqs",
        ("get_queue_attributes", {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:dead"}}),
        ("send_message", {}),
        ("start_message_move_task", {"TaskHandle": "h"}),
        ("list_message_move_tasks", {"Results": [task]}),
    )


def test_how_nova_2_is_had(answers):
    model = {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0"}
    model |= {"modelId": "amazon.nova-2-lite-v1:0", "inferenceTypesSupported": ["ON_DEMAND"]}
    answers("bedrock", ("list_foundation_models", {"modelSummaries": [model]}))
    assert see("bedrock-nova-2-by-profile", OUTPUTS)[0] == FAILS


@pytest.mark.parametrize("fact", ["sagemaker-spot-quota", "sagemaker-new-account-run"])
def test_quotas_as_the_service_lists_them(answers, fact):
    quotas = [
        {"QuotaName": "ml.g6e.2xlarge for spot training job usage", "Value": 0.0},
        {"QuotaName": "Longest run time for a training job", "Value": 432000.0},
    ]
    answers("service-quotas", ("list_service_quotas", {"Quotas": quotas}))
    assert see(fact, {"trainingPipelineArn": "arn"})[0] == HOLDS


def test_nodes_are_gone_after_a_run(answers):
    answers("ec2", ("describe_instances", {"Reservations": []}))
    assert see("eks-karpenter-from-zero", {"clusterName": "c"}, probes.RUN)[0] == HOLDS
    assert see("eks-karpenter-from-zero", {"clusterName": "c"})[0] == UNANSWERED


def test_what_the_sidecar_wrote(answers):
    answers("s3", ("list_objects_v2", {"Contents": [{"Key": "runs/r/checkpoints/metrics.jsonl"}]}))
    outputs = {"clusterName": "c", "artifactBucket": "b-artifacts"}
    assert see("eks-pod-identity-tags", outputs) == (HOLDS, "runs/r/checkpoints/metrics.jsonl")


def test_log_groups_of_jobs_that_stay(answers):
    groups = [
        {"logGroupName": "/aws/sagemaker/TrainingJobs"},
        {"logGroupName": "/aws/sagemaker/X", "retentionInDays": 1},
    ]
    answers("logs", ("describe_log_groups", {"logGroups": groups}))
    seen = see("sagemaker-logs-stay", {"trainingPipelineArn": "arn"}, probes.RUN)
    assert seen == (HOLDS, "/aws/sagemaker/TrainingJobs")


IN_STORE = OUTPUTS | {"documentsBucket": "docs-1", "ledgerTable": "ledger"}
CHUNKS = {"chunks": {"L": [{"S": "1%3A0%3A" + "a" * 20}]}}
OTHERS = {"chunks": {"L": [{"S": "1%3A0%3A" + "b" * 20}]}}


def of_ledger(*rows: dict | None, embedder: str = "amazon.titan-embed-text-v2:0") -> list[tuple[str, dict]]:
    """The ledger's answers to so many looks at the active index and a row of it; at the index alone for None."""
    active = {"pk": "active", "sk": "active", "endpoint": "e", "index": "i", "embedder": embedder}
    numbers = {"dimensions": 512, "chunk_tokens": 400, "chunk_overlap": 40}
    item = {name: {"S": value} for name, value in active.items()} | {name: {"N": str(n)} for name, n in numbers.items()}
    looks = [[item] if row is None else [item, row] for row in rows]
    return [("get_item", {"Item": each} if each else {}) for look in looks for each in look]


def row(status: str = "indexed", version: str = "etag", **more) -> dict:
    fixed = {"pk": "index#i", "sk": f"document#{probes.KEY}", "status": status, "version": version}
    return {name: {"S": value} for name, value in fixed.items()} | more


@pytest.mark.parametrize(
    ("fact", "rows", "state"),
    [
        ("events-source-account", [row("working"), row()], HOLDS),
        ("aoss-id-length", [row(**CHUNKS)], HOLDS),
        ("aoss-delete-by-id", [row(version="old", **CHUNKS), row("working"), row(**OTHERS)], HOLDS),
    ],
)
def test_a_document_that_comes_and_changes(answers, monkeypatch, fact, rows, state):
    monkeypatch.setattr(probes, "POLL_SECONDS", 0.0)
    answers("s3", *([("put_object", {"ETag": '"etag"'})] if fact != "aoss-id-length" else []))
    answers("dynamodb", *of_ledger(*rows))
    assert see(fact, IN_STORE)[0] == state


@pytest.mark.faults
@pytest.mark.parametrize("before", [{}, row("working"), row("rejected"), row()])
def test_a_document_that_had_no_chunks_shows_no_deletion(answers, before):
    """Whatever comes of its next version: nothing of it had to go."""
    answers("s3")
    answers("dynamodb", *of_ledger(before))
    assert see("aoss-delete-by-id", IN_STORE)[0] == UNANSWERED


@pytest.mark.faults
@pytest.mark.parametrize(
    ("after", "state"),
    [
        (row("working", "old", **CHUNKS), UNANSWERED),
        (row("rejected", **CHUNKS), UNANSWERED),
        (row(**OTHERS, garbage=CHUNKS["chunks"]), FAILS),
    ],
)
def test_a_change_that_is_not_indexed_shows_no_deletion_either(answers, monkeypatch, after, state):
    monkeypatch.setattr(probes, "EVENT_SECONDS", -1)
    answers("s3", ("put_object", {"ETag": '"etag"'}))
    answers("dynamodb", *of_ledger(row(version="old", **CHUNKS), after))
    assert see("aoss-delete-by-id", IN_STORE)[0] == state


@pytest.mark.faults
@pytest.mark.parametrize(("there", "state"), [(row("rejected"), HOLDS), ({}, FAILS)])
def test_an_event_is_there_whatever_becomes_of_the_document(answers, monkeypatch, there, state):
    monkeypatch.setattr(probes, "EVENT_SECONDS", -1)
    answers("s3", ("put_object", {"ETag": '"etag"'}))
    answers("dynamodb", *of_ledger(there, there))
    assert see("events-source-account", IN_STORE)[0] == state


@pytest.mark.parametrize(
    ("embedder", "state"), [("amazon.titan-embed-text-v2:0", HOLDS), ("cohere.embed-english-v3", UNANSWERED)]
)
def test_an_index_shows_what_its_own_embedder_takes(answers, embedder, state):
    answers("s3")
    answers("dynamodb", *of_ledger(None, embedder=embedder))
    assert see("titan-limits", IN_STORE, probes.INGEST)[0] == state
    assert see("titan-limits", IN_STORE)[0] == UNANSWERED  # without a look


def test_limits_that_were_never_read(answers):
    answers("s3", ("list_objects_v2", {"KeyCount": 0}))
    assert see("s3-empty-page", IN_STORE) == (HOLDS, "KeyCount")
    taken = ("get_item", {})
    answers("dynamodb", taken, taken, ("get_item", "ValidationException"))
    assert see("dynamodb-sort-key", IN_STORE) == (HOLDS, "1025 bytes: ValidationException")
    answers("dynamodb", taken, taken, taken)
    assert see("dynamodb-sort-key", IN_STORE) == (FAILS, "both sizes are taken")
    answers("dynamodb", taken, ("get_item", "ValidationException"), ("get_item", "ValidationException"))
    assert see("dynamodb-sort-key", IN_STORE)[0] == FAILS


@pytest.mark.faults
@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException", "ThrottlingException"])
def test_a_refusal_for_another_reason_is_no_limit(answers, code):
    answers("dynamodb", ("get_item", code))
    assert see("dynamodb-sort-key", IN_STORE)[0] == UNANSWERED
    answers("dynamodb", ("get_item", {}), ("get_item", {}), ("get_item", code))
    assert see("dynamodb-sort-key", IN_STORE)[0] == UNANSWERED


@pytest.mark.parametrize(
    ("fact", "generator", "model", "state"),
    [
        ("bedrock-profile-grants", "us.amazon.nova-lite-v1:0", "us.amazon.nova-lite-v1:0", HOLDS),
        ("bedrock-profile-grants", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", UNANSWERED),
        ("bedrock-profile-grants", "us.amazon.nova-lite-v1:0", "a-tuned-endpoint", UNANSWERED),
        ("bedrock-profile-grants", "us.amazon.nova-lite-v1:0", "", UNANSWERED),
        ("bedrock-converse-is-invoke", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", HOLDS),
        ("bedrock-converse-is-invoke", "amazon.nova-lite-v1:0", "a-tuned-endpoint", UNANSWERED),
        ("bedrock-converse-is-invoke", "amazon.nova-lite-v1:0", "", UNANSWERED),
    ],
)
def test_what_bedrock_lets_who_answers_do_is_seen_where_its_model_answered(monkeypatch, fact, generator, model, state):
    monkeypatch.setattr(probes, "configured", lambda stack: {"tandem:generator": generator})
    assert see(fact, OUTPUTS, probes.ASK, model=model)[0] == state


@pytest.mark.parametrize(
    ("instance", "state"),
    [("r7g.medium.search", HOLDS), ("", HOLDS), ("r6g.large.search", UNANSWERED), ("m5.large.search", UNANSWERED)],
)
def test_a_domain_shows_its_own_instances(monkeypatch, instance, state):
    monkeypatch.setattr(probes, "configured", lambda stack: {"tandem:storeInstance": instance})
    assert see("domain-r7g", OUTPUTS, "up")[0] == state
    assert see("domain-r7g", OUTPUTS)[0] == UNANSWERED
