"""The two schemas that the stand-in reconciles: the bridge's, and that of the pulumi_aws package."""

import importlib
import json
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any

from pulumi import _types

Shape = list["Shape | None"] | dict[str, "Shape | None"]
"""What a property of the bridge holds: a one-element list for an array, a dict for an object, None for the rest."""

Shapes = dict[str, dict[str, dict[str, Shape | None]]]
"""`resources`, `functions` and `provider` -> bridge token (of the provider the empty one) -> property -> shape."""

# What stands for a value that a preview can't know: of any type first, then of each (plugin/rpc.go in Pulumi's Go SDK).
UNKNOWNS = (
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
)


def compact(schema: str) -> Shapes:
    """The input properties of everything in a Pulumi schema (50 MB of JSON), by token, without the descriptions."""
    document = json.loads(schema)
    types = document["types"]

    def shape(spec: dict[str, Any], seen: tuple[str, ...] = ()) -> Shape | None:
        if spec.get("type") == "array":
            return [shape(spec.get("items", {}), seen)]
        name = spec.get("$ref", "").removeprefix("#/types/")
        if name not in types or name in seen:
            return None
        nested = ((key, shape(value, (*seen, name))) for key, value in types[name].get("properties", {}).items())
        return {key: value for key, value in nested if value is not None}

    def shapes(specs: dict[str, Any]) -> dict[str, Shape | None]:
        return {key: shape(value) for key, value in specs.items()}

    functions = {token: item.get("inputs", {}).get("properties", {}) for token, item in document["functions"].items()}
    return {
        "resources": {token: shapes(item["inputProperties"]) for token, item in document["resources"].items()},
        "functions": {token: shapes(properties) for token, properties in functions.items()},
        "provider": {"": shapes(document["provider"]["inputProperties"])},
    }


@cache
def sdk_types(token: str) -> dict[str, Any]:
    """The annotated properties of a resource's class, or of a function's result, in pulumi_aws; {} if it has none."""
    _, path, name = token.split(":")
    module = path.split("/")[0]
    package = {"index": "pulumi_aws", "lambda": "pulumi_aws.lambda_"}.get(module, f"pulumi_aws.{module}")
    function = name.startswith("get")
    found = getattr(importlib.import_module(package), f"G{name[1:]}Result" if function else name, None)
    read = _types.output_type_types if function else _types.resource_types
    return dict(read(found)) if found else {}


def to_shape(value: Any, shape: Shape | None) -> Any:
    """Wrap or unwrap single values where the bridge has a list of at most one and pulumi_aws hasn't, or vice versa."""
    if value is None or value in UNKNOWNS:
        return value
    if isinstance(shape, list):
        return [to_shape(item, shape[0]) for item in (value if isinstance(value, list) else [value])]
    if isinstance(shape, dict) and isinstance(value, list) and len(value) == 1:
        return to_shape(value[0], shape)
    if isinstance(shape, dict) and isinstance(value, dict):
        return {key: to_shape(item, shape.get(key)) for key, item in value.items()}
    return value


def to_annotation(value: Any, annotation: Any) -> Any:
    """The reverse of `to_shape`: give a value of the bridge the shape that an annotation of pulumi_aws names."""
    if value is None or annotation is None or value in UNKNOWNS:
        return value
    annotation = _types.unwrap_type(annotation)
    origin = typing.get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        item_annotation = typing.get_args(annotation)[0]
        return [to_annotation(item, item_annotation) for item in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        return to_annotation(value[0], annotation) if len(value) == 1 else (value or None)
    if isinstance(value, dict) and isinstance(annotation, type) and _types.is_output_type(annotation):
        types = _types.output_type_types(annotation)
        return {key: to_annotation(item, types.get(key)) for key, item in value.items()}
    return value
