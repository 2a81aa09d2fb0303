"""`tandem status`, over the stand-ins of the commands that it brings together."""

import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from typer.testing import CliRunner

from scripts.recorder import ROOT
from tandem.cli.main import app
from tests.support.aws_requests import ASKED
from tests.support.grants import actions
from tests.support.stack_state import SECRET, environment, resource
from tests.unit.cli.test_finetune import OUTPUTS, aws, run  # noqa: F401 - a fixture
from tests.unit.cli.test_finetune_logs import started  # noqa: F401 - a fixture
from tests.unit.cli.test_redrive import Sqs, body
from tests.unit.rag.conftest import VERSION, Stack, read_in_this_process, variables  # noqa: F401 - automatic
from tests.unit.rag.fakes import BUCKET, DEAD_LETTERS, TABLE

RAG = {
    "queryUrl": "https://abc.execute-api.us-east-1.amazonaws.com/v1/query",
    "documentsBucket": BUCKET,
    "ledgerTable": TABLE,
    "deadLetterQueueUrl": DEAD_LETTERS,
    "region": "us-east-1",
}
TUNING = OUTPUTS | {"endpointName": "", "inferenceComponent": "", "trainingBackend": "sagemaker", "region": "us-east-1"}
US = {"urn": "urn:pulumi:dev::shop::pulumi:providers:aws::us", "inputs": {"region": "us-east-1"}}
PROVIDER = resource("pulumi:providers:aws", "us") | US | {"custom": True, "id": "us"}


def made(kind: str, name: str, **more) -> dict:
    """A resource of AWS's in the state."""
    return resource(kind, name, custom=True, id=name, provider=f"{US['urn']}::us", inputs={}, outputs={}) | more


class Routed:
    """S3 with buckets of two stand-ins."""

    def __init__(self, **buckets) -> None:
        self.buckets = buckets

    def __getattr__(self, name):
        return lambda **request: getattr(self.buckets[request["Bucket"]], name)(**request)

    def get_paginator(self, name):
        def paginate(**request):
            return self.buckets[request["Bucket"]].get_paginator(name).paginate(**request)

        return SimpleNamespace(paginate=paginate)


@pytest.fixture
def clients(project, monkeypatch) -> dict:
    """A RAG environment of two documents, one of which waits, and three messages, one of them given up."""
    stack = Stack()
    stack.s3.put("tea.txt", "About tea")
    stack.converge("tea.txt")
    stack.s3.put("new.txt", "About what is new")
    sqs = Sqs()
    sqs.letter(body("a.pdf"), reason="corrupt")
    sqs.sent = ["one", "two"]
    clients = {"s3": stack.s3, "dynamodb": stack.dynamodb, "sqs": sqs, "ledger": stack.ledger}
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, *_, **__: clients[service])
    monkeypatch.setattr("tandem.clients.status.time.time", lambda: stack.clock.now + 90)
    return clients


def status(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["status", *arguments])
    assert result.exit_code == code, f"{result.output}{result.exception!r}"
    return "\n".join(" ".join(line.split()) for line in result.stdout.splitlines())


def report(*arguments: str, code: int = 0) -> dict:
    return json.loads(status("--json", *arguments, code=code))


def test_a_rag_environment(clients, project):
    alarm = made("aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", inputs={"metricName": "x", "namespace": "AWS/SQS"})
    unknown = made("aws:shop/counter:Counter", "counter", inputs={"password": SECRET})
    project.has(environment("RagEnvironment", "faq", **RAG), PROVIDER, alarm, unknown)
    said = status()
    for line in (
        "RagEnvironment faq, us-east-1",
        f"queryUrl {RAG['queryUrl']}",
        f"documentsBucket {BUCKET}",
        f"index {VERSION.index}: 1 indexed, 1 waiting; 1 chunks; oldest waiting 90 s; "
        "last sweep without repairs: never yet",
        "queue about 2 waiting, 3 worked on, 1 given up: `tandem redrive --dry-run` says why",
        "NOT PRICED: 1 of 2 resources: counter (type aws:shop/counter:Counter has no pricer).",
    ):
        assert f"{line}\n" in f"{said}\n", said
    assert "Cost of rag-dev, by Pulumi's state: idle floor, a month $0.10 + ?" in said and "djE6" not in said
    clients["ledger"].set_swept(VERSION.index, "digest")
    found = report()
    (faq,) = found["environments"]
    assert (faq["name"], faq["kind"], faq["region"]) == ("faq", "RagEnvironment", "us-east-1")
    assert faq["queue"] == {"waiting": 2, "worked_on": 3, "dead": 1}
    assert faq["index"]["documents"] == {"indexed": 1, "indexed with warnings": 0, "rejected": 0, "waiting": 1}
    assert faq["index"]["agreed_at"] == "2027-01-15T08:00:00+00:00"
    assert found["cost"]["numbers"]["idle"] == {"usd": "0.1", "open": True}
    assert "djE6" not in json.dumps(found)


def test_what_was_replaced_and_still_goes_is_billed_too(clients, project):
    alarm = made("aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", inputs={"metricName": "x", "namespace": "AWS/SQS"})
    old = alarm | {"delete": True, "id": "old"}
    project.has(environment("RagEnvironment", "faq", **RAG), PROVIDER, alarm, old)
    assert report()["cost"]["numbers"]["idle"] == {"usd": "0.2", "open": False}


def test_a_finetuning_environment(started, project):  # noqa: F811
    name, *_ = started
    project.has(environment("FineTuningEnvironment", "tuning", **TUNING))
    found = report()["environments"][0]
    assert found.keys() == {"name", "kind", "region", "addresses", "runs"}
    (newest,) = found["runs"].pop("newest")
    assert (found["runs"], newest["name"], newest["state"]) == ({"count": 1, "going_on": 1}, name, "RUNNING")
    said = status()
    assert "runs 1, of which 1 go on" in said and f"run {name}: between two jobs, $" in said


