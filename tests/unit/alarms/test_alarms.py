"""Each part that fails is seen by an alarm: parts fail, and the alarms, as they are registered, look at what comes out.

`docs/alarms.md` is made of what was seen.
"""

import json
from pathlib import Path

import pytest

from scripts.recorder import made, record_stack
from tandem.finetuning.functions import guard, owned
from tandem.rag.functions import ingest, query, sweep
from tests.support.cloudwatch import ALARM, state
from tests.unit.finetuning.strict_sagemaker import FakeSageMaker
from tests.unit.rag.conftest import ask, context
from tests.unit.rag.fake_endpoint import FakeEndpoint, chat
from tests.unit.rag.fakes import DEAD_LETTERS, refused, silence
from tests.unit.rag.test_functions import message

from .hours import BEGINS, ENDS, FAULTS, FUNCTION, NO_FAULTS, SILENT, STALE, Hours, Said, Stacks

PAGE = Path(__file__).parents[3] / "docs" / "alarms.md"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
RAG = {"tandem:environment": "rag"}
TUNING = {"tandem:environment": "finetuning", "tandem:retention": "erase"}
MODEL = {"tandem:model": "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/3"}
DOMAIN = {"tandem:store": "domain", "tandem:storeInstances": "3"}
HEARD = {"tandem:alarmTopicArn": TOPIC, "tandem:retention": "erase"}
PRICED = {
    "`rag`": RAG,
    "`rag`, `store: domain`": RAG | {"tandem:store": "domain"},
    "`finetuning`": TUNING,
    "`finetuning`, a model served": TUNING | MODEL,
    "`finetuning`, a model served, `endpointMode: zero`": TUNING | MODEL | {"tandem:endpointMode": "zero"},
}
SPARES = (1, 2, 4)
"""Of periods that AWS looks at beyond those that it needs, it doesn't say how many: it must ring with any."""


@pytest.fixture(scope="module")
def serving():
    return record_stack({"tandem:environment": "hybrid"} | HEARD | DOMAIN | MODEL)


@pytest.fixture(scope="module")
def cluster():
    return record_stack(TUNING | HEARD | {"tandem:trainingBackend": "eks"})


@pytest.fixture(scope="module")
def zero():
    return record_stack(TUNING | HEARD | MODEL | {"tandem:endpointMode": "zero"})


@pytest.fixture(scope="module")
def alarms(serving, cluster, zero):
    """By short name, those of a stack that has everything but a cluster, of the cluster's function, of scaling to zero.

    What only wakes an instance is none.
    """
    ours = [*serving.of("MetricAlarm"), *(each for each in cluster.of("MetricAlarm") if "-cluster-" in each.name)]
    ours += [each for each in zero.of("MetricAlarm") if "InferenceComponentName" in each.inputs["dimensions"]]
    ours = [each for each in ours if not each.name.endswith("-asleep")]
    assert [each.name for each in ours if each.inputs["alarmActions"] != [TOPIC]] == []
    return {short(each.name): each.inputs for each in ours}


def short(name: str) -> str:
    return name.removeprefix("hybrid-").removeprefix("rag-").removeprefix("tuning-").removeprefix("finetuning-")


@pytest.fixture
def said(answering, environment, capsys, monkeypatch):
    """What our functions write and answer, well and at fault: they run."""
    found: dict[str, Said] = {}

    def run(name, call):
        try:
            answer = call()
        except Exception:
            answer = None
        found[name] = Said(answer, capsys.readouterr().out)

    stack = answering
    run("the sweep is done", lambda: sweep.handler({"full": True}, context()))
    stack.s3.put("late.txt", "x")
    stack.clock.now += 7200
    run(STALE, lambda: sweep.handler(None, context()))
    stack.opensearch.faults = [silence] * 1000
    run(SILENT, lambda: sweep.handler({"full": True}, context()))
    run("answers 503", lambda: ask({"question": "tea"})[0])
    stack.opensearch.faults = []
    with monkeypatch.context() as patched:
        patched.setattr(stack.ledger, "rows", lambda name: (_ for _ in ()).throw(refused("AccessDeniedException")))
        run("the sweep raises", lambda: sweep.handler(None, context()))
    stack.bedrock.faults = [refused("AccessDeniedException")] * 100
    run("answers 500", lambda: ask({"question": "tea"})[0])
    stack.bedrock.faults = []
    stack.s3.put("bad.pdf", "not a PDF")
    ingest.handler({"Records": [message("bad.pdf")]}, context())
    run("a document is refused", lambda: len(stack.sqs.sent[DEAD_LETTERS]))
    monkeypatch.setenv("TANDEM_ENDPOINT", "tuned")
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    endpoint = FakeEndpoint(chat("Tuned [1].", usage=usage), "garbage")
    monkeypatch.setattr(query, "client", {"bedrock-runtime": stack.bedrock, "sagemaker-runtime": endpoint}.get)
    for name in ("the tuned model writes", "the hosted model writes"):
        query._settings.cache_clear()
        run(name, lambda: ask({"question": "Is green tea warm?"})[0])
    fake = FakeSageMaker()
    fake.refusing = {"past"}
    fake.job("past", hours=90, stack="dev", artifacts="artifacts")
    for module in (guard, owned):
        monkeypatch.setattr(module, "client", {"sagemaker": fake}.get)
    monkeypatch.setenv("TANDEM_STACK", "dev")
    monkeypatch.setenv("TANDEM_ARTIFACT_BUCKET", "artifacts")
    monkeypatch.setenv("TANDEM_LONGEST_JOB_SECONDS", "14400")
    run("the guard is refused", lambda: guard.handler({}, None))
    return found


