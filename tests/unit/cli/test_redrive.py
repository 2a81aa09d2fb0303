"""`tandem redrive`, over a queue as SQS keeps it: what is read is hidden for a while, and comes in any order."""

import json
import re
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.clients.dead_letters import BATCH, DeadLetters
from tandem.rag.functions import ingest
from tests.support.aws_requests import AwsService
from tests.unit.rag.conftest import (  # noqa: F401 - automatic, or named
    Stack,
    context,
    environment,
    read_in_this_process,
    variables,
)
from tests.unit.rag.fakes import BUCKET, DEAD_LETTERS, QUEUE

ARN = "arn:aws:sqs:us-east-1:123456789012:changes"


@dataclass
class Sqs(AwsService):
    """A dead-letter queue, the queue that it is of, and a clock."""

    services = ("sqs",)

    now: float = 1_700_000_000.0
    letters: dict[str, dict] = field(default_factory=dict)
    hidden: dict[str, float] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=lambda: [ARN])
    refused: set[str] = field(default_factory=set)
    """Bodies that the queue doesn't take."""
    dies_before_delete: bool = False

    def letter(self, body: str, **attributes: str) -> None:
        id = f"m{len(self.letters) + 1}"
        given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        sent = {"SentTimestamp": str(int(self.now * 1000))}
        self.letters[id] = {
            "MessageId": id, "ReceiptHandle": id, "Body": body, "Attributes": sent, "MessageAttributes": given
        }  # fmt: skip

    def get_queue_attributes(self, *, QueueUrl, AttributeNames):
        if AttributeNames == ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]:
            hidden = sum(until > self.now for until in self.hidden.values())
            counts = (len(self.letters) - hidden, hidden) if QueueUrl == DEAD_LETTERS else (len(self.sent), 3)
            return {"Attributes": dict(zip(AttributeNames, map(str, counts), strict=True))}
        assert (QueueUrl, AttributeNames) == (DEAD_LETTERS, ["RedriveAllowPolicy"])
        policy = {"redrivePermission": "byQueue", "sourceQueueArns": self.sources}
        said = {"Attributes": {"RedriveAllowPolicy": json.dumps(policy)}} if self.sources else {}
        return said | {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.now, usegmt=True)}}}

    def get_queue_url(self, *, QueueName):
        assert QueueName == "changes"
        return {"QueueUrl": QUEUE}

    def receive_message(self, *, QueueUrl, MaxNumberOfMessages, VisibilityTimeout, **_more):
        assert QueueUrl == DEAD_LETTERS and MaxNumberOfMessages == BATCH
        seen = [id for id in reversed(self.letters) if self.hidden.get(id, 0) <= self.now][:BATCH]
        self.hidden |= dict.fromkeys(seen, self.now + VisibilityTimeout)
        return {"Messages": [self.letters[id] for id in seen]} if seen else {}

    def send_message_batch(self, *, QueueUrl, Entries):
        assert QueueUrl == QUEUE and 0 < len(Entries) <= BATCH
        taken = [each for each in Entries if each["MessageBody"] not in self.refused]
        self.sent += [each["MessageBody"] for each in taken]
        return {"Successful": [{"Id": each["Id"]} for each in taken]}

    def delete_message_batch(self, *, QueueUrl, Entries):
        assert QueueUrl == DEAD_LETTERS and 0 < len(Entries) <= BATCH
        if self.dies_before_delete:
            raise KeyboardInterrupt
        for each in Entries:
            del self.letters[each["ReceiptHandle"]]

    def change_message_visibility_batch(self, *, QueueUrl, Entries):
        assert QueueUrl == DEAD_LETTERS and 0 < len(Entries) <= BATCH
        self.hidden |= {each["ReceiptHandle"]: self.now + each["VisibilityTimeout"] for each in Entries}


@pytest.fixture
def sqs(project, monkeypatch) -> Sqs:
    sqs = Sqs()
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, *_, **__: {"sqs": sqs}[service])
    project.has(deadLetterQueueUrl=DEAD_LETTERS)
    return sqs


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["redrive", *arguments])
    assert result.exit_code == code, result.output
    return re.sub(r"\x1b\[\d*m", "", result.output)


