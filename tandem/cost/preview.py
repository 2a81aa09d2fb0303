"""Reads a preview: what `pulumi preview --json --show-sames` prints, or the engine's events, one a line."""

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tandem_contract.checks import Checks
from tandem_contract.errors import TandemError

from .digest import REMEDY, digest_of, object_in
from .model import SECRET, UNKNOWN, Change, Resource

SIDES = {  # operation -> whether what it names bills before it, and after it
    "same": (True, True),
    "create": (False, True),
    "update": (True, True),
    "delete": (True, False),
    "replace": (True, True),
    "create-replacement": (True, True),
    "delete-replaced": (True, False),
    "read": (False, False),
    "read-replacement": (True, True),  # what is read is external, see _bills
    "refresh": (True, True),
    "discard": (False, False),
    "discard-replaced": (False, False),
    "remove-pending-replace": (False, False),  # it was deleted by an earlier deployment
    "import": (False, True),
    "import-replacement": (True, True),
}
DELETIONS = ("delete", "delete-replaced")
REPLACEMENTS = ("replace", "create-replacement", "read-replacement", "import-replacement")
TWICE = "billed twice for a while: the new one is made before the old one goes"
KEPT = "kept, and billed on: retainOnDelete"
LEFT_OVER = "left over from an earlier replacement"

_TEMPLATE = ("launchTemplate", "launchTemplate.name", "aws:ec2/launchTemplate:LaunchTemplate")
_NAMED = {  # type -> its input, the path of a name in it, and the type of what is named: where the name is written down
    "aws:sagemaker/endpoint:Endpoint": (
        ("endpointConfigName", "endpointConfigName", "aws:sagemaker/endpointConfiguration:EndpointConfiguration"),
    ),
    "aws:eks/nodeGroup:NodeGroup": (_TEMPLATE,),
    "aws:ec2/instance:Instance": (_TEMPLATE,),
    "aws:autoscaling/group:Group": (_TEMPLATE,),
}

_ARN_REGION = re.compile(r"\barn:aws[\w-]*:[\w-]+:([a-z]{2}(?:-[a-z]+)+-\d+):")
_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
URN = r"(?s)urn:pulumi:.*?::.*?::.*?::.*"
_SHAPE = {"config": dict, "steps": list, "diagnostics": list, "changeSummary": dict}
_STATE_SHAPE = {
    "inputs": dict,
    "outputs": dict,
    "type": str,
    "urn": str,
    "parent": str,
    "provider": str,
    "propertyDependencies": dict,
}


class Read(NamedTuple):
    """What was read from a preview."""

    stack: str
    region: str
    changes: tuple[Change, ...]
    parents: Mapping[str, str]
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """What the program and the engine warn of, each once."""


class _Step(NamedTuple):
    op: str
    urn: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


def read_preview(text: str, region: str = "") -> Read:
    """Read a preview, its JSON digest or its events. Raises `TandemError` if it is neither, or not whole.

    `region` is where resources are of which the preview doesn't say it: by `AWS_REGION`, which is in no preview.
    """
    digest = digest_of(text)
    steps = list(_steps(digest))
    stacks = {tuple(step.urn.removeprefix("urn:pulumi:").split("::", 2)[:2]) for step in steps}
    if len(stacks) != 1:
        raise TandemError(_no_stack(digest, stacks))
    (stack, project) = stacks.pop()
    problems = list(_problems(digest, steps))
    config = digest.get("config") or {}
    resources = _Resources(config, steps, region)
    changes = tuple(_changes(_merged(steps), resources, problems))
    resources.link()
    regions = Counter(side.region for change in changes for side in (change.after, change.before) if side)
    most = next((name for name, _ in regions.most_common() if name), region)
    parents = {
        str(state.get("urn") or step.urn): state.get("parent") or ""
        for step in steps
        for state in (step.old, step.new)
        if state is not None and (not state.get("custom") or _is_provider(step, state))
    }
    warnings = tuple(dict.fromkeys(_messages(digest, "warning")))
    region = _known(config.get("aws:region")) or most
    return Read(f"{project}/{stack}", region, changes, parents, tuple(problems), warnings)


# From a digest to steps.


def _steps(digest: Mapping[str, Any]) -> Iterator[_Step]:
    checks = Checks()
    _check_shape(digest, _SHAPE, checks)
    for number, raw in enumerate([] if checks.mistakes else digest.get("steps") or [], 1):
        own = Checks(f"step {number}")
        _check_step(raw, own)
        checks.mistakes += own.mistakes
        if not own.mistakes:
            yield _Step(raw["op"], raw["urn"], raw.get("oldState"), raw.get("newState"))
    checks.finish("The preview")


