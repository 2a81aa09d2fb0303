"""What a job on a cluster is doing, from the objects that Kueue, Trainer, JobSet and Kubernetes keep of it.

A TrainJob's own status says neither why it waits nor why it fails nor that it restarts (Kubeflow Trainer 2.2): the
queue's Workload, the JobSet, the Jobs, their events and the Pods do.
"""

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tandem_contract.cluster import GPU, REFUSED, Container, Label

from tandem.finetuning.job_record import FAILED, QUEUED, RESTARTING, STARTING, STOPPING, SUCCEEDED, WORKING, JobRecord

Object = Mapping[str, Any]
FINISHING = "Completed"
PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
REQUEUED_TOO_OFTEN = "RequeuingLimitExceeded"
LATE = "DeadlineExceeded"
INCIDENTAL = ("ContainerCreating", "PodInitializing")
LONGEST = 400  # characters of what others say
MOST_EVICTIONS = 10
"""Restarts that use up no attempt: spot nodes that go are few, and a Pod that is too large for its node is evicted for
ever."""


@dataclass(frozen=True)
class Seen:
    """The objects of a job, as they are now."""

    trainjob: Object
    workload: Object | None = None
    jobset: Object | None = None
    jobs: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    """Of its Jobs: Pods that couldn't be created show nowhere else."""
    workloads: Sequence[Object] = ()
    """All of the namespace."""
    flavor: str = ""
    """As which the queue counts the job's GPUs."""
    quota: int | None = None
    """GPUs of that flavor; None where it can't be seen."""
    failure: str = ""
    """What the training code said when it failed."""


def observed(record: JobRecord, seen: Seen, now: datetime.datetime) -> JobRecord:
    """The record, brought up to date."""
    status = (seen.jobset or {}).get("status", {})
    restarts = max(record.restarts, status.get("restarts", 0))
    counted = max(record.counted_restarts, status.get("restartsCountTowardsMax", 0))
    pods = _pods(record.pods, seen.pods, now)
    record = replace(
        record,
        restarts=restarts,
        counted_restarts=counted,
        conditions=_history(record.conditions, _conditions(seen.workload)),
        pods=pods,
        node_seconds=sum(map(_seconds, pods.values())),
    )
    state, sentence = _state(record, seen)
    trouble = sentence if state in (STARTING, RESTARTING) else record.trouble
    return replace(record, state=state, sentence=sentence, trouble=trouble)


def ended(record: JobRecord, state: str, sentence: str, now: datetime.datetime) -> JobRecord:
    """The record of a job that has ended, and its Pods with it."""
    pods = {name: {**pod, "ended": pod["ended"] or pod["seen"]} for name, pod in record.pods.items()}
    return replace(record, state=state, sentence=sentence, ended_at=_text(now), pods=pods)


def in_queue(record: JobRecord) -> bool:
    """Whether the queue hasn't been seen to count its quota as free yet."""
    return not any(each["type"] == "Finished" for each in record.conditions)


def finished_seconds(trainjob: Object, now: datetime.datetime) -> float:
    """How long ago a TrainJob has ended; without end where it hasn't."""
    end = next((each for name, each in _true(trainjob).items() if name in ("Complete", "Failed")), None)
    if end is None:
        return math.inf
    return (now - datetime.datetime.fromisoformat(end["lastTransitionTime"])).total_seconds()


def _state(record: JobRecord, seen: Seen) -> tuple[str, str]:
    """The state and the sentence that explains it."""
    trainjob = _true(seen.trainjob)
    if "Complete" in trainjob:
        return SUCCEEDED, ""
    if "Failed" in trainjob:
        return FAILED, _why(record, seen, trainjob["Failed"])
    if seen.trainjob["metadata"].get("deletionTimestamp"):
        return STOPPING, "its Pods save a checkpoint and end"
    if over := _over(record, seen):
        return FAILED, over
    if seen.workload is None:
        return QUEUED, "waiting for the queue to see it: is Kueue running?"
    queue = _true(seen.workload)
    evicted = queue.get("Evicted", {})
    if seen.workload["spec"].get("active") is False:
        if REQUEUED_TOO_OFTEN in evicted.get("reason", ""):
            why = record.trouble or _short(evicted.get("message", ""))
            return FAILED, f"its Pods were not ready in time, as often as the queue tries: {why}"
        return QUEUED, f"switched off in the queue: Workload {seen.workload['metadata']['name']} has active: false"
    if "QuotaReserved" not in queue:
        return QUEUED, _waiting(seen, evicted)
    if "Admitted" not in queue:
        return QUEUED, "has its quota, and waits for the queue's admission checks"
    return _of_pods(record, seen)


def _over(record: JobRecord, seen: Seen) -> str:
    """Which limit that the controllers don't keep a job has met; empty if none.

    Trainer's deadline begins anew whenever the queue lets a job go, and JobSet restarts an evicted gang without end.
    """
    if record.node_seconds > seen.trainjob["spec"]["activeDeadlineSeconds"] * record.instances:
        return "its time was up, that of all its attempts together, before and after the queue had put it back"
    if (evictions := record.restarts - record.counted_restarts) > MOST_EVICTIONS:
        cause = seen.failure or _cause(seen) or _last_end(record) or "what remains of its Pods doesn't say why"
        return (
            f"its Pods were evicted {evictions} times, {MOST_EVICTIONS} at most are made up for: {cause}. Where their "
            "node had no memory or disk left, take another instance type; `tandem finetune resume` goes on"
        )
    return ""