def test_what_fails_is_seen_and_what_does_not_is_let_be(serving, cluster, zero, alarms, said):
    """The table of part, fault and alarm, from what was seen. Where this fails: read what is new, then take it over."""
    assert [said[f"answers {status}"].answer for status in (500, 503)] == [500, 503]
    stacks = Stacks(serving, cluster, zero)
    well = Hours(stacks, said, ("", ""))
    assert _rings(well, well, alarms) == {}
    seen = {(part, fault): _rings(Hours(stacks, said, (part, fault)), well, alarms) for part, fault in FAULTS}
    assert [fault for fault, rings in seen.items() if not rings] == []
    for fault in NO_FAULTS:
        assert _rings(Hours(stacks, said, fault), well, alarms) == {}, fault
    assert {name for rings in seen.values() for name in rings} == set(alarms), "an alarm that nothing rings"
    page = _page(seen, alarms, {"`finetuning`, `trainingBackend: eks`": cluster})
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        found = PAGE.parents[1] / ".tandem" / PAGE.name
        found.parent.mkdir(exist_ok=True)
        found.write_text(page, encoding="utf-8")
        pytest.fail(f"{PAGE} is another page: compare it with {found}, and put that in its place if it is right.")


def _rings(hours: Hours, well: Hours, alarms) -> dict[str, int]:
    """The alarms that ring, and how many minutes after the beginning at the latest; none before."""
    rings: dict[str, list[int]] = {}
    for name, alarm in alarms.items():
        if hours is not well and hours.metrics.watched(alarm) == well.metrics.watched(alarm):
            continue
        for spare in SPARES:
            assert state(alarm, hours.metrics, BEGINS, spare) != ALARM, f"{name} rings while all is well"
            rang = (now for now in range(BEGINS + 1, ENDS) if state(alarm, hours.metrics, now, spare) == ALARM)
            if (first := next(rang, None)) is not None:
                rings.setdefault(name, []).append(first - BEGINS)
    assert all(len(found) == len(SPARES) for found in rings.values()), rings
    return {name: max(found) for name, found in rings.items()}


def test_every_function_has_somebody_who_notices(serving, cluster):
    """Alarms of its own, or a caller that fails with it: the API, a run, or the engine, each shown above."""
    for stack in (serving, cluster):
        watched = {
            each.inputs["dimensions"]["FunctionName"]: set()
            for each in stack.of("MetricAlarm")
            if each.inputs["namespace"] == "AWS/Lambda"
        }
        for each in stack.of("MetricAlarm"):
            if each.inputs["namespace"] == "AWS/Lambda":
                watched[each.inputs["dimensions"]["FunctionName"]].add(each.inputs["metricName"])
        assert all({"Errors", "Throttles"} <= metrics for metrics in watched.values())
        steps = {
            state["Parameters"]["FunctionName"].rpartition(":")[2]
            for machine in stack.of("StateMachine")
            for state in json.loads(machine.inputs["definition"])["States"].values()
            if "lambda:invoke" in state.get("Resource", "")
        }
        unattended = {each.inputs["arn"].rpartition(":")[2] for each in stack.of("EventTarget")}
        unattended |= {each.inputs["functionName"] for each in stack.of("EventSourceMapping")}
        by_engine = {each.inputs["functionName"] for each in stack.of("Invocation")}
        behind_api = {each.inputs["uri"].rpartition("/")[2] for each in stack.of("Integration")}
        functions = {made(each.name) for each in stack.of(FUNCTION)}
        assert functions & unattended <= set(watched)
        assert functions - set(watched) <= steps | by_engine | behind_api
        assert not set(watched) & (by_engine - unattended)


