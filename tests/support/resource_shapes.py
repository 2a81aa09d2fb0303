"""What the services' own models (botocore) say of the resources that a program registers: `mistakes`.

pulumi-aws types enumerations as plain texts and knows no lengths, ranges or patterns, so that a wrong value is refused
by AWS in the middle of an `up`. A type without a row in `resource_rows`, and a property without a member, is a mistake
too.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.session import get_session

from scripts.recorder import Recording, Registered
from tests.support.resource_rows import DOCUMENTED, ROWS, Row

DRAWN = "-0123456"
"""What pulumi-aws puts behind the name of a resource that is given none."""
PROVIDERS = {"region", "tagsAll"}
"""Properties of every resource that are the provider's."""


def mistakes(*recordings: Recording, drawn: str = DRAWN) -> list[str]:
    """What AWS would refuse of the resources of pulumi-aws in these, each once; `drawn` is what names end with."""
    found: dict[str, None] = {}
    for recording in recordings:
        for resource in recording.resources:
            if resource.custom and resource.type.startswith("aws:"):
                found |= dict.fromkeys(f"{resource.type} {resource.name}{it}" for it in _wrong(resource, drawn))
    return list(found)


def _wrong(resource: Registered, drawn: str) -> Iterator[str]:
    row = ROWS.get(resource.type.removeprefix("aws:"))
    if row is None:
        yield ": no row in tests/support/resource_rows.py says in which request it goes"
        return
    # The provider sends no tags where there are none.
    properties = {
        key: value for key, value in resource.inputs.items() if key not in PROVIDERS and (key, value) != ("tags", {})
    }
    if row.named and row.named not in properties:
        prefix = f"{row.named}Prefix"
        longest = f"{properties.pop(prefix)}{'0' * 26}" if prefix in properties else f"{resource.name}{drawn}"
        properties[row.named] = longest
    properties = row.shaped(properties) if row.shaped else properties
    yield from _undocumented(resource.type.removeprefix("aws:"), resource.inputs)
    operations = row.operations.split()
    requests: dict[str, dict[str, Any]] = {name: {} for name in operations}
    for key, value in properties.items():
        if key in row.apart:
            continue
        *only, path = row.renamed.get(key, key).split(":")
        for name in only or operations:
            shape = _input(row.service, name)
            if member := _member(shape, path.partition(".")[0]):
                _put(requests[name], shape, path, _converted(value, _at(shape, path), key, row), member)
                break
        else:
            yield f".{key}: no member of {row.operations}"
    for name, request in requests.items():
        shape, first = _input(row.service, name), name == operations[0]
        if request or first:
            # What names the resource is in the first request, or its answer.
            named = set() if first else {*shape.required_members} - request.keys()
            yield from _refused(request, shape, "", {*row.given.split(), *named})


def _undocumented(token: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Values that aren't among `DOCUMENTED` ones."""
    for path, allowed in DOCUMENTED.get(token, {}).items():
        found: list[Any] = [inputs]
        for key in path.split("."):
            found = [each[key] for each in found if key in each]
            found = [one for each in found for one in (each if isinstance(each, list) else [each])]
        yield from (f".{path}: {value!r} is not documented" for value in found if value not in allowed)


@cache
def _model(service: str) -> Any:
    return get_session().get_service_model(service)


@cache
def _input(service: str, operation: str) -> StructureShape:
    return _model(service).operation_model(operation).input_shape


@cache
def _names(shape: StructureShape) -> dict[str, str]:
    return {name.lower(): name for name in shape.members}


def _member(shape: Shape, name: str) -> str | None:
    """The member that a property of this name goes into."""
    if not isinstance(shape, StructureShape):
        return None
    known, name = _names(shape), name.lower()
    words = (name, f"{name}s", name.removesuffix("s"), f"{name}configuration", f"{name}options")
    return next((known[word] for word in words if word in known), None)


def _at(shape: Shape, path: str) -> Shape:
    for part in path.split("."):
        shape = shape.members[_member(shape, part)]  # ty: ignore[unresolved-attribute]
    return shape


def _put(request: dict[str, Any], shape: Shape, path: str, value: Any, member: str) -> None:
    rest = path.partition(".")[2]
    if rest:
        inner = shape.members[member]  # ty: ignore[unresolved-attribute]
        _put(request.setdefault(member, {}), inner, rest, value, _member(inner, rest.partition(".")[0]) or "")
    else:
        request[member] = value


def _converted(value: Any, shape: Shape, path: str, row: Row) -> Any:
    """A value of pulumi-aws as the request has it: where Terraform has a list of one, and tags as a mapping."""
    if isinstance(value, dict) and (pair := _pair(shape)) and not value.keys() & {it.lower() for it in pair}:
        return [{pair[0]: key, pair[1]: each} for key, each in value.items()]
    if isinstance(shape, StructureShape) and [*shape.members] == ["Value"] and not isinstance(value, dict):
        return {"Value": _plain(value, shape.members["Value"])}
    if isinstance(shape, ListShape):
        return [_converted(each, shape.member, path, row) for each in (value if isinstance(value, list) else [value])]
    if isinstance(value, list) and len(value) == 1:
        return _converted(value[0], shape, path, row)
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _converted(each, shape.value, path, row) for key, each in value.items()}
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        made: dict[str, Any] = {}
        for key, each in value.items():
            place = f"{path}.{key}"
            if place in row.apart:
                continue
            to = row.renamed.get(place, key)
            if member := _member(shape, to.partition(".")[0]):
                _put(made, shape, to, _converted(each, _at(shape, to), place, row), member)
            else:
                made[f"?{key}"] = each
        return made
    return _plain(value, shape)


