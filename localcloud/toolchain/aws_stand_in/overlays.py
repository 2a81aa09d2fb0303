"""The few properties in which pulumi-aws differs from the bridge by more than wrapping, and the way there and back."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud import differences, paths
from localcloud.toolchain.aws_stand_in import schemas

# Property of pulumi-aws -> the bridge's, where it isn't the same name with an added `Id` or `Name`.
RENAMED = {
    "aws:lambda/function:Function": {"name": "functionName", "code": "filename"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name": "alarmName"},
    "aws:dynamodb/table:Table": {
        "globalSecondaryIndexes": "globalSecondaryIndices",
        "localSecondaryIndexes": "localSecondaryIndices",
    },
}

# What pulumi-aws calls after the resource, where it isn't `name` on both sides (the bridge does those).
AUTONAMED = {
    "aws:lambda/function:Function": "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:s3/bucket:Bucket": "bucket",
    **dict.fromkeys(differences.recorded_types(), "name"),
}

Properties = dict[str, Any]


def renames(token: str, shapes: Properties) -> dict[str, str]:
    """Property of pulumi-aws -> property of the bridge, for those of a type that are called differently."""
    ours = schemas.sdk_types(token).keys()
    longer = {name: {f"{name}Id", f"{name}Name"} & (shapes.keys() - ours) for name in ours - shapes.keys()}
    return {name: found.pop() for name, found in longer.items() if found} | RENAMED.get(token, {})


def autoname(token: str, name: str, seed: bytes, news: Properties, olds: Properties) -> None:
    """Give the resource the name that pulumi-aws would: its own plus seven random hex digits, kept once given."""
    key = AUTONAMED.get(token)
    if key and key not in news and f"{key}Prefix" not in news:
        chosen = f"{name}-{hashlib.sha256(seed).hexdigest()[:7]}"
        news[key] = olds.get(key) or (chosen.lower() if key == "bucket" else chosen)


def unserved(token: str, properties: Properties, shapes: Properties) -> list[str]:
    """The given inputs that the bridge would ignore without a word."""
    served = shapes.keys() | renames(token, shapes).keys() | _kept_back(token, shapes)
    return [key for key in properties if key not in served and not key.startswith("__")]


def to_bridge(token: str, properties: Properties, shapes: Properties) -> Properties:
    """Inputs of pulumi-aws as the bridge takes them."""
    names, kept_back, converted = renames(token, shapes), _kept_back(token, shapes), {}
    for key in properties.keys() - kept_back:
        name = names.get(key, key)
        value = str(archive(properties[key])) if name == "filename" else properties[key]
        converted[name] = schemas.to_shape(value, shapes.get(name))
    return converted


def from_bridge(token: str, properties: Properties, given: Properties, shapes: Properties) -> Properties:
    """Inputs or outputs of the bridge as pulumi-aws gives them; `given` are the inputs that they belong to."""
    types = schemas.sdk_types(token)
    names = {theirs: ours for ours, theirs in renames(token, shapes).items()}
    ours = {names.get(key, key): value for key, value in properties.items()}
    kept = differences.recorded_properties(token) | {"code"}
    converted = {key: schemas.to_annotation(value, types.get(key)) for key, value in ours.items()}
    return converted | {key: value for key, value in given.items() if key in kept}


def complete(token: str, outputs: Properties) -> None:
    """Set the outputs that the older provider lacks, and the address at which the emulator serves a stage."""
    for key in {"region", "bucketRegion"} & schemas.sdk_types(token).keys():
        outputs.setdefault(key, os.environ.get("AWS_REGION", "us-east-1"))
    endpoint, api = os.environ.get("AWS_ENDPOINT_URL"), outputs.get("restApi")
    if token == "aws:apigateway/stage:Stage" and endpoint and "invokeUrl" in outputs:  # noqa: S105 - no password
        outputs["invokeUrl"] = f"{endpoint}/_aws/execute-api/{api}/{outputs['stageName']}"
        if api in schemas.UNKNOWNS:
            outputs["invokeUrl"] = api


def archive(code: Properties) -> Path:
    """The zip file of a function's `code`, named by the hash that the engine gives it, and made when it is not there.

    The same content makes the same bytes: entries are sorted and carry neither time nor owner.
    """
    file = paths.CACHE / "functions" / f"{code['hash']}.zip"
    if not file.exists() and code.keys() & {"path", "assets"}:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        if str(code.get("path")).endswith(".zip"):
            partial.write_bytes(Path(code["path"]).read_bytes())
        else:
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as packed:
                for name, content in sorted(_entries("", code)):
                    entry = zipfile.ZipInfo(name)  # dated 1980-01-01
                    entry.external_attr = 0o644 << 16
                    packed.writestr(entry, content, zipfile.ZIP_DEFLATED)
        partial.replace(file)
    return file


def _entries(name: str, item: Properties) -> Iterator[tuple[str, bytes]]:
    if "text" in item:
        yield name, item["text"].encode()
    elif "assets" in item:
        for key, value in item["assets"].items():
            yield from _entries(os.path.normpath(f"{name}/{key}").lstrip("/"), value)
    elif "path" not in item:
        raise ValueError(f"{name or 'code'} is neither text nor a local file or folder: give it as one of those")
    elif Path(item["path"]).is_dir():
        for file in Path(item["path"]).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                inside = file.relative_to(item["path"]).as_posix()
                yield os.path.normpath(f"{name}/{inside}").lstrip("/"), file.read_bytes()
    else:
        yield name, Path(item["path"]).read_bytes()


def _kept_back(token: str, shapes: Properties) -> set[str]:
    """What is never sent: `region`, which the older provider has in its own settings only, and what is recorded."""
    return differences.recorded_properties(token) | ({"region"} - shapes.keys())