def body(key: str) -> str:
    return json.dumps({"source": "aws.s3", "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}})


def record(text: str) -> dict:
    return {"messageId": "m", "receiptHandle": "h", "body": text, "attributes": {"ApproximateReceiveCount": "1"}}


def test_letters_of_all_who_send_them_are_put_back(sqs: Sqs):
    """Of SQS, of the ingest function, and of EventBridge: SQS's own redrive takes only the first."""
    sqs.letter(body("a.pdf"), reason="corrupt", document="a.pdf")
    sqs.letter(body("b.pdf"))
    sqs.letter(body("b.pdf"), ERROR_MESSAGE="no permission", RULE_ARN="arn:1")
    sqs.letter("not JSON", reason="not an event")
    printed = run()
    assert sorted(sqs.sent) == sorted([body("a.pdf"), body("b.pdf"), body("b.pdf"), "not JSON"])
    assert sqs.letters == {}
    lines = printed.splitlines()
    assert {"a.pdf: corrupt", "b.pdf: no permission", "no document: not an event"} <= set(lines)
    assert any(line.startswith("b.pdf: no reason given") for line in lines)
    last = "4 messages about 2 documents were put back; `tandem documents` shows what becomes of them."
    assert lines[-1] == last


def test_a_dry_run_changes_nothing_and_hides_nothing(sqs: Sqs):
    for number in range(25):
        sqs.letter(body(f"{number}.pdf"), reason="corrupt")
    for _ in range(2):
        assert run("--dry-run").splitlines()[-1] == "25 messages about 25 documents would be put back."
    assert (sqs.sent, len(sqs.letters)) == ([], 25)
    assert run().splitlines()[-1].startswith("25 messages about 25 documents were put back")


def test_the_letters_are_there_as_json(sqs: Sqs):
    sqs.letter(body("a.pdf"), reason="corrupt")
    result = CliRunner().invoke(app, ["redrive", "--dry-run", "--json"])
    messages = [{"document": "a.pdf", "reason": "corrupt"}]
    assert json.loads(result.stdout) == {"dry_run": True, "messages": messages, "refused": 0}


def test_a_part_and_then_the_rest(sqs: Sqs):
    for number in range(25):
        sqs.letter(body(f"{number}.pdf"))
    run("--limit", "12")
    assert (len(sqs.sent), len(sqs.letters)) == (12, 13)
    run()
    assert (len(set(sqs.sent)), len(sqs.sent), sqs.letters) == (25, 25, {})


def test_what_comes_back_meanwhile_is_left_for_another_time(sqs: Sqs):
    sqs.letter(body("a.pdf"))
    send = sqs.send_message_batch

    def rejected_again(*, QueueUrl, Entries):
        answer = send(QueueUrl=QueueUrl, Entries=Entries)
        sqs.letters["again"] = {**sqs.letters["m1"], "MessageId": "again", "ReceiptHandle": "again",
                                "Attributes": {"SentTimestamp": str(int((sqs.now + 2) * 1000))}}  # fmt: skip
        return answer

    sqs.send_message_batch = rejected_again
    run()
    assert (len(sqs.sent), list(sqs.letters)) == (1, ["again"])


@pytest.mark.faults
def test_the_clock_of_letters_is_sqs_and_not_this_machines(sqs: Sqs):
    """A machine that is behind, by however much, would leave the letters of its last minutes."""
    sqs.now = 4_000_000_000.0
    sqs.letter(body("a.pdf"))
    assert run().startswith("a.pdf: ") and sqs.letters == {}


def test_interrupted_between_the_queues_it_goes_on_and_loses_none(sqs: Sqs):
    """Sent and not deleted: the message is there twice, which ingestion makes one of."""
    sqs.letter(body("a.pdf"))
    sqs.dies_before_delete = True
    with pytest.raises(KeyboardInterrupt):
        DeadLetters(sqs, DEAD_LETTERS).redrive(lambda letter: None)
    sqs.dies_before_delete = False
    run()
    assert (sqs.sent, sqs.letters) == ([body("a.pdf")] * 2, {})


def test_what_the_queue_does_not_take_stays(sqs: Sqs):
    sqs.letter(body("a.pdf"))
    sqs.letter(body("b.pdf"))
    sqs.refused = {body("a.pdf")}
    printed = run(code=1)
    assert "1 messages were not taken by the queue, and stay: run the command again." in printed
    assert ([letter["Body"] for letter in sqs.letters.values()], sqs.sent) == ([body("a.pdf")], [body("b.pdf")])
    sqs.refused = set()
    run()
    assert sqs.letters == {}


def test_nothing_to_put_back(sqs: Sqs):
    assert run() == "0 messages about 0 documents were put back.\n"


def test_a_queue_that_names_no_source(sqs: Sqs):
    sqs.sources = []
    assert "doesn't name the one queue that it is of (RedriveAllowPolicy): run `pulumi up`." in run(code=1)


@pytest.mark.usefixtures("environment")
def test_a_letter_of_the_ingest_function_is_indexed_once_its_cause_is_mended(stack: Stack, sqs: Sqs):
    stack.s3.put("a.bin", "x")
    ingest.handler({"Records": [record(body("a.bin"))]}, context())
    [given_up] = stack.sqs.sent[DEAD_LETTERS]
    sqs.letter(given_up["body"], reason=given_up["reason"])
    assert "unknown document type" in run()
    stack.s3.put("a.bin", "x", content_type="text/plain")
    ingest.handler({"Records": [record(sqs.sent[0])]}, context())
    assert stack.row("a.bin").status == "indexed"


@pytest.fixture
def stack() -> Stack:
    return Stack()