def test_every_schedule_has_somebody_who_notices_that_it_starts_nothing(serving, cluster):
    """Its own alarm on silence, or the sweep's, whose metric comes of a sweep alone."""
    for stack in (serving, cluster):
        silent = [each for each in stack.of("MetricAlarm") if each.inputs["treatMissingData"] == "breaching"]
        heard = {each.inputs["dimensions"].get("FunctionName", each.name) for each in silent}
        scheduled = [each.name for each in stack.of("EventRule") if "scheduleExpression" in each.inputs]
        started = {
            each.inputs["arn"].rpartition(":")[2]
            for each in stack.of("EventTarget")
            if "function:" in each.inputs["arn"]
        }
        assert len(scheduled) == len(started) == len(silent)
        assert {each for each in started if "-sweep" not in each} <= heard


def _page(seen, alarms, recorded) -> str:
    lines = [PREFACE.strip(), "", "| part | fault | rings | after |", "| --- | --- | --- | --- |"]
    for (part, fault), rings in seen.items():
        for name, minutes in rings.items():
            lines.append(f"| {part} | {fault} | `...{name}` | {minutes} min |")
    for function, command in (("`ensure_index`", "up"), ("`clean`", "destroy")):
        lines.append(f"| {function} function | fails | `pulumi {command}`, which calls it and fails | at once |")
    lines += ["", BETWEEN.strip(), "", "| alarm | rings when | without data |", "| --- | --- | --- |"]
    for name, alarm in sorted(alarms.items()):
        silent = "rings" if alarm["treatMissingData"] == "breaching" else "is healthy"
        lines.append(f"| `...{name}` | {_condition(alarm)} | {silent} |")
    lines += ["", COSTS.strip(), "", "| stack | alarms | a month |", "| --- | --- | --- |"]
    recorded = {what: record_stack(configuration) for what, configuration in PRICED.items()} | recorded
    for what, stack in recorded.items():
        count = len(stack.of("MetricAlarm"))
        lines.append(f"| {what} | {count} | ${count / 10:.2f} |")
    return "\n".join(lines) + "\n"


def _condition(alarm) -> str:
    sign = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": "≥", "LessThanThreshold": "<"}
    sign = sign.get(alarm["comparisonOperator"], "≤")
    minutes, periods = int(alarm["period"]) // 60, int(alarm["evaluationPeriods"])
    needed = int(alarm.get("datapointsToAlarm") or periods)
    times = (
        f", {needed} times of {periods}" if needed < periods else f", {periods} times in a row" if periods > 1 else ""
    )
    span = f"{minutes} min{times}"
    metric = f"{alarm['namespace']} {alarm['metricName']}"
    statistic, threshold = alarm["statistic"].lower(), alarm["threshold"]
    return f"{statistic} of {metric} {sign} {threshold:,.12g} in {span}"


PREFACE = """
# Alarms

Each part that fails rings an alarm, and alarms notify the SNS topic of `tandem:alarmTopicArn`; without one they are
seen in CloudWatch only. The topic is also told when the cost guard ends something, and of registered and approved
models. **Its policy has to let `events.amazonaws.com` (models) and `budgets.amazonaws.com` (the budget) publish**: a
topic's own default admits alarms and roles of the same account, and no other service. A topic with a key of your own
needs a key policy that lets `cloudwatch.amazonaws.com`, these two and the guard's role use it.

This table is made by a test (`tests/unit/alarms`): each fault happens, in our own code where it is ours, the metrics
that come out are given to the alarms as they are registered, and AWS's rules, those on missing data too, say which
ring. The times are the longest, since AWS doesn't say how many periods it looks back when data is missing; what a
metric takes to arrive is not in them. **Not yet seen on an AWS account.**
"""
BETWEEN = """
The same test has what must ring nothing: a sweep or a guard that comes late once, a sweep that finds search away once,
search that wakes (up to five questions answered 503), for one question an hour too, nights without questions, an
endpoint that nobody asks, one that takes twenty minutes to wake, a run that is cancelled.

A new stack's `...sweep-stale` may ring until its second sweep has come to an end, and its `...not-started` until the
first look: they can't tell new from silent. A run starts the cluster's function too, and while one goes on its
`...not-started` is silent. Requests that are refused as too many (429) count as 4XX, which callers see and no alarm
does; nor does one see that fewer than half fail, while these are no more than five in five minutes. The
alarms of the cluster's function also ring while the cluster can't be reached, which a run has patience with.
"""
COSTS = """
## What they cost
$0.10 a month each, and those of the sweep and of the fallback $0.30 more for their metrics; the first ten of each in an
account are free, which `tandem cost` doesn't count on. A `hybrid` stack has both, and one more where a model is served
(`...query-fallback`); a domain of two instances or more has one more (`...domain-yellow`). With `endpointMode: zero`
`...endpoint-asleep` counts too, which tells nobody: it wakes the endpoint.
"""