def _check_step(raw: Any, checks: Checks) -> None:
    if not isinstance(raw, dict):
        return checks.refuse("", raw, "an object", REMEDY)
    checks.text("op", raw.get("op"), "the name of an operation", REMEDY)
    checks.text("urn", raw.get("urn"), "as urn:pulumi:STACK::PROJECT::TYPE::NAME", REMEDY, URN)
    _check_shape(raw, {"oldState": dict, "newState": dict}, checks)
    for key in ("oldState", "newState"):
        state = object_in(raw.get(key))
        _check_shape(state, _STATE_SHAPE, checks.under(key))
        for name, urns in object_in(state.get("propertyDependencies")).items():
            if not isinstance(urns or [], list) or not all(isinstance(urn, str) for urn in urns or []):
                checks.under(key).refuse(f"propertyDependencies.{name}", urns, "a list of URNs", REMEDY)


def _check_shape(value: Mapping[str, Any], shape: Mapping[str, type], checks: Checks) -> None:
    for key, kind in shape.items():
        found = value.get(key)
        if found is not None and not isinstance(found, kind):
            checks.refuse(key, found, _NAMES[kind], REMEDY)


def _no_stack(digest: Mapping[str, Any], stacks: Iterable[tuple[str, ...]]) -> str:
    if names := sorted(f"{project}/{stack}" for stack, project in stacks):
        return f"The preview has steps of more than one stack: {', '.join(names)}. Give one preview at a time."
    reason = next((f": {message}" for message in _errors(digest)), "")
    return f"The preview has no steps{reason}. Make it again and look at what `pulumi preview` says."


def _errors(digest: Mapping[str, Any]) -> Iterator[str]:
    for message in _messages(digest, "error"):
        first, *others = message.split("\n")
        # The last line of a traceback says what happened.
        yield textwrap.shorten(" ".join([first, *others[-1:]]), 200)


def _messages(digest: Mapping[str, Any], severity: str) -> Iterator[str]:
    for diagnostic in digest.get("diagnostics") or []:
        if object_in(diagnostic).get("severity") == severity:
            yield str(diagnostic.get("message")).removeprefix(f"{severity}: ").strip()


def _problems(digest: Mapping[str, Any], steps: Iterable[_Step]) -> Iterator[str]:
    errors = list(_errors(digest))
    if errors:
        others = f", and {len(errors) - 1} more errors" if errors[1:] else ""
        yield f"the preview failed, so resources may be missing: {errors[0]}{others}"
    if digest.get("maybeCorrupt"):
        yield "Pulumi says that the stack's state may be corrupt (maybeCorrupt): run `pulumi refresh` and preview again"
    # A refresh shows what is there as well; the stack itself is shown even without --show-sames.
    shown = len({step.urn for step in steps if step.op in ("same", "refresh")})
    same = (digest.get("changeSummary") or {}).get("same")
    if isinstance(same, int) and same > shown:
        yield (
            f"{same - shown} unchanged resources are left out of the preview, and of every number before and after: "
            "run `pulumi preview --json --show-sames`"
        )
    if rest := digest.get("rest"):
        yield f"what follows the preview was not read, keep it alone in its file: {textwrap.shorten(rest, 80)!r}"


# From steps to changes.


def _merged(steps: Iterable[_Step]) -> list[_Step]:
    """One step for each thing that exists before or after.

    A resource has several if it is refreshed first (the last step counts), or if the parts of its replacement are shown
    (they count once). A deletion may also be of a copy that an earlier replacement left over.
    """
    by_urn: dict[str, _Step] = {}
    deletions = []
    for step in steps:
        if step.op in ("delete-replaced", "discard-replaced") or _is_left_over(step):
            deletions.append(step)
        elif step.op not in REPLACEMENTS or step.urn not in by_urn or by_urn[step.urn].op != "replace":
            by_urn[step.urn] = step
    replaced = {(step.urn, (step.old or {}).get("id")) for step in by_urn.values() if step.op in REPLACEMENTS}
    left = (step for step in deletions if (step.urn, (step.old or {}).get("id")) not in replaced)
    return [*by_urn.values(), *left]


def _is_left_over(step: _Step) -> bool:
    return step.op in DELETIONS and bool((step.old or {}).get("delete"))


def _changes(steps: Iterable[_Step], resources: "_Resources", problems: list[str]) -> Iterator[Change]:
    for step in steps:
        op, urn, old, _ = step
        before, after = _sides(step, resources, problems)
        if op == "same" and before and not (old or {}).get("id"):
            # The engine shows what --target leaves out as if it were there.
            problems.append(f"{urn} doesn't exist, and --target leaves it out: it is not counted")
        elif before and _is_kept(step):
            yield Change(op, urn, before, after or before, "" if after else KEPT)
            if after:
                yield Change(op, urn, None, before, KEPT)
        elif before or after:
            yield Change(op, urn, before, after, _remark(step, before, after))


