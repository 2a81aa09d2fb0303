"""The few properties in which pulumi-aws differs from the bridge by more than wrapping, and the way there and back."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud import differences, paths
from localcloud.toolchain.aws_stand_in import schemas

FUNCTION = "aws:lambda/function:Function"
STAGE = "aws:apigateway/stage:Stage"

# Property of pulumi-aws -> the bridge's, where it isn't the same name with an added `Id` or `Name`.
RENAMED = {
    FUNCTION: {"name": "functionName", "code": "filename"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name": "alarmName"},
    "aws:dynamodb/table:Table": {
        "globalSecondaryIndexes": "globalSecondaryIndices",
        "localSecondaryIndexes": "localSecondaryIndices",
    },
}

# The property that pulumi-aws names after the resource, where it isn't `name` on both sides (the bridge does those).
AUTONAMED = {
    FUNCTION: "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:s3/bucket:Bucket": "bucket",
}

Properties = dict[str, Any]


def renames(token: str, shapes: dict[str, Any]) -> dict[str, str]:
    """Property of pulumi-aws -> property of the bridge, for those of a type that are called differently."""
    known = schemas.sdk_types(token)
    found = dict(RENAMED.get(token, {}))
    for name in known:
        for longer in (f"{name}Id", f"{name}Name"):
            if name not in shapes and name not in found and longer in shapes and longer not in known:
                found[name] = longer
    return found


def autoname(token: str, urn: str, seed: bytes, news: Properties, olds: Properties) -> None:
    """Give the resource the name that pulumi-aws would: its own plus seven random hex digits, kept once given."""
    key = AUTONAMED.get(token)
    if key and key not in news and f"{key}Prefix" not in news:
        suffix = hashlib.sha256(seed).hexdigest()[:7]
        chosen = f"{urn.split('::')[-1]}-{suffix}"
        news[key] = olds.get(key) or (chosen.lower() if key == "bucket" else chosen)


def to_bridge(token: str, properties: Properties, shapes: dict[str, Any]) -> Properties:
    """Inputs of pulumi-aws as the bridge takes them."""
    names = renames(token, shapes)
    dropped = _dropped(token, shapes)
    converted = {}
    for key, value in properties.items():
        if key in dropped:
            continue
        name = names.get(key, key)
        given = str(archive(value)) if name == "filename" else value
        converted[name] = schemas.to_shape(given, shapes.get(name))
    return converted


def unserved(token: str, properties: Properties, shapes: dict[str, Any]) -> list[str]:
    """The given inputs that the bridge would ignore without a word."""
    names, dropped = renames(token, shapes), _dropped(token, shapes)
    return [
        key
        for key in properties
        if key not in dropped and not key.startswith("__") and names.get(key, key) not in shapes
    ]


def _dropped(token: str, shapes: dict[str, Any]) -> set[str]:
    """What is never sent: `region`, which the older provider has in its own settings only, and what is recorded."""
    return differences.recorded_properties(token) | ({"region"} - shapes.keys())


def from_bridge(token: str, properties: Properties, given: Properties, shapes: dict[str, Any]) -> Properties:
    """Inputs or outputs of the bridge as pulumi-aws gives them; `given` are the inputs that they belong to."""
    types = schemas.sdk_types(token)
    names = {theirs: ours for ours, theirs in renames(token, shapes).items()}
    converted = {}
    for key, value in properties.items():
        name = names.get(key, key)
        converted[name] = schemas.to_annotation(value, types.get(name))
    kept = differences.recorded_properties(token) | {"code"}
    return converted | {key: value for key, value in given.items() if key in kept}


def complete(token: str, outputs: Properties) -> None:
    """Set the outputs that the older provider lacks, and the address at which the emulator serves a stage."""
    types = schemas.sdk_types(token)
    for key in ("region", "bucketRegion"):
        if key in types:
            outputs.setdefault(key, os.environ.get("AWS_REGION", "us-east-1"))
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if token == STAGE and endpoint and "invokeUrl" in outputs:
        unknown = outputs["restApi"] in schemas.UNKNOWNS
        outputs["invokeUrl"] = (
            outputs["restApi"]
            if unknown
            else f"{endpoint}/_aws/execute-api/{outputs['restApi']}/{outputs['stageName']}"
        )


def archive(code: Properties) -> Path:
    """The zip file of a function's `code`, named by the hash that the engine gives it, and made when it is not there.

    The same content makes the same bytes: entries are sorted and carry neither time nor owner.
    """
    file = paths.CACHE / "functions" / f"{code['hash']}.zip"
    if not file.exists() and (set(code) & {"path", "assets"}):
        file.parent.mkdir(parents=True, exist_ok=True)
        source = Path(code.get("path", ""))
        partial = file.with_suffix(f".{os.getpid()}")
        if source.suffix in (".zip", ".jar"):
            partial.write_bytes(source.read_bytes())
        else:
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
                for name, content in sorted(_entries("", code)):
                    entry = zipfile.ZipInfo(name)  # dated 1980-01-01
                    entry.external_attr = 0o644 << 16
                    packed.writestr(entry, content, zipfile.ZIP_DEFLATED)
        partial.replace(file)
    return file


def _entries(prefix: str, item: Properties) -> Iterator[tuple[str, bytes]]:
    if "assets" in item:
        for name, value in item["assets"].items():
            yield from _entries(f"{prefix}/{name}".lstrip("/"), value)
    elif "text" in item:
        yield prefix, item["text"].encode()
    elif "path" not in item:
        raise ValueError(f"{prefix or 'code'} is neither text nor a local file or folder: give it as one of those")
    elif Path(item["path"]).is_dir():
        root = Path(item["path"])
        for file in root.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{prefix}/{file.relative_to(root).as_posix()}".lstrip("/"), file.read_bytes()
    else:
        yield prefix, Path(item["path"]).read_bytes()
