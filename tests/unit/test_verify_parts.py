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
from scripts.recorder import record_stack
from scripts.verify import adopted, left
from scripts.verify.journal import CLEAN, Journal
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