def _sides(step: _Step, resources: "_Resources", problems: list[str]) -> tuple[Resource | None, Resource | None]:
    """What bills before a step, and what after it."""
    op, urn, old, new = step
    if op not in SIDES:
        problems.append(f"operation {op!r} of {urn} isn't known: it is counted on each side that has a state")
    sides = SIDES.get(op, (old is not None, new is not None))
    if (sides[0] and old is None) or (sides[1] and new is None) or not (old or new):
        problems.append(f"operation {op!r} of {urn} lacks a state of it, so that side isn't counted")
    before = resources.resource(step, old, "old") if sides[0] and old and _bills(step, old) else None
    after = resources.resource(step, new, "new") if sides[1] and new and _bills(step, new) else None
    return before, after


def _is_kept(step: _Step) -> bool:
    return step.op in (*DELETIONS, *REPLACEMENTS) and bool((step.old or {}).get("retainOnDelete"))


def _remark(step: _Step, before: Resource | None, after: Resource | None) -> str:
    if _is_left_over(step):
        return LEFT_OVER
    # The engine marks what is replaced for deletion if it goes last, and not if it goes first.
    late = step.op in REPLACEMENTS and (step.old or {}).get("delete")
    return TWICE if before and after and late else ""


def _bills(step: _Step, state: Mapping[str, Any]) -> bool:
    """Whether it is something of the stack's that could cost: not a component, not external, not a provider."""
    return bool(state.get("custom")) and not state.get("external") and not _is_provider(step, state)


def _is_provider(step: _Step, state: Mapping[str, Any]) -> bool:
    return _type(step, state).startswith("pulumi:providers:")


def _type(step: _Step, state: Mapping[str, Any]) -> str:
    # A URN's type is the whole chain of its parents' types.
    return state.get("type") or step.urn.split("::")[2].rsplit("$", 1)[-1]


class _Resources:
    """Makes the resources of both sides.

    Where one is says it itself, its provider, the configuration, what Pulumi knows of it, or who asks (`region`).
    """

    def __init__(self, config: Mapping[str, Any], steps: list[_Step], region: str):
        self._config, self._else = _known(config.get("aws:region")), region
        self._providers = {
            (side, state.get("urn") or step.urn): (state.get("inputs") or {}).get("region")
            for step in steps
            for side, state in (("old", step.old), ("new", step.new))
            if state and _is_provider(step, state)
        }
        self._made: dict[tuple[str, str], Resource] = {}
        self._sources: dict[tuple[str, str], Mapping[str, list[str]]] = {}

    def resource(self, step: _Step, state: Mapping[str, Any], side: str) -> Resource:
        urn = state.get("urn") or step.urn
        made = Resource(
            urn=urn,
            type=_type(step, state),
            name=urn.split("::", 3)[-1],
            parent=state.get("parent") or "",
            region=self._region(state, (step.old or {}).get("outputs") or {}, side),
            inputs=state.get("inputs") or {},
        )
        self._made[side, urn] = made
        self._sources[side, urn] = state.get("propertyDependencies") or {}
        return made

    def link(self) -> None:
        """Tell every resource those that its inputs come from, once all are made."""
        for (side, urn), sources in self._sources.items():
            for name, urns in sources.items():
                found = (self._made.get((side, other)) for other in urns or ())
                self._refer(self._made[side, urn], name, tuple(other for other in found if other))
        named = {
            (side, made.region, made.type, _known(made.inputs.get("name"))): made
            for (side, _), made in self._made.items()
        }
        for (side, _), made in self._made.items():
            for input_, path, of in _NAMED.get(made.type, ()):
                name = _known(made.shown(path))
                other = named.get((side, made.region, of, name)) if name else None
                if other and not made.references.get(input_):
                    self._refer(made, input_, (other,))

    def _refer(self, made: Resource, name: str, sources: tuple[Resource, ...]) -> None:
        made.references[name] = sources
        for source in sources:
            source.users.append(made)

    def _region(self, state: Mapping[str, Any], deployed: Mapping[str, Any], side: str) -> str:
        own = (state.get("inputs") or {}).get("region")
        if own:  # and if it isn't known yet, then neither is the price
            return _known(own)
        if side == "old" and (region := _known(deployed.get("region"))):
            return region
        if provider := self._providers.get((side, (state.get("provider") or "").rpartition("::")[0])):
            return _known(provider)
        if region := self._config or _known(deployed.get("region")):
            return region
        found = _ARN_REGION.search(f"{deployed.get('arn')} {json.dumps(deployed)}")
        return found[1] if found else self._else


def _known(value: Any) -> str:
    return value if isinstance(value, str) and value not in (UNKNOWN, SECRET) else ""
