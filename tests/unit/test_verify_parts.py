"""The parts of a verification: journal, what it takes into the state, audit, probes; and the rehearsal's kill."""

import json
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.stub import Stubber

from scripts import rehearse
from scripts.aws_facts import FACTS
from scripts.recorder import record_stack
from scripts.verify import adopted, left, probes
from scripts.verify.journal import CLEAN, Journal
from scripts.verify.probes import FAILS, HOLDS, NOT_HERE, UNANSWERED, Deployed, Probe, Seen
from tandem.clients import aws

ROOT = Path(__file__).resolve().parents[2]
PLACE = {"account": "123456789012", "region": "us-east-1", "partition": "aws", "sqs": "https://sqs.example"}
EC2 = "arn:aws:ec2:us-east-1:123456789012:"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch):
    """Has clients answer: a service, and its operations with their answers in order, requests checked."""
    clients, stubs = {}, []

    def answering(service: str, *turns: tuple[str, dict]) -> None:
        client = boto3.client(service, "us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
        stub = Stubber(client)
        for operation, answer in turns:
            if isinstance(answer, str):
                stub.add_client_error(operation, answer)
            else:
                stub.add_response(operation, answer)
        stub.activate()
        stubs.append(stub)
        clients[service] = client

    monkeypatch.setattr(aws, "client", lambda service: clients[service])
    yield answering
    for stub in stubs:
        stub.assert_no_pending_responses()


def test_a_journal_tells_what_is_unfinished(tmp_path):
    journal = Journal(tmp_path / "deep" / "rag-dev.jsonl")
    assert journal.unfinished() == []
    journal.note("begin", region="us-east-1")
    journal.note("up")
    assert journal.unfinished() == [{"step": "begin", "region": "us-east-1"}, {"step": "up"}]
    journal.note(CLEAN)
    assert journal.unfinished() == []


@pytest.mark.faults
@pytest.mark.parametrize("torn", ['{"step": "u', '{"step": "up"}', "\0\0\0"])
def test_a_line_that_was_cut_off_hides_no_other(tmp_path, torn):
    journal = Journal(tmp_path / "rag-dev.jsonl")
    journal.note("begin")
    with journal.path.open("a") as file:
        file.write(torn)
    journal.note("use")
    assert [entry["step"] for entry in journal.unfinished() if entry["step"] != "up"] == ["begin", "use"]


def pending(**resource) -> dict:
    return {"type": "creating", "resource": {"urn": "urn:new", "custom": True, **resource}}


@pytest.mark.parametrize(
    ("type_", "inputs", "id_"),
    [
        ("aws:s3/bucket:Bucket", {"bucket": "docs-1"}, "docs-1"),
        ("aws:sqs/queue:Queue", {"name": "q-1"}, "https://sqs.example/123456789012/q-1"),
        ("aws:sfn/stateMachine:StateMachine", {"name": "m"}, "arn:aws:states:us-east-1:123456789012:stateMachine:m"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "r", "name": "p"}, "r:p"),
        ("aws:ec2/vpc:Vpc", {}, "vpc-1"),
        ("aws:eks/nodeGroup:NodeGroup", {"nodeGroupNamePrefix": "system-"}, "c-1:system-2"),
        ("aws:cloudwatch/logGroup:LogGroup", {"namePrefix": "/aws/vendedlogs/"}, "/aws/vendedlogs/m-1"),
        ("kubernetes:core/v1:Namespace", {"metadata": {"name": "kueue"}}, "kueue"),
        ("kubernetes:apps/v1:Deployment", {"metadata": {"name": "d", "namespace": "kueue"}}, "kueue/d"),
    ],
)
def test_what_was_being_created_is_taken_into_the_state(type_, inputs, id_):
    tagged = [
        f"{EC2}vpc/vpc-1",
        f"{EC2}vpc-endpoint/vpce-1",
        "arn:aws:eks:us-east-1:123456789012:nodegroup/c-1/system-2/0a",
        "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/m-1",
    ]
    before = {"deployment": {"pending_operations": [pending(type=type_, inputs=inputs)]}, "version": 3}
    state, lost = adopted.adopt(before, PLACE, tagged)
    (resource,) = state["deployment"]["resources"]
    assert (resource["id"], state["deployment"]["pending_operations"], lost) == (id_, [], [])


def test_what_the_state_has_or_has_no_id_isnt_taken():
    there = {"urn": "urn:there", "type": "aws:ec2/subnet:Subnet", "id": "subnet-1", "custom": True}
    operations = [
        pending(type="aws:ec2/subnet:Subnet", urn="urn:a"),
        pending(type="aws:ec2/subnet:Subnet", urn="urn:b"),
        pending(type="aws:ec2/subnet:Subnet", urn="urn:c"),
        pending(type="aws:lambda/permission:Permission", urn="urn:part"),
        {"type": "deleting", "resource": there},
    ]
    tagged = [f"{EC2}subnet/subnet-{number}" for number in (1, 2, 3)]
    before = {"deployment": {"resources": [there], "pending_operations": operations}}
    state, lost = adopted.adopt(before, PLACE, tagged)
    assert [resource["id"] for resource in state["deployment"]["resources"]] == ["subnet-1", "subnet-2", "subnet-3"]
    assert lost == ["urn:c"]