def _of_pods(record: JobRecord, seen: Seen) -> tuple[str, str]:
    """What an admitted job's Pods do."""
    pods = [pod for pod in seen.pods if not pod["metadata"].get("deletionTimestamp")]
    # Pods of another attempt than the newest are on their way out.
    newest = max((_attempt(pod) for pod in pods), default=0)
    pods = [pod for pod in pods if _attempt(pod) == newest]
    running = [pod for pod in pods if _container(pod, Container.NODE).get("state", {}).get("running")]
    done = [pod for pod in pods if pod.get("status", {}).get("phase") == "Succeeded"]
    if len(running) + len(done) >= record.instances and newest >= record.restarts:
        return WORKING[record.step], "" if running else "its Pods have ended and copy their last files"
    state, before = STARTING, ""
    if record.restarts:
        state = RESTARTING
        # Pods of before may have gone unseen.
        cause = seen.failure or _cause(seen) or _last_end(record) or "its Pods have ended, their logs say why"
        before = f"restart {record.restarts}, since {cause}: "
    return state, before + _what_keeps(pods, seen)


def _what_keeps(pods: Sequence[Object], seen: Seen) -> str:
    """What keeps its Pods from running."""
    if len(pods) == 0 and (refused := [event for event in seen.events if event.get("reason") == "FailedCreate"]):
        newest = max(refused, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return f"the cluster refuses its Pods: {_short(newest.get('message', ''))}"
    for pod in pods:
        for name, reason, message in _waits(pod):
            if reason in PULLING:
                return f"an image can't be pulled for container {name}: {_short(message or reason)}"
            if reason not in INCIDENTAL:
                return f"container {name} can't start: {reason}: {_short(message)}"
    for pod in pods:
        placed = next((each for each in _conditions(pod) if each["type"] == "PodScheduled"), {})
        if placed.get("status") == "False":
            return f"waiting for a node: {_short(placed.get('message', ''))}"
    if any(_container(pod, Container.FETCH, "initContainerStatuses").get("state", {}).get("running") for pod in pods):
        return "its Pods fetch their inputs"
    return "its Pods start"


def _waiting(seen: Seen, evicted: Object) -> str:
    """Why there is no quota: who has it."""
    back = f"put back into the queue ({_short(evicted.get('message', '') or evicted.get('reason', ''))}); "
    said = next((each for each in _conditions(seen.workload) if each["type"] == "QuotaReserved"), {}).get("message", "")
    holding = [each for each in seen.workloads if _holds(each, seen.flavor)]
    sentence = f"waiting for quota: {_short(said)}" if said else "waiting for quota"
    if holding:
        used = sum(map(_gpus, holding))
        of = f" of {seen.quota}" if seen.quota is not None else ""
        sentence = f"waiting for quota: {used}{of} GPUs in use by {', '.join(map(_owner, holding))}"
        if said and seen.quota is None:
            sentence += f" ({_short(said)})"
    return (back if evicted else "") + sentence


def _holds(workload: Object, flavor: str) -> bool:
    """Whether a Workload has quota of this flavor."""
    true, given = _true(workload), workload.get("status", {}).get("admission", {}).get("podSetAssignments", ())
    return (
        "QuotaReserved" in true
        and "Finished" not in true
        and any(pods.get("flavors", {}).get(GPU) == flavor for pods in given)
    )


def _owner(workload: Object) -> str:
    """Whose a Workload is: a run of ours, or what the queue calls it."""
    owner = next(iter(workload["metadata"].get("ownerReferences", ())), {})
    run = workload["metadata"].get("labels", {}).get(Label.RUN)
    if not run:
        template = workload["spec"]["podSets"][0].get("template", {}) if workload["spec"].get("podSets") else {}
        run = template.get("metadata", {}).get("labels", {}).get(Label.RUN)
    if run:
        return f"run {run}"
    name, kind = owner.get("name") or workload["metadata"]["name"], owner.get("kind", "Workload")
    return f"{kind} {name}, which is no run of Tandem's"


def _gpus(workload: Object) -> int:
    total = 0
    for pods in workload["spec"].get("podSets", ()):
        for container in pods["template"]["spec"]["containers"]:
            resources = container.get("resources", {})
            asked = resources.get("requests", {}).get(GPU) or resources.get("limits", {}).get(GPU) or 0
            total += int(asked) * pods.get("count", 1)
    return total


def _why(record: JobRecord, seen: Seen, failed: Object) -> str:
    """Why a job failed: in the words of the training code, of the Job, or of who gave it up."""
    refused = any(pod["exit_code"] == REFUSED for pod in record.pods.values())
    said = seen.failure or _cause(seen) or _last_end(record)
    message = _short(failed.get("message", "") or failed.get("reason", ""))
    if late := _late(seen, failed):
        return f"its time was up, {late}{f'; last: {seen.failure}' if seen.failure else ''}"
    if refused or not said:
        return said or message
    tries = f" (attempt {record.attempts} of the job, {record.restarts} restarts)" if record.restarts else ""
    return f"{said}{tries}"


def _late(seen: Seen, failed: Object) -> str:
    """Whose deadline a job has met; empty if none."""
    if failed.get("reason") == LATE:
        return "that of all its attempts together"
    met = any(_true(job).get("Failed", {}).get("reason") == LATE for job in seen.jobs)
    return "that of one attempt" if met else ""


def _cause(seen: Seen) -> str:
    """What its Jobs say of their end."""
    for job in seen.jobs:
        if failed := _true(job).get("Failed"):
            return _short(failed.get("message", ""))
    return ""


def _last_end(record: JobRecord) -> str:
    """How the Pod that ended last with an error ended."""
    broken = [pod for pod in record.pods.values() if pod["exit_code"] or (pod["reason"] and pod["phase"] == "Failed")]
    if not broken:
        return ""
    last = max(broken, key=lambda pod: pod["ended"])
    return (
        f"a Pod on {last['node'] or 'no node'} ended: {last['reason'] or 'exit code'} {last['exit_code'] or ''}".strip()
    )


def _pods(known: Mapping[str, Any], pods: Iterable[Object], now: datetime.datetime) -> dict[str, dict[str, Any]]:
    """What is known of all Pods that there were. One that is gone has ended when it was last seen, or as it said."""
    found = {name: {**pod, "ended": pod["ended"] or pod["seen"]} for name, pod in known.items()}
    for pod in pods:
        status, name = pod.get("status", {}), pod["metadata"]["name"]
        node = _container(pod, Container.NODE)
        end = node.get("state", {}).get("terminated") or {}
        terminal = status.get("phase") in ("Succeeded", "Failed")
        began = status.get("startTime", "")
        ended = (end.get("finishedAt") or known.get(name, {}).get("ended") or _text(now)) if terminal else ""
        found[name] = {
            "attempt": _attempt(pod),
            "node": pod["spec"].get("nodeName", ""),
            "phase": status.get("phase", ""),
            "exit_code": end.get("exitCode"),
            "reason": _end_reason(pod, end),
            "started": began,
            "ended": ended,
            "seen": _text(now) if began else "",
        }
    return found


def _end_reason(pod: Object, end: Object) -> str:
    """Why it ended, where it says so: that of the Pod (`Evicted`), of the init container, of the container."""
    status = pod.get("status", {})
    fetch = _container(pod, Container.FETCH, "initContainerStatuses").get("state", {}).get("terminated") or {}
    if fetch.get("exitCode"):
        return (
            f"its container {Container.FETCH} ended with {fetch['exitCode']} {_short(fetch.get('message', ''))}".strip()
        )
    disrupted = next((each for each in _conditions(pod) if each["type"] == "DisruptionTarget"), {})
    reason = status.get("reason") or disrupted.get("reason") or end.get("reason", "")
    return "" if reason == FINISHING else reason


def _seconds(pod: Mapping[str, Any]) -> int:
    if not pod["started"]:
        return 0
    begin, end = (datetime.datetime.fromisoformat(text) for text in (pod["started"], pod["ended"] or pod["seen"]))
    return max(0, round((end - begin).total_seconds()))


def _waits(pod: Object) -> list[tuple[str, str, str]]:
    """Its containers that wait, with reason and message."""
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    waiting = [(each["name"], each.get("state", {}).get("waiting")) for each in containers]
    return [(name, it.get("reason", ""), it.get("message", "")) for name, it in waiting if it and it.get("reason")]


def _container(pod: Object, name: str, kind: str = "containerStatuses") -> Object:
    return next((each for each in pod.get("status", {}).get(kind, ()) if each["name"] == name), {})


def _attempt(pod: Object) -> int:
    return int(pod["metadata"].get("labels", {}).get("jobset.sigs.k8s.io/restart-attempt", 0))


def _conditions(holder: Object | None) -> Sequence[Object]:
    return (holder or {}).get("status", {}).get("conditions", ())


def _true(holder: Object | None) -> dict[str, Object]:
    """Its conditions that hold, by type."""
    return {each["type"]: each for each in _conditions(holder) if each["status"] == "True"}


def _history(known: Sequence[Mapping[str, str]], now: Sequence[Object]) -> tuple[Mapping[str, str], ...]:
    """The conditions as they changed: the queue keeps the newest of each type alone."""
    found = list(known)
    for each in sorted(now, key=lambda each: each.get("lastTransitionTime", "")):
        entry = {"type": each["type"], "status": each["status"], "reason": each.get("reason", "")}
        entry |= {"message": each.get("message", ""), "time": each.get("lastTransitionTime", "")}
        before = next((old for old in reversed(found) if old["type"] == entry["type"]), None)
        if before is None or (before["status"], before["reason"]) != (entry["status"], entry["reason"]):
            found.append(entry)
    return tuple(found)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3]}..."


def _text(now: datetime.datetime) -> str:
    return now.isoformat(timespec="seconds")
