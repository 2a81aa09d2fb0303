"""Writes docs/components/, a page for each component, from classes, fields and recordings under mocks: `make docs`."""

import ast
import functools
import importlib
import inspect
import itertools
import json
import pkgutil
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pulumi
import pulumi_tandem
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, RagEnvironment
from pulumi_tandem.components import COMPONENTS
from pulumi_tandem.configuration import ENVIRONMENTS
from pulumi_tandem.kubernetes.cluster_fields import CLUSTER
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster
from tandem_contract.fields import Table, camel

from scripts.local_environment import ROOT
from scripts.recorder import ACCOUNT, REGION, Recording, Registered, record
from scripts.schema import annotation, limits

FOLDER = ROOT / "docs" / "components"
MODEL = {"model": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/tuned/1"}
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
POOL = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/pool"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:embedder-AbCdEf"
KEPT, ERASED = "retention: keep", "retention: erase"
ZERO = MODEL | {"endpoint_mode": "zero"}
VARIANTS: dict[type[Any], dict[str, dict[str, Any]]] = {
    RagEnvironment: {
        "": {},
        "store: domain": {"store": "domain"},
        "auth: jwt": {"auth": "jwt", "user_pool_arn": POOL},
        "embedder_secret_arn": {
            "embedder": "https://embedder.example/v1#model",
            "dimensions": 768,
            "embedder_secret_arn": SECRET,
        },
        "reranker": {"reranker": "cohere.rerank-v3-5:0"},
        "endpoint_name": {"endpoint_name": "tuned"},
        "endpoint_name, inference_component": {"endpoint_name": "tuned", "inference_component": "tuned"},
        ERASED: {"retention": "erase"},
    },
    FineTuningEnvironment: {
        "": {},
        "model": MODEL,
        "model, endpoint_mode: zero": ZERO,
        "alarm_topic_arn": {"alarm_topic_arn": TOPIC},
        "tracking: server": {"tracking": "server"},
        "tracking: none": {"tracking": "none"},
        "monthly_budget: 0": {"monthly_budget": 0},
        "training_backend: eks": {"training_backend": "eks"},
        "training_backend: eks, cluster: endpoint_public: false": {
            "training_backend": "eks",
            "cluster": {"endpoint_public": False},
        },
        ERASED: {"retention": "erase"},
    },
    HybridEnvironment: {
        "": {},
        "dashboard: true": {"dashboard": True},
        ERASED: {"rag": {"retention": "erase"}, "finetuning": {"retention": "erase"}},
    },
    GpuCluster: {
        "": {},
        "node_groups": {"node_groups": [{"name": "l40s"}]},
        "node_groups, efa": {
            "node_groups": [
                {"name": "l40s", "instance_types": ["g6e.48xlarge"], "efa": True, "zones": [f"{REGION}a"]},
            ]
        },
        "admins": {"admins": [f"arn:aws:iam::{ACCOUNT}:role/ops"]},
        "subnet_ids": {"subnet_ids": ["subnet-0a", "subnet-0b"]},
        "autoscaler: none": {"autoscaler": "none"},
        "metrics: none": {"metrics": "none"},
        "existing_cluster": {"existing_cluster": "theirs"},
        "existing_kubeconfig": {"existing_kubeconfig": "{}"},
    },
}
"""By environment: arguments beside the defaults, under the name that pages give to them; first the defaults."""
NAMES: dict[type[Any], str] = {
    RagEnvironment: "rag",
    FineTuningEnvironment: "tuning",
    HybridEnvironment: "hybrid",
    GpuCluster: "gpu",
}
ROOMS = {
    "environments": "Environments",
    "rag": "Parts of retrieval-augmented generation",
    "finetuning": "Parts of fine-tuning",
    "kubernetes": "Parts of a cluster",
    "foundation": "Parts of both",
}
INDEX = """\
# Components

Written by `make docs` from the components themselves. Programs in any language have the three environments, and the
parts that take plain ids and ARNs alone; the other parts are for programs in Python, which can compose them otherwise
([why](../your-program.md#parts)).

What a component creates and what its roles may do is recorded with the defaults, and with the arguments in the column
"with". NAME is its own name; other names are those of environments called `rag`, `tuning` and `hybrid`, and of a
cluster called `gpu`. REGION, ACCOUNT and STACK are the stack's, and the suffixes that make names unique are left out.

An input of type `pulumi.Input` may be another resource's output; all others are read before anything is made, and an
output there is refused.

`retention: keep`, the default, protects data: `pulumi destroy` refuses. To let go of it:
`pulumi state unprotect --all`, set `retention: erase`, `pulumi up`, `pulumi destroy`.
"""

Row = tuple[str, ...]


class Place(NamedTuple):
    """A component in a recording."""

    recording: Recording
    itself: Registered

    def children(self) -> list[Registered]:
        """Its own resources and components."""
        return self.recording.children.get(f"{self.itself.type}::{self.itself.name}", [])

    def everything(self) -> Iterator[Registered]:
        """Its resources and components, and all that is in those."""
        for each in self.children():
            yield each
            if not each.custom:
                yield from Place(self.recording, each).everything()

    def plain(self, text: str) -> str:
        """A name or ARN as pages have it."""
        text = re.sub(r"-[0-9a-f]{7,8}(?![0-9A-Za-z-])", "", text).replace(ACCOUNT, "ACCOUNT").replace(REGION, "REGION")
        return re.sub(rf"(?<![\w-]){re.escape(self.itself.name)}(?![\w.])", "NAME", text)


def components() -> dict[str, type[pulumi.ComponentResource]]:
    """Every component that can be created, room by room."""
    found = {}
    for room in ROOMS:
        package = importlib.import_module(f"{pulumi_tandem.__name__}.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, each in vars(importlib.import_module(module.name)).items():
                ours = inspect.isclass(each) and each.__module__ == module.name
                # What others are based on has no constructor of its own.
                if ours and issubclass(each, pulumi.ComponentResource) and "__init__" in vars(each):
                    found[name] = each
    return found


def pages() -> dict[str, str]:
    """The text of each file in the folder, by its name."""
    found = components()
    return {"README.md": _index(found)} | {f"{name}.md": _page(name, each) for name, each in found.items()}


def idle_cost(component: type) -> str:
    """What a component's docstring says of it."""
    (said,) = re.findall(r"^Idle cost: (.*?)(?:\n\n|\Z)", inspect.getdoc(component) or "", re.DOTALL | re.MULTILINE)
    return said[:1].upper() + said[1:]


def _index(found: Mapping[str, type]) -> str:
    text = [INDEX]
    for room, title in ROOMS.items():
        within = {name: each for name, each in found.items() if each.__module__.split(".")[1] == room}
        rows = [
            (
                f"[{name}]({name}.md)",
                (inspect.getdoc(each) or "").partition("\n")[0],
                "any language" if each in COMPONENTS else "Python",
            )
            for name, each in within.items()
        ]
        text += [f"## {title}\n", _table(("component", "what it is", "for programs in"), rows)]
    return "\n".join(text)


def _page(name: str, component: type) -> str:
    doc = re.sub(r"^Idle cost: .*?(\n\n|\Z)", "", inspect.getdoc(component) or "", flags=re.DOTALL | re.MULTILINE)
    module = pulumi_tandem.__name__ if hasattr(pulumi_tandem, name) else component.__module__
    tables = {each.name: each for each in (*COMPONENTS.values(), CLUSTER)}
    table = tables.get(f"{name}Args")
    places = _places(component)
    outputs = [(_code(key), text) for key, (_, text) in _entries(component).items()]
    return "\n".join(
        [
            f"# {name}\n\n{doc.strip()}\n",
            f"```python\nfrom {module} import {name}\n```\n",
            "## Inputs\n",
            _fields(table, table in ENVIRONMENTS["hybrid"].values()) if table else _arguments(component),
            *(["## Outputs\n", _table(("output", "what it is"), outputs)] if outputs else []),
            "## What it creates\n",
            _contents(places),
            f"## Idle cost\n\n{idle_cost(component)}\n",
            "## IAM\n",
            _table(("role", "may", "on", "if", "with"), _differing(places, _permissions)) or "No role of its own.\n",
            f"## Tear-down\n\n{_tear_down(places)}\n",
        ]
    )


def _fields(table: Table, configured: bool) -> str:
    """Arguments that are fields, and what is nested in them; `configured` by a stack file or not."""
    rows, nested = [], []
    for name, field in table.fields.items():
        kind = annotation(field)
        if field.table in ENVIRONMENTS["hybrid"].values():  # whose own page has their configuration keys
            kind = f"[{kind}]({kind.removesuffix('Args')}.md)"
        elif inner := field.table or field.items:
            nested.append(inner)
        kind = kind if kind.startswith("[") else _code(kind)
        default = "" if field.default in ("", {}, [], [{}]) else _code(json.dumps(field.default))
        if field.required:
            default = "none: it has to be given"
        allowed = limits(field) or " or ".join(_code(str.__str__(each)) for each in field.choices)
        key = _code(camel(name)) if field.config and configured else ""
        rows.append((_code(name), field.help, default, allowed, field.cost, kind, key))
    text = _table(("argument", "what it is", "default", "allowed", "cost", "type", "configuration key"), rows)
    return "\n".join([text, *(f"`{each.name}`: {each.help}\n\n{_fields(each, configured)}" for each in nested)])


def _arguments(component: type) -> str:
    """What a part's constructor takes: other components, and `args` with its entries."""
    rows = []
    for name, parameter in inspect.signature(component).parameters.items():
        if name == "args":
            rows += [(_code(f"args[{key!r}]"), *entry) for key, entry in _entries(parameter.annotation).items()]
        elif name not in ("name", "opts"):
            fitting = [each for each, found in components().items() if issubclass(found, parameter.annotation)]
            rows.append((_code(name), " or ".join(f"[{each}]({each}.md)" for each in fitting), "The component."))
    return _table(("argument", "type", "what it is"), rows)


def _entries(declared: type) -> dict[str, tuple[str, str]]:
    """Annotation and docstring of each entry of a class and of its bases of ours; outputs without their methods."""
    found: dict[str, tuple[str, str]] = {}
    classes = [each for each in ast.parse(inspect.getsource(declared)).body if isinstance(each, ast.ClassDef)]
    for written in classes:
        for base in written.bases:  # a class of typed arguments has no bases once it is made
            known = vars(sys.modules[declared.__module__]).get(ast.unparse(base))
            if inspect.isclass(known) and known.__module__.startswith(pulumi_tandem.__name__):
                found |= _entries(known)
        for entry, after in itertools.pairwise(written.body):
            if isinstance(entry, ast.AnnAssign) and isinstance(after, ast.Expr):
                kind = ast.unparse(entry.annotation)
                optional = ", optional" if kind.startswith("NotRequired[") else ""
                kind = kind.removeprefix("NotRequired[").removesuffix("]") if optional else kind
                text = " ".join(ast.literal_eval(after.value).split())
                found[ast.unparse(entry.target)] = (_code(kind) + optional, text)
    return found


@functools.cache
def _recorded(environment: type[Any], variant: str) -> Recording:
    return record(lambda: environment(NAMES[environment], VARIANTS[environment][variant]))


def _places(component: type) -> dict[str, list[Place]]:
    """Where the component stands, by variant. What a hybrid is made of is recorded by itself."""
    found: dict[str, list[Place]] = {}
    for environment in VARIANTS:
        if environment is HybridEnvironment and component is not HybridEnvironment:
            continue
        for variant in VARIANTS[environment]:
            recording = _recorded(environment, variant)
            if there := recording.of(f"tandem:index:{component.__name__}"):
                found.setdefault(variant, []).extend(Place(recording, each) for each in there)
    return found


def _differing(places: dict[str, list[Place]], rows: Callable[[Place], Iterable[Row]]) -> list[Row]:
    """Rows that every such component of a recording has, with the variants that they come or go with as a last cell."""
    by_variant = {
        variant: functools.reduce(lambda one, other: [row for row in one if row in other], map(list, map(rows, found)))
        for variant, found in places.items()
    }
    base, *_ = by_variant
    # Of a part that is there several times, arguments differ, and what all of them have is the part.
    shown = [by_variant[base]] if len(places[base]) > 1 else by_variant.values()
    every = sorted({row for found in shown for row in found})  # the engine's own order isn't the same each time
    return [(*row, _with(base, {variant: row in found for variant, found in by_variant.items()})) for row in every]


def _with(base: str, has: dict[str, bool]) -> str:
    if all(has.values()):
        return _code(base)
    named = [variant for variant, there in has.items() if there != has[base]]
    shortest = [each for each in named if not any(each.startswith(f"{other}, ") for other in named)]
    return ("not with " if has[base] else "") + " or ".join(map(_code, shortest))


def _contents(places: dict[str, list[Place]]) -> str:
    def contents(place: Place) -> Iterator[Row]:
        for each in place.children():
            kind = each.type.rpartition(":")[2]
            ours = each.type.startswith("tandem:")
            yield _code(place.plain(each.name)), f"[{kind}]({kind}.md)" if ours else _code(each.type)

    first = next(iter(places.values()))[0]
    text = _table(("name", "type", "with"), _differing(places, contents))
    if all(each.custom for each in first.children()):
        return text
    counts = Counter(re.sub(r"aws:(\w+)/.*:", r"\1.", each.type) for each in first.everything() if each.custom)
    each_kind = ", ".join(f"{count} `{kind}`" if count > 1 else f"`{kind}`" for kind, count in sorted(counts.items()))
    return f"{text}\nWith those of its parts, {counts.total()} resources: {each_kind}.\n"


def _permissions(place: Place) -> Iterator[Row]:
    """What the roles of a component may do, with those of its functions."""
    functions = [each for each in place.children() if each.type == "tandem:index:Function"]
    for each in [*place.children(), *(child for it in functions for child in Place(place.recording, it).children())]:
        name = _code(place.plain(re.sub("-(permissions|access)$", "", each.name)))
        if each.type.endswith(":RolePolicy"):
            for statement in json.loads(each.inputs["policy"])["Statement"]:
                condition = json.dumps(statement["Condition"]) if "Condition" in statement else ""
                condition = _code(place.plain(condition.replace('"test"', '"STACK"')))
                yield name, *_granted(place, statement["Action"], statement["Resource"]), condition
        elif each.type.endswith(":ServerlessAccessPolicy"):
            for rule in (rule for grant in json.loads(each.inputs["policy"]) for rule in grant["Rules"]):
                yield name, *_granted(place, rule["Permission"], rule["Resource"]), ""


def _granted(place: Place, actions: list[str], resources: str | list[str]) -> tuple[str, str]:
    named = [resources] if isinstance(resources, str) else resources
    return ", ".join(map(_code, actions)), ", ".join(_code(place.plain(each)) for each in named)


def _tear_down(places: dict[str, list[Place]]) -> str:
    kept = next(iter(places.values()))[0]
    protected = sorted(_code(kept.plain(each.name)) for each in kept.everything() if each.protect)
    if not protected:
        return "`pulumi destroy` deletes all of it."
    emptied, cleaned = [], False
    for place in places.get(ERASED, [])[:1]:
        inside = list(place.everything())
        emptying = [each for each in inside if each.inputs.get("forceDestroy") or each.inputs.get("forceDelete")]
        emptied = sorted(_code(place.plain(each.name)) for each in emptying)
        cleaned = any(each.type == "tandem:index:RunCleanup" for each in inside)
    sentences = [
        f"With `{KEPT}`, the default, `pulumi destroy` refuses, because these are protected: {', '.join(protected)}.",
        f"With `{ERASED}` it deletes all of it" + (f", and what is in {', '.join(emptied)}." if emptied else "."),
    ]
    if cleaned:
        sentences.append("Before that, [RunCleanup](RunCleanup.md) stops runs and deletes model packages.")
    return " ".join(sentences)


def _table(columns: Row, rows: Sequence[Row]) -> str:
    """A table in Markdown without columns that are empty throughout; nothing without rows."""
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    lines = [columns, ["---"] * len(columns), *rows] if used else []
    cells = ([line[index].replace("|", "\\|") for index in used] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    texts = pages()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for file, text in texts.items():
        (FOLDER / file).write_text(text, encoding="utf-8")