def _pair(shape: Shape) -> tuple[str, str] | None:
    """The members of a list's items that are a key and its value, as those of tags and dimensions are."""
    item = getattr(shape, "member", None)
    members = [*item.members] if isinstance(item, StructureShape) else []
    found = re.fullmatch("(Tag)?(Key|Name),(Tag)?Value", ",".join(members), re.IGNORECASE)
    return (members[0], members[1]) if found else None


def _plain(value: Any, shape: Shape) -> Any:
    if isinstance(value, str) and shape.type_name in ("integer", "long", "float", "double", "boolean"):
        return {"true": True, "false": False}.get(value, float(value) if re.fullmatch(r"-?[\d.]+", value) else value)
    return value


KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": (int, float),
    "long": (int, float),
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "structure": dict,
    "list": list,
    "map": dict,
}


def _refused(value: Any, shape: Shape, path: str, filled: set[str]) -> Iterator[str]:
    """What the model doesn't allow of a value; `filled` are required members that come from elsewhere."""
    kind = KINDS.get(shape.type_name)
    if kind and (not isinstance(value, kind) or (isinstance(value, bool) and shape.type_name != "boolean")):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    if isinstance(shape, StructureShape):
        for name in sorted({*shape.required_members} - value.keys() - filled):
            if not shape.members[name].metadata.get("idempotencyToken"):
                yield f"{path}: lacks {name}"
        for name, each in value.items():
            if name.startswith("?"):
                yield f"{path}.{name[1:]}: no member of {shape.name}"
            else:
                yield from _refused(each, shape.members[name], f"{path}.{name}", set())
    elif isinstance(shape, ListShape):
        yield from _outside(len(value), shape, path, "items")
        for number, each in enumerate(value):
            yield from _refused(each, shape.member, f"{path}[{number}]", set())
    elif isinstance(shape, MapShape):
        yield from _outside(len(value), shape, path, "keys")
        for key, each in value.items():
            yield from _refused(key, shape.key, f"{path}.{key}", set())
            yield from _refused(each, shape.value, f"{path}.{key}", set())
    elif isinstance(value, str):
        yield from _outside(len(value), shape, path, "characters")
        if shape.metadata.get("enum") and value not in shape.metadata["enum"]:
            yield f"{path}: {value!r} is none of {', '.join(shape.metadata['enum'])}"
        if (pattern := shape.metadata.get("pattern")) and not _pattern(pattern).fullmatch(value):
            yield f"{path}: {value!r} doesn't match {pattern}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if shape.type_name in ("integer", "long") and value != int(value):
            yield f"{path}: {value} is no whole number"
        yield from _outside(value, shape, path, "")


def _outside(amount: float, shape: Shape, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and amount < float(least)) or (most is not None and amount > float(most)):
        yield f"{path}: {amount:g} {unit} is not within {least} and {most}".replace("  ", " ")


CLASSES = {"L": r"\w", "N": r"\d", "Z": r"\s", "M": "", "P": r"!-/:-@\[-`{-~", "S": "$+<=>^`|~", "Alnum": "A-Za-z0-9"}
CLASSES |= {"ASCII": r"\x00-\x7f", "Print": " -~", "XDigit": "0-9A-Fa-f"}


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """The pattern of a model, which is Java's, as Python's: its classes are near enough."""

    def signs(found: re.Match[str]) -> str:
        inside = text.rfind("[", 0, found.start()) > text.rfind("]", 0, found.start())
        return CLASSES[found[1]] if inside else f"[{CLASSES[found[1]]}]"

    pattern = re.sub(r"\\p\{(\w+)\}", signs, text).replace("(?i)", "")
    return re.compile(pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"))
