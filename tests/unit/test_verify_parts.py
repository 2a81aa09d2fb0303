"""The parts of a verification: journal, what it takes into the state, audit, probes; and the rehearsal's kill."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from tandem_contract.errors import TandemError
from tandem_contract.names import Tag

from scripts import rehearse
from scripts.recorder import made, record_stack
from scripts.verify import adopted, left
from scripts.verify import stack as stack_
from scripts.verify.journal import CLEAN, Journal
from scripts.verify.stack import tagging
from tandem.clients import aws

ROOT = Path(__file__).resolve().parents[2]
PLACE = {"account": "123456789012", "region": "us-east-1", "partition": "aws", "sqs": "https://sqs.example"}
EC2 = "arn:aws:ec2:us-east-1:123456789012:"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch):
    """Has clients answer: a service, and its operations with their answers in order, requests checked, or told."""
    clients, stubs = {}, []

    def answering(service: str, *turns: tuple) -> None:
        client = boto3.client(service, "us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
        stub = Stubber(client)
        for operation, answer, *asked in turns:
            if isinstance(answer, str):
                stub.add_client_error(operation, answer)
            else:
                stub.add_response(operation, answer, *asked)
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


STACKS = ["rag-dev", "finetune-dev", "hybrid-dev", "finetune-eks-dev"]


def recorded_stack(stack: str, **more: str):
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    return record_stack({key: str(value) for key, value in {**config, **more}.items()})


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_known_by_its_tags_has_that_of_the_verification(stack, tmp_path):
    """As `up` gives it. Nodes that Karpenter starts haven't: they name their cluster."""
    _, copy = tagging(stack, "0123456789abcdef", tmp_path / "copy.yaml")
    tags = yaml.safe_load(Path(copy).read_text())["config"]["tandem:tags"]
    recorded = recorded_stack(stack, **{"tandem:tags": tags})
    seen = [each for each in recorded.resources if each.type in adopted.TAGGED]
    assert len(seen) > 1
    for each in seen:
        assert each.inputs["tags"][left.VERIFICATION] == "0123456789abcdef", each.name
    theirs = [found for each in recorded.resources for found in tags_in(each.inputs) if each.type != NODES]
    assert len(theirs) > len(seen)
    assert all(found.get(left.VERIFICATION) == "0123456789abcdef" for found in theirs)


NODES = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"


def tags_in(inputs) -> Iterator[dict]:
    """What has the stack's tag, wherever it stands."""
    if isinstance(inputs, dict) and Tag.STACK in inputs:
        yield inputs
    for each in inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else ():
        yield from tags_in(each)


@pytest.mark.parametrize("stack", STACKS)
def test_a_name_that_tells_an_id_is_drawn_and_so_nobody_elses(stack):
    """By us, or by Pulumi where none is given, of which the recorder's are made."""
    first, second = (recorded_stack(stack).resources for _ in range(2))
    pulumis = {made(each.name) for each in first}
    for once, again in zip(first, second, strict=True):
        if once.type in adopted.NAMED:
            both = ({"type": each.type, "inputs": each.inputs} for each in (once, again))
            found, other = (adopted.identity(each, PLACE, ()) for each in both)
            assert not found or found != other or any(name in found for name in pulumis), found


@pytest.mark.parametrize("stack", STACKS)
def test_each_type_that_a_stack_creates_has_an_id_or_is_a_part_or_is_said_to_be_unknown(stack):
    recorded = recorded_stack(stack)
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
    run = {"ResourceARN": f"{arns[3]}-ours", "Tags": [mine, {"Key": "tandem:artifacts", "Value": "artifacts-12"}]}
    theirs = {"ResourceARN": f"{arns[3]}-theirs", "Tags": [mine, {"Key": "tandem:artifacts", "Value": "artifacts-34"}]}
    drawn = {"ResourceARN": f"{EC2}vpc/vpc-1", "Tags": [mine, {"Key": left.VERIFICATION, "Value": "0123456789abcdef"}]}
    asked = {"TagFilters": [{"Key": "tandem:stack", "Values": ["rag-dev"]}]}
    mappings += [run, theirs, drawn]
    answers("resourcegroupstaggingapi", ("get_resources", {"ResourceTagMappingList": mappings}, asked))
    answers("kms", ("describe_key", {"KeyMetadata": {"KeyId": "k-1", "KeyState": "PendingDeletion"}}))
    job = {"TrainingJobName": "t-1", "TrainingJobArn": arns[3], "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"}}
    job |= {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training", "CreationTime": 0}
    job |= {"AlgorithmSpecification": {"TrainingInputMode": "File"}, "StoppingCondition": {}}
    job |= {"ResourceConfig": {"VolumeSizeInGB": 1}}
    answers("sagemaker", *[("describe_training_job", job)] * 3)
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
    names = ["vpc-00001111", "rag-query-1", "tuning-12", "docs-1234567", "artifacts-12"]
    found, others = left.left("rag-dev", "0123456789abcdef", names, here=False)
    assert others == ["arn:aws:sagemaker:us-east-1:123456789012:training-job/t-1", f"{arns[3]}-theirs"]
    assert found[:-1] == [
        "arn:aws:s3:::docs-1234567",
        f"{arns[3]}-ours",
        f"{EC2}vpc/vpc-1",
        "log group /aws/lambda/rag-query-1",
        "network interface eni-1",
        "volume vol-1",
    ]
    assert found[-1].startswith("load balancers aren't known: ")


def test_without_the_id_of_a_verification_all_that_has_the_stacks_tag_may_be_left(answers, monkeypatch):
    monkeypatch.setattr(left, "BESIDE", {})
    answers("resourcegroupstaggingapi", ("get_resources", {"ResourceTagMappingList": [{"ResourceARN": f"{EC2}vpc/v"}]}))
    assert left.left("rag-dev", "", [], here=False) == ([f"{EC2}vpc/v"], [])


def test_what_is_adopted_is_asked_for_by_both_tags(answers):
    both = {"tandem:stack": "rag-dev", "tandem:verification": "0123456789abcdef"}
    filters = [{"Key": key, "Values": [value]} for key, value in both.items()]
    answers("resourcegroupstaggingapi", ("get_resources", {"ResourceTagMappingList": []}, {"TagFilters": filters}))
    assert left.tagged("rag-dev", both["tandem:verification"]) == {}


def test_names_are_those_of_what_a_stack_made():
    ours = {"id": "docs-1234567", "custom": True, "type": "aws:s3/bucket:Bucket"}
    given = ours | {"id": "vpc-given-to-us", "external": True}
    everybodys = ours | {"id": "kueue-system", "type": "kubernetes:core/v1:Namespace"}
    made = [ours, ours | {"id": "default"}, ours | {"id": "rag-dev-rag", "custom": False}]
    assert left.names([*made, given, everybodys]) == ["docs-1234567"]


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


@pytest.mark.faults
def test_a_key_that_stands_twice_in_a_stacks_file_is_refused_with_its_line(tmp_path, monkeypatch):
    """As Pulumi does; a copy of it would keep the last one."""
    monkeypatch.setattr(stack_, "ROOT", tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.own.yaml").write_text("config:\n  tandem:auth: iam\n  tandem:auth: jwt\n")
    with pytest.raises(TandemError, match=r"own\.yaml:3: config\.tandem:auth: stands twice, in line 2 too"):
        tagging("own", "0123456789abcdef", tmp_path / "copy.yaml")