def test_all_of_a_hybrid_environment(clients, started, project, monkeypatch):  # noqa: F811
    from tandem.clients import aws as accounts

    finetuning = accounts.client  # the newest patch
    s3 = Routed(**{BUCKET: clients["s3"], "artifacts": finetuning("s3", "us-east-1")})
    rag = {**clients, "s3": s3}
    monkeypatch.setattr(
        accounts, "client", lambda service, region, **_: rag.get(service) or finetuning(service, region)
    )
    outputs = TUNING | RAG | {"endpointName": "tuned", "inferenceComponent": "component"}
    project.has(environment("HybridEnvironment", "hybrid", **outputs))
    before = set(ASKED)
    ASKED.clear()
    found = report()["environments"][0]
    asked = {action for _, service, operation, *_ in ASKED for action in actions(service, operation)}
    ASKED.update(before)
    assert len(asked) > 9
    page = (ROOT / "docs" / "troubleshooting.md").read_text()  # which lists what it takes
    assert [action for action in sorted(asked) if f"`{action}`" not in page] == []
    assert found.keys() >= {"addresses", "index", "queue", "endpoint", "runs"}
    assert found["endpoint"] == {"name": "tuned", "status": "gone", "instances": {}}
    assert "endpoint tuned is gone: `pulumi up --refresh` makes it again" in status()
    sagemaker = finetuning("sagemaker", "us-east-1")
    variant = {"VariantName": "main", "CurrentInstanceCount": 1}
    about = {"EndpointStatus": "InService", "EndpointConfigName": "c", "ProductionVariants": [variant]}
    sagemaker.describe_endpoint = lambda EndpointName: about
    configured = {"ProductionVariants": [{"VariantName": "main", "InstanceType": "ml.g6e.xlarge"}]}
    sagemaker.describe_endpoint_config = lambda EndpointConfigName: configured
    served = {"InferenceComponentStatus": "InService", "RuntimeConfig": {"CurrentCopyCount": 0}}
    sagemaker.describe_inference_component = lambda InferenceComponentName: served
    assert "endpoint tuned: InService, 1 x ml.g6e.xlarge; component: InService, 0 copies" in status()


def test_each_of_two_environments(clients, project):
    two = (environment("RagEnvironment", name, **RAG) for name in ("faq", "law"))
    project.has(*two)
    assert [each["name"] for each in report()["environments"]] == ["faq", "law"]
    assert [each["name"] for each in report("--environment", "law")["environments"]] == ["law"]
    result = CliRunner().invoke(app, ["status", "--environment", "lwa"])
    assert result.stderr == (
        "Stack 'rag-dev' has no environment 'lwa'; it has RagEnvironment 'faq', RagEnvironment 'law'.\n"
    )


def test_a_program_without_environments(clients, project):
    project.has(**RAG)
    assert "Outputs of rag-dev, us-east-1" in status()


@pytest.mark.faults
def test_a_part_that_cannot_be_asked_says_why_and_the_rest_is_shown(clients, project):
    def refused(**_):
        answer = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized to perform: dynamodb:GetItem"}}
        raise ClientError(answer, "GetItem")

    def away(**_):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9/")

    project.has(environment("RagEnvironment", "faq", **RAG))
    clients["dynamodb"].get_item = refused
    said = " ".join(status(code=1).split())  # which the table has folded
    assert "index unknown: not allowed: dynamodb:GetItem: allow" in said
    assert "allow it to these credentials, or use others" in said and "queue about 2 waiting" in said
    clients["sqs"].get_queue_attributes = away
    found = report(code=1)["environments"][0]
    assert found["queue"]["unknown"].startswith("Nothing answers at http://127.0.0.1:9/: start the local cloud")
    assert found["addresses"]["queryUrl"] == RAG["queryUrl"]


@pytest.mark.faults
def test_without_credentials_addresses_and_cost_are_known(project, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(project.folder / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    project.has(environment("RagEnvironment", "faq", **RAG))
    found = report(code=1)
    (faq,) = found["environments"]
    told = {"unknown": "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`."}
    assert faq["index"] == faq["queue"] == told
    assert "numbers" in found["cost"]


@pytest.mark.faults
def test_a_run_that_was_never_started_does_not_hide_the_others(started, project):  # noqa: F811
    name, *_ = started
    from tandem.clients import aws as accounts

    store = accounts.client("s3", "us-east-1")
    record = store.get_object(Bucket="artifacts", Key=f"runs/{name}/run.json")["Body"].read()
    other = "walls-20990101-000000-ffff"
    content = record.replace(name.encode(), other.encode())
    store.put_object(Bucket="artifacts", Key=f"runs/{other}/run.json", Body=content)
    project.has(environment("FineTuningEnvironment", "tuning", **TUNING))
    found = report(code=1)["environments"][0]["runs"]["newest"]
    assert [it["name"] for it in found] == [name, other]
    assert "was prepared but never started" in found[1]["unknown"] and found[0]["state"] == "RUNNING"


@pytest.mark.faults
def test_nothing_deployed_and_no_such_stack_are_told_as_everywhere(project):
    project.pulumi_says('{"version": 3, "deployment": null}')
    result = CliRunner().invoke(app, ["status"])
    told = "Nothing of Tandem is deployed in stack 'rag-dev': run `pulumi up --stack rag-dev` first.\n"
    assert (result.exit_code, result.stderr) == (1, told)
    project.pulumi_says(stderr="error: no stack named 'rag-dev' found", status=255)
    assert CliRunner().invoke(app, ["status"]).stderr.startswith("There is no stack 'rag-dev' in ")
