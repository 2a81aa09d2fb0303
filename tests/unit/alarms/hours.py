"""Nine hours of three stacks: the metrics that AWS and our functions write while all is well, or one part is at fault.

What our functions write is what they wrote when they ran (`Said`). What AWS writes follows its documents: a call that
raises or runs out of time counts as an invocation and an error; one that is throttled counts as a throttle alone
(Lambda guide, "Types of metrics for Lambda functions"). A call that nobody waits for is tried twice more, after one
minute and two (same guide, "Error handling for asynchronous invocation"); one that is throttled again and again.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from scripts.recorder import ACCOUNT, Recording, made
from tests.support.cloudwatch import Metrics

BEGINS, ENDS = 240, 540
"""Minutes: of the fault, and of the time that is looked at."""
RAISES, LATE, THROTTLED = "raises", "runs out of time or memory", "is throttled"
FAILURES = (RAISES, LATE, THROTTLED)
ONCE_AN_HOUR = "every question fails, one an hour"
DOMAIN = {
    "ClusterStatus.red": (0, 1, "a primary shard is lost"),
    "ClusterStatus.yellow": (0, 1, "a replica shard has no place"),
    "FreeStorageSpace": (15_000, 5_000, "a disk is three quarters full"),
    "ClusterIndexWritesBlocked": (0, 1, "writes are refused"),
    "Nodes": (3, 2, "an instance is gone"),
    "AutomatedSnapshotFailure": (0, 1, "snapshots fail"),
    "CPUUtilization": (40, 97, "processors are busy all the time"),
    "JVMMemoryPressure": (60, 97, "the Java heap is full"),
    "OldGenJVMMemoryPressure": (40, 85, "the old part of the Java heap fills up"),
    "KNNCircuitBreakerTriggered": (0, 1, "vectors outgrow the memory"),
}
"""By metric: a good value, a bad one, and what that means. Disks are of 20 GB."""


class Said(NamedTuple):
    """What a handler did when it ran: its answer, or None where it raised, and what it wrote."""

    answer: Any
    output: str


class Stacks(NamedTuple):
    """Which parts are of: one that has all but what the others are for, one on a cluster, one that scales to zero."""

    serving: Recording
    cluster: Recording
    zero: Recording


class Hours:
    """One stretch of time; `fault` is a part and what is wrong with it."""

    def __init__(self, stacks: "Stacks", said: Mapping[str, Said], fault: tuple[str, str]) -> None:
        self.metrics, self._said, self._fault = Metrics(), said, fault
        self._serving, self._cluster, self._zero = stacks
        variables = self._serving.one("aws:lambda/function:Function", "sweep").inputs["environment"]["variables"]
        self._bucket = variables["TANDEM_DOCUMENTS_BUCKET"]
        self._endpoint = self._serving.one("aws:sagemaker/endpoint:Endpoint").inputs["name"]
        for minute in range(ENDS):
            for part, happens in PARTS.items():
                at_fault = part == fault[0] and minute >= BEGINS
                happens(self, minute, fault[1] if at_fault else "")

    def queue(self, minute: int, fault: str) -> None:
        given_up = self._said["a document is refused"].answer if fault == GIVEN_UP else 0
        self._put("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": self._dead_letters}, minute, given_up)
        age = (minute - BEGINS) * 60 if fault == BEHIND else 5
        self._put("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": self._queue}, minute, age)

    def ingest(self, minute: int, fault: str) -> None:
        if minute % 5 == 0:
            self._call(self._function("ingestion-ingest"), minute, fault)

    def sweep(self, minute: int, fault: str) -> None:
        if minute % 15 or _not_started(minute, fault):
            return
        if fault in FAILURES:
            self._unattended(self._function("ingestion-sweep"), minute, fault)
            said = self._said["the sweep raises"]
            assert said.answer is None
        else:
            self._call(self._function("ingestion-sweep"), minute, "")
            silent = fault == SILENT or (fault == SILENT_ONCE and minute < BEGINS + 15)
            said = self._said[STALE if fault == STALE else SILENT if silent else "the sweep is done"]
        self.metrics.read_log(said.output.replace('"Bucket": "documents"', f'"Bucket": "{self._bucket}"'), minute)

    def query(self, minute: int, fault: str) -> None:
        """Three questions a minute."""
        if fault == NOBODY or (fault in (ONCE_AN_HOUR, WAKES_EACH) and minute % 60 != 30):
            return
        if fault == MOST and minute % 5:
            return
        waking = (fault == WAKES and minute == BEGINS) or fault == WAKES_EACH
        instead = {ONCE_AN_HOUR: "answers 500", WAKES: "answers 503" if waking else "", SILENT_MODEL: ""}
        instead |= {WAKES_EACH: "answers 503", MOST: "answers 500"}
        asked = instead.get(fault, fault)
        status = {RAISES: 502, LATE: 504, THROTTLED: 500, "": 200}.get(asked) or self._said[asked].answer
        spoke = "the hosted model writes" if fault == SILENT_MODEL else "the tuned model writes"
        output = self._said[spoke].output.replace('"Endpoint": "tuned"', f'"Endpoint": "{self._endpoint}"')
        # Search wakes within 30 seconds, and callers come back every ten.
        for number in range(1 if fault == ONCE_AN_HOUR else 5 if fault in (WAKES_EACH, MOST) else 4 if waking else 3):
            failed = status >= 500 and not (fault in (WAKES_EACH, MOST) and number == 4)
            self._call(self._function("query"), minute, asked if asked in FAILURES else "")
            api = {"ApiName": made("hybrid-rag-query-endpoint"), "Stage": "v1"}
            self._put("AWS/ApiGateway", "5XXError", api, minute, float(failed))
            if not failed:
                self.metrics.read_log(output, minute)

    def domain(self, minute: int, fault: str) -> None:
        name = self._serving.one("aws:opensearch/domain:Domain").inputs["domainName"]
        for metric, (good, bad, what) in DOMAIN.items():
            value = bad if fault == what else good
            self._put("AWS/ES", metric, {"DomainName": name, "ClientId": ACCOUNT}, minute, value)

    def endpoint(self, minute: int, fault: str) -> None:
        if fault == NOBODY or (fault == ONCE_AN_HOUR and minute % 60 != 30) or (fault == MOST and minute % 5):
            return
        variant = {"EndpointName": self._endpoint, "VariantName": "main"}
        failed = fault in ("answers 5xx", ONCE_AN_HOUR, MOST)
        for number in range(1 if fault == ONCE_AN_HOUR else 5 if fault == MOST else 3):
            answered = fault == MOST and number == 4
            self._put("AWS/SageMaker", "Invocation5XXErrors", variant, minute, float(failed and not answered))
            self._put("AWS/SageMaker", "ModelLatency", variant, minute, 40e6 if fault == "takes 40 s" else 2e6)

    def zero(self, minute: int, fault: str) -> None:
        """A request a minute; those that find no copy fail, and wake one."""
        watched = self._zero.one("aws:cloudwatch/metricAlarm:MetricAlarm", "-asleep").inputs["dimensions"]
        if fault == NO_INSTANCE or (fault == WAKES_COPY and minute < BEGINS + 20):
            self._put("AWS/SageMaker", "NoCapacityInvocationFailures", watched, minute, 1)

    def runs(self, minute: int, fault: str) -> None:
        if minute % 120 == 0:
            counted = {LATE: "TimedOut", "is cancelled": "Aborted", "": "Succeeded"}.get(fault, "Failed")
            (machine,) = self._serving.of("StateMachine")
            arn = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:{made(machine.name)}"
            self._put("AWS/States", f"Executions{counted}", {"StateMachineArn": arn}, minute, 1)

    def guard(self, minute: int, fault: str) -> None:
        if minute % 15 == 0 and not _not_started(minute, fault):
            if fault == REFUSED:
                assert self._said["the guard is refused"].answer is None
            self._unattended(
                self._function("guard"), minute, RAISES if fault == REFUSED else fault if fault in FAILURES else ""
            )

    def cluster(self, minute: int, fault: str) -> None:
        if minute % 15 == 0 and not _not_started(minute, fault):
            self._unattended(
                made(self._cluster.one(FUNCTION, "-cluster").name), minute, fault if fault in FAILURES else ""
            )

    def _function(self, part: str) -> str:
        return made(self._serving.one(FUNCTION, part).name)

    @property
    def _queue(self) -> str:
        return made("hybrid-rag-ingestion-changes")

    @property
    def _dead_letters(self) -> str:
        return made("hybrid-rag-ingestion-changes-dead-letters")

    def _unattended(self, function: str, minute: int, fault: str) -> None:
        for after in (0, 1, 3) if fault else (0,):
            self._call(function, minute + after, fault)

    def _call(self, function: str, minute: int, fault: str) -> None:
        dimensions = {"FunctionName": function}
        if fault != THROTTLED:
            self._put("AWS/Lambda", "Invocations", dimensions, minute, 1)
            self._put("AWS/Lambda", "Errors", dimensions, minute, float(fault in FAILURES))
        self._put("AWS/Lambda", "Throttles", dimensions, minute, float(fault == THROTTLED))

    def _put(self, namespace: str, metric: str, dimensions: Mapping[str, str], minute: int, value: float) -> None:
        self.metrics.put(namespace, metric, dimensions, minute, value)


def _not_started(minute: int, fault: str) -> bool:
    return fault == NEVER or (fault == MISSED_ONCE and minute < BEGINS + 15)


FUNCTION = "aws:lambda/function:Function"
GIVEN_UP, BEHIND = "a document is given up", "the work falls behind"
STALE, NEVER, SILENT = "a document has waited for over an hour", "is never started", "search stays away"
MISSED_ONCE, SILENT_ONCE = "comes late once", "search is away once"
WAKES, NOBODY, SILENT_MODEL = "search wakes", "nobody asks", "the tuned model is cold, gone or failing"
MOST = "four of five questions fail, five each five minutes"
WAKES_EACH = "search wakes for one question an hour"
NO_INSTANCE, WAKES_COPY = "no instance can be had", "it wakes"
REFUSED = "can't end what it has to"
PARTS: dict[str, Callable[[Hours, int, str], None]] = {
    "queue of documents": Hours.queue,
    "ingest function": Hours.ingest,
    "sweep function": Hours.sweep,
    "query function and API": Hours.query,
    "OpenSearch domain": Hours.domain,
    "endpoint": Hours.endpoint,
    "endpoint that scales to zero": Hours.zero,
    "fine-tuning run": Hours.runs,
    "cost guard": Hours.guard,
    "cluster function": Hours.cluster,
}
QUERY = "query function and API"
FAULTS: list[tuple[str, str]] = [
    ("queue of documents", GIVEN_UP),
    ("queue of documents", BEHIND),
    *(("ingest function", each) for each in FAILURES),
    *(("sweep function", each) for each in (*FAILURES, NEVER, SILENT, STALE)),
    *((QUERY, each) for each in (*FAILURES, "answers 500", "answers 503", ONCE_AN_HOUR, MOST, SILENT_MODEL)),
    *(("OpenSearch domain", what) for _, _, what in DOMAIN.values()),
    *(("endpoint", each) for each in ("answers 5xx", ONCE_AN_HOUR, MOST, "takes 40 s")),
    ("endpoint that scales to zero", NO_INSTANCE),
    *(("fine-tuning run", each) for each in ("fails", "its plan, gate or register function fails", LATE)),
    *(("cost guard", each) for each in (*FAILURES, NEVER, REFUSED)),
    *(("cluster function", each) for each in (*FAILURES, NEVER)),
]
"""What has to ring."""
NO_FAULTS: list[tuple[str, str]] = [
    ("", "all is well"),
    ("sweep function", MISSED_ONCE),
    ("sweep function", SILENT_ONCE),
    ("cost guard", MISSED_ONCE),
    ("cluster function", MISSED_ONCE),
    (QUERY, WAKES),
    (QUERY, WAKES_EACH),
    (QUERY, NOBODY),
    ("endpoint", NOBODY),
    ("endpoint that scales to zero", WAKES_COPY),
    ("fine-tuning run", "is cancelled"),
]
"""What must not."""