@pytest.mark.parametrize("stack", ["rag-dev", "finetune-dev", "hybrid-dev", "finetune-eks-dev"])
def test_each_type_that_a_stack_creates_has_an_id_or_is_a_part_or_is_said_to_be_unknown(stack):
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    recorded = record_stack({key: str(value) for key, value in config.items()})
    types = {each.type for each in recorded.resources if each.custom}
    ours = {type_ for type_ in types if not type_.startswith(("kubernetes:", "pulumi:"))}
    known = {*adopted.NAMED, *adopted.TAGGED, *adopted.PARTS, *adopted.UNKNOWN}
    assert ours - known == set()
    assert len(known) == sum(map(len, (adopted.NAMED, adopted.TAGGED, adopted.PARTS, adopted.UNKNOWN))) - len(
        adopted.NAMED.keys() & adopted.TAGGED.keys()
    )


def test_the_audit_finds_what_has_the_tag_and_what_services_made_beside(answers):
    gone = ["key/k-1", "natgateway/nat-1", "instance/i-1", "training-job/t-1"]
    services = {"key": "kms", "training-job": "sagemaker"}
    arns = [f"arn:aws:{services.get(kind.partition('/')[0], 'ec2')}:us-east-1:123456789012:{kind}" for kind in gone]
    mine = {"Key": "tandem:stack", "Value": "rag-dev"}
    mappings = [{"ResourceARN": arn, "Tags": [mine]} for arn in [*arns, "arn:aws:s3:::docs-1234567"]]
    answers("resourcegroupstaggingapi", ("get_resources", {"ResourceTagMappingList": mappings}))
    answers("kms", ("describe_key", {"KeyMetadata": {"KeyId": "k-1", "KeyState": "PendingDeletion"}}))
    job = {"TrainingJobName": "t-1", "TrainingJobArn": arns[3], "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"}}
    job |= {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training", "CreationTime": 0}
    job |= {"AlgorithmSpecification": {"TrainingInputMode": "File"}, "StoppingCondition": {}}
    answers("sagemaker", ("describe_training_job", job | {"ResourceConfig": {"VolumeSizeInGB": 1}}))
    answers(
        "ec2",
        ("describe_nat_gateways", {"NatGateways": [{"State": "deleted"}]}),
        ("describe_instances", {"Reservations": [{"Instances": [{"State": {"Name": "terminated"}}]}]}),
        (
            "describe_network_interfaces",
            {
                "NetworkInterfaces": [
                    {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-00001111"},
                    {"NetworkInterfaceId": "eni-2"},
                ]
            },
        ),
        (
            "describe_volumes",
            {"Volumes": [{"VolumeId": "vol-1", "Tags": [{"Key": "kubernetes.io/cluster/tuning-12"}]}]},
        ),
    )
    groups = [{"logGroupName": f"/aws/lambda/{name}"} for name in ("rag-query-1", "somebody-elses")]
    answers("logs", ("describe_log_groups", {"logGroups": groups}))
    answers("elbv2", ("describe_load_balancers", "AccessDenied"))
    found = left.left("rag-dev", ["vpc-00001111", "rag-query-1", "tuning-12"], here=False)
    assert found[:-1] == [
        "arn:aws:sagemaker:us-east-1:123456789012:training-job/t-1",
        "arn:aws:s3:::docs-1234567",
        "log group /aws/lambda/rag-query-1",
        "network interface eni-1",
        "volume vol-1",
    ]
    assert found[-1].startswith("load balancers aren't known: ")


def test_names_are_those_of_what_a_stack_made():
    made = [{"id": "docs-1234567", "custom": True}, {"id": "default", "custom": True}, {"id": "rag", "custom": False}]
    given = {"id": "vpc-given-to-us", "custom": True, "external": True}
    assert left.names([*made, given]) == ["docs-1234567"]


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
    assert {key for key, fact in facts.items() if fact.sure == "guess"} - set(asked) == probes.NEVER.keys()


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
    monkeypatch.setattr(probes, "configured", lambda stack, key: generator)
    assert see(fact, OUTPUTS, probes.ASK, model=model)[0] == state


@pytest.mark.parametrize(
    ("instance", "state"),
    [("r7g.medium.search", HOLDS), ("", HOLDS), ("r6g.large.search", UNANSWERED), ("m5.large.search", UNANSWERED)],
)
def test_a_domain_shows_its_own_instances(monkeypatch, instance, state):
    monkeypatch.setattr(probes, "configured", lambda stack, key: instance)
    assert see("domain-r7g", OUTPUTS, "up")[0] == state
    assert see("domain-r7g", OUTPUTS)[0] == UNANSWERED


def test_a_kill_ends_all_that_was_started():
    child = "import subprocess, sys, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    deadline = time.monotonic() + 30
    while not (started := rehearse.descendants(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    rehearse.kill(process)
    assert started and process.returncode == -9
    listed = subprocess.check_output(["ps", "-A", "-o", "pid=,stat="], text=True).splitlines()
    alive = {int(line.split()[0]) for line in listed if not line.split()[1].startswith("Z")}
    assert not alive & set(started)


def test_a_kill_comes_in_the_middle_of_a_step(tmp_path, monkeypatch):
    journal, held = Journal(tmp_path / "j.jsonl"), [0]
    monkeypatch.setattr(left, "locally", lambda: ["thing"] * held[0])
    up, use, destroy = (rehearse.arrived(point, journal) for point in rehearse.POINTS)
    assert not up()
    journal.note("up")
    assert not up()
    held[0] = rehearse.SOME
    assert up() and not use()
    journal.note("use", what=json.dumps("tandem ingest"))
    assert [use() for _ in range(rehearse.SOME)][-2:] == [False, True]
    journal.note("destroy")
    assert not destroy()
    held[0] = 0
    assert destroy()
