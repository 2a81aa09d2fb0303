"""How pulumi-aws and the bridge to the Terraform AWS provider name and shape the same things: tables, and few rules."""

import hashlib
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.struct_pb2 import Struct  # ty: ignore[missing-module-member]
from pulumi.runtime.rpc import UNKNOWN

from localcloud import differences, paths

# Token of pulumi-aws -> name in the bridge, where that is neither module and name, nor the name alone.
NAMES = {
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "SqsQueueRedriveAllowPolicy",
    "aws:sqs/redrivePolicy:RedrivePolicy": "SqsQueueRedrivePolicy",
    "aws:s3/bucketObjectv2:BucketObjectv2": "S3Object",
}

# Property of pulumi-aws -> the bridge's, where that doesn't just have another ending.
RENAMED = {
    "aws:lambda/function:Function": {"name": "functionName", "code": "filename"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name": "alarmName"},
}
ENDINGS = ("", "Id", "Name", "s")

# What pulumi-aws calls after the resource, where it isn't `name` on both sides (the bridge does those).
AUTONAMED = {
    "aws:lambda/function:Function": "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:s3/bucket:Bucket": "bucket",
    **dict.fromkeys(differences.recorded_types(), "name"),
    "aws:opensearch/domain:Domain": "domainName",
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer": "trackingServerName",
}

Properties = dict[str, Any]

Types = dict[str, dict[str, Any]]
"""Type of the bridge -> property -> its type, in a list for an array; None for a plain value. A resource's or a
function's token is the type of its inputs, and `tokens` has these by their names in lower case."""


class Unserved(Exception):
    """Something that the bridge hasn't, or would ignore without a word; the text says what, and the remedy."""


def bridge_types(schema: str) -> Types:
    """What there is to know of the bridge's schema (50 MB of JSON); the provider's settings are the type `provider`."""

    def type_in(spec: Properties) -> Any:
        if spec.get("type") == "array":
            return [type_in(spec.get("items", {}))]
        return spec.get("$ref", "").split(":")[-1] or None

    document = json.loads(schema)
    things = {token: item["inputProperties"] for token, item in document["resources"].items()}
    things |= {token: item.get("inputs", {}).get("properties", {}) for token, item in document["functions"].items()}
    types = {name.split(":")[-1]: item.get("properties", {}) for name, item in document["types"].items()}
    types |= things | {"provider": document["provider"]["inputProperties"]}
    tokens = {"tokens": {token.split(":")[-1].lower(): token for token in things}}
    return tokens | {name: {key: type_in(spec) for key, spec in fields.items()} for name, fields in types.items()}


def bridge_token(token: str, types: Types) -> str:
    """The bridge's token of a resource or function of pulumi-aws. Raises Unserved."""
    _, path, name = token.split(":")
    get = "get" if name.startswith("get") else ""
    for candidate in (NAMES.get(token, ""), get + path.split("/")[0] + name.removeprefix(get), name):
        if found := types["tokens"].get(candidate.lower()):
            return found
    raise Unserved(
        f"the local cloud can't serve {token}: its AWS provider has nothing of that name. If it has another there, add "
        "it to localcloud/toolchain/translation.py; if it may be kept in the state only, add a `recorded` row to "
        "localcloud/differences.py."
    )


def type_of(urn: str) -> str:
    """The type token in a URN, without its parents' types."""
    return urn.split("::")[2].split("$")[-1]


def bridge_urn(urn: str, types: Types) -> str:
    """The URN with its type replaced by the bridge's token."""
    stack, project, _, name = urn.split("::", 3)
    return f"{stack}::{project}::{bridge_token(type_of(urn), types)}::{name}"


def autoname(token: str, name: str, seed: bytes, news: Struct, olds: Struct) -> None:
    """Give the resource the name that pulumi-aws would: its own plus seven random hex digits, kept once given."""
    key = AUTONAMED.get(token)
    if key and key not in news and f"{key}Prefix" not in news:
        chosen = f"{name}-{hashlib.sha256(seed).hexdigest()[:7]}"
        news[key] = olds[key] if key in olds else chosen.lower() if key == "bucket" else chosen


def shaped(value: Any, kind: Any, types: Types, token: str) -> Any:
    """A value with the names, and the lists around single values, that the bridge has. Raises Unserved on `token`."""
    if value is None or value == UNKNOWN:
        return value
    if isinstance(kind, list):
        return [shaped(item, kind[0], types, token) for item in (value if isinstance(value, list) else [value])]
    if kind not in types or not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        name = _with_ending(key, types[kind])
        if name not in types[kind] and not key.startswith("__"):
            raise Unserved(
                f"the local cloud's AWS provider has no {key} on {token}: leave it out, or if it may be kept in the "
                f"state only, add a `recorded` row for {token}#{key} to localcloud/differences.py"
            )
        result[name] = shaped(item, types[kind].get(name), types, token)
    return result


def to_bridge(token: str, properties: Properties, types: Types) -> Properties:
    """Inputs of pulumi-aws as the bridge takes them, without what is only recorded. Raises Unserved."""
    kind, renamed = bridge_token(token, types), RENAMED.get(token, {})
    # The older provider has `region` in its own settings only.
    kept_back = differences.recorded_properties(token) | ({"region"} - types[kind].keys())
    inside = [name.split(".") for name in kept_back if "." in name]
    given = {
        renamed.get(key, key): _without(value, [path[1] for path in inside if path[0] == key])
        for key, value in properties.items()
        if key not in kept_back
    }
    if token.endswith("/endpointConfiguration:EndpointConfiguration") and "productionVariants" in given:
        model = {"modelName": differences.NO_MODEL}
        given["productionVariants"] = [model | each for each in given["productionVariants"]]
    if "code" in properties:
        given["filename"] = str(archive(properties["code"]))
    if isinstance(source := properties.get("source"), dict):
        given["source"] = str(asset(source))
    return shaped(given, kind, types, token)


def _without(value: Any, names: list[str]) -> Any:
    """The value without these of its properties, or of those of its items."""
    if names and isinstance(value, list):
        return [_without(item, names) for item in value]
    return (
        {key: item for key, item in value.items() if key not in names} if names and isinstance(value, dict) else value
    )


def from_bridge(token: str, properties: Properties, given: Properties, types: Types) -> Properties:
    """Inputs or outputs of the bridge as pulumi-aws gives them.

    `given` are the inputs that they belong to: those of them whose value had to be translated stay as given.
    """
    names = our_names(token, given, types)
    stay = {key: value for key, value in given.items() if [value] != [*to_bridge(token, {key: value}, types).values()]}
    return {names.get(key, key): value for key, value in properties.items()} | stay


def our_names(token: str, given: Iterable[str], types: Types) -> dict[str, str]:
    """Property of the bridge -> of pulumi-aws, for those of the `given` ones that are called differently."""
    fields, renamed = types[bridge_token(token, types)], RENAMED.get(token, {})
    return {theirs: ours for ours, theirs in renamed.items()} | {
        _with_ending(key, fields): key for key in given if key not in renamed
    }


def complete(token: str, outputs: Properties) -> None:
    """Set the outputs that the older provider lacks, or has in a list, and the emulator's address of a stage."""
    region = outputs.get("name") if token.endswith(":getRegion") else os.environ.get("AWS_REGION", "us-east-1")
    outputs.setdefault("region", region)
    if token.endswith("eks/cluster:Cluster"):
        authorities = outputs.pop("certificateAuthorities", UNKNOWN)
        outputs["certificateAuthority"] = authorities[0] if isinstance(authorities, list) else authorities
    if token.endswith(("/bucket:Bucket", "/getBucket:getBucket")):
        outputs.setdefault("bucketRegion", region)
    endpoint, api = os.environ.get("AWS_ENDPOINT_URL"), outputs.get("restApi")
    if token.endswith("/stage:Stage") and endpoint and "invokeUrl" in outputs:
        path = f"/_aws/execute-api/{api}/{outputs['stageName']}"
        outputs["invokeUrl"] = UNKNOWN if api == UNKNOWN else endpoint + path


def _with_ending(key: str, fields: Properties) -> str:
    return next((key + end for end in ENDINGS if key + end in fields), key)


def asset(file: Properties) -> Path:
    """A copy of a file asset, named by the hash that the engine gives it: in old inputs there is nothing but that."""
    copy = paths.CACHE / "assets" / file["hash"]
    if not copy.exists() and "path" in file:
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(f".{uuid.uuid4().hex}")
        shutil.copyfile(file["path"], partial)
        partial.replace(copy)
    return copy


def archive(code: Properties) -> Path:
    """The zip file of a function's `code`, named by the hash that the engine gives it, and made when it is not there.

    The same content makes the same bytes: entries are sorted and carry neither time nor owner.
    """
    file = paths.CACHE / "functions" / f"{code['hash']}.zip"
    if not file.exists() and code.keys() & {"path", "assets"}:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{uuid.uuid4().hex}")  # several functions may have the same code
        if str(code.get("path")).endswith(".zip"):
            partial.write_bytes(Path(code["path"]).read_bytes())
        else:
            with zipfile.ZipFile(partial, "w") as packed:
                for name, content in sorted(_entries("", code)):
                    entry = zipfile.ZipInfo(os.path.normpath(name).lstrip("/"))  # dated 1980-01-01
                    packed.writestr(entry, content, zipfile.ZIP_DEFLATED)
        partial.replace(file)
    return file


def _entries(name: str, item: Properties) -> Iterator[tuple[str, bytes]]:
    for key, value in item.get("assets", {}).items():
        yield from _entries(f"{name}/{key}", value)
    if "text" in item:
        yield name, item["text"].encode()
    if "path" in item:
        for file in [Path(item["path"]), *Path(item["path"]).rglob("*")]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{name}/{file.relative_to(item['path'])}", file.read_bytes()
    if "uri" in item:
        raise ValueError(f"{item['uri']} is not local: give {name or 'code'} as text, or a file or folder")
