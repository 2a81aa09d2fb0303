"""Dead letters of a stack: messages about documents that were given up, put back into the queue that they came from.

SQS's own redrive (StartMessageMoveTask) knows the source of what SQS itself has moved. The ingest function sends its
own there, with a reason, and so does EventBridge: with those it fails, as `CouldNotDetermineMessageSource` (SQS
developer guide, "Troubleshooting issues in Amazon SQS: dead-letter queue redrive").
"""

import json
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

BATCH = 10  # messages that SQS gives or takes at once
HIDDEN_SECONDS = 300  # of a letter that was read; what is left of the queue by then is for another call
WAIT_SECONDS = 2  # for letters, so that all of SQS's hosts are asked
REASONS = ("reason", "ERROR_MESSAGE")
"""Attributes that say why: the ingest function's, EventBridge's."""
NO_REASON = "no reason given: the function was ended, or not started, at each attempt"


class Letter(NamedTuple):
    """A message that was given up."""

    id: str
    receipt: str
    body: str
    sent: float
    """When it got there, in Unix seconds."""
    document: str
    """Key of the document that it names; empty if none."""
    reason: str


class Redriven(NamedTuple):
    """What became of the letters."""

    put_back: Sequence[Letter]
    """With `dry_run` those that would be."""
    refused: int
    """Those that the queue didn't take, which stay."""


class Waiting(NamedTuple):
    """How many messages there are, about: SQS counts so."""

    waiting: int
    worked_on: int
    """Taken by a function that isn't done yet, or to be tried again later."""
    dead: int
    """Given up."""


class DeadLetters:
    """The dead-letter queue of that URL, by a boto3 client of SQS.

    Raises `TandemError` if it doesn't name the one queue that it is of, as ours do.
    """

    def __init__(self, sqs: Any, url: str):
        self._sqs, self._url = sqs, url
        name = "RedriveAllowPolicy"
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        found = answer.get("Attributes", {})
        # By the clock that letters are stamped by, and not this machine's; the header has whole seconds.
        date = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        self._began = parsedate_to_datetime(date).timestamp() + 1
        sources = json.loads(found.get(name, "{}")).get("sourceQueueArns", [])
        if len(sources) != 1:
            raise TandemError(f"The queue {url} doesn't name the one queue that it is of ({name}): run `pulumi up`.")
        self._queue = sqs.get_queue_url(QueueName=sources[0].rpartition(":")[2])["QueueUrl"]

    def waiting(self) -> Waiting:
        """What is in the queue and in this one."""
        return Waiting(*self._count(self._queue), sum(self._count(self._url)))

    def _count(self, url: str) -> tuple[int, int]:
        """Messages that may be received, and those that may not at the moment."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*names])["Attributes"]
        shown, hidden = (int(found[name]) for name in names)
        return shown, hidden

    def redrive(self, say: Callable[[Letter], None], limit: int | None = None, dry_run: bool = False) -> Redriven:
        """Put the letters, or `limit` of them, back into their queue; `say` hears of each. A dry run does no more.

        What comes meanwhile stays, so that a document that fails again isn't put back for ever. A letter is sent before
        it is deleted: where that is interrupted it is there twice, and that does no harm, nor does any order, since a
        message only names a document, and what is done depends on what the bucket has by then.
        """
        put_back, refused = list[Letter](), 0
        held: dict[str, str] = {}
        try:
            while letters := [letter for letter in self._receive() if letter.id not in held]:
                held |= {letter.id: letter.receipt for letter in letters}
                old = [letter for letter in letters if letter.sent <= self._began][: limit and limit - len(put_back)]
                for letter in old:
                    say(letter)
                taken = old if dry_run else self._put_back(old)
                if not dry_run:
                    held = {id: receipt for id, receipt in held.items() if id not in {letter.id for letter in taken}}
                put_back += taken
                refused += len(old) - len(taken)
                if len(put_back) == limit:
                    break
        finally:
            self._show(list(held.values()))
        return Redriven(put_back, refused)

    def _receive(self) -> list[Letter]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        return [_letter(message) for message in answer.get("Messages", [])]

    def _put_back(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that the queue took."""
        if not letters:
            return []
        entries = [{"Id": str(at), "MessageBody": letter.body} for at, letter in enumerate(letters)]
        sent = self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries).get("Successful", [])
        taken = [letters[int(each["Id"])] for each in sent]
        if taken:
            entries = [{"Id": str(at), "ReceiptHandle": letter.receipt} for at, letter in enumerate(taken)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return taken

    def _show(self, receipts: Sequence[str]) -> None:
        """Let the next call read them at once."""
        for at in range(0, len(receipts), BATCH):
            entries = [
                {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for number, receipt in enumerate(receipts[at : at + BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def _letter(message: dict[str, Any]) -> Letter:
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    reason = next((attributes[name] for name in REASONS if attributes.get(name)), NO_REASON)
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Letter(message["MessageId"], message["ReceiptHandle"], message["Body"], sent, _key(message["Body"]), reason)


def _key(body: str) -> str:
    try:
        return str(json.loads(body)["detail"]["object"]["key"])
    except (ValueError, KeyError, TypeError):
        return ""
