"""Every request to AWS that a test of the unit tier makes: checked against botocore's whole model, and written down.

botocore itself checks required members, types and the lower ends of lengths and ranges only. Here upper ends, patterns
and enumerations are checked too, of clients that send something and of stand-ins alike: a stand-in is an `AwsService`.
Who asked is the function whose handler is on the stack of calls, else `-`. Of what, is the variable of its environment,
or the key of its event, that has the name in the request: from it `tests/unit/test_grants.py` knows the ARN in a stack.
"""

import functools
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, ClassVar

import botocore.session
from botocore import xform_name
from botocore.client import BaseClient
from botocore.paginate import Paginator
from botocore.validate import ParamValidator

ASKED: set[tuple[str, ...]] = set()
"""What this process was asked since it began: who, service and operation in AWS's words; of a function, of what too."""

RECORDING: list[str] = []
"""The test that runs, if it is of the unit tier."""

WRONG: list[str] = []
"""What was wrong with requests of the test that runs: code that catches everything doesn't hide it."""

TRANSFERS = {"upload_file": ["PutObject"], "download_file": ["HeadObject", "GetObject"]}
"""What boto3's transfers of whole files ask for; a large file is more requests, which the same actions allow."""

# Work that only one function, or a Pod's code, does, and tests call without its handler.
ONLY = {
    "tandem.rag.ingest": "tandem.rag.functions.ingest",
    "tandem.rag.sweep": "tandem.rag.functions.sweep",
    "tandem.finetuning.training.bucket": "tandem.finetuning.training",
}
# Java's classes of characters, as far as what is asked here has them: no script but ours, no sign beyond ASCII.
CLASSES = {
    "Alnum": "A-Za-z0-9",
    "ASCII": r"\x00-\x7f",
    "L": "A-Za-z",
    "M": r"\u0300-\u036f",
    "N": "0-9",
    "P": "!-/:-@\\[-`{-~",
    "Print": " -~",
    "S": "$+<=>^`|~",
    "XDigit": "0-9A-Fa-f",
    "Z": " ",
}
NAMES = {
    "bedrock-runtime": "modelId",
    "dynamodb": "TableName",
    "eks": "name",
    "s3": "Bucket",
    "sagemaker": "ModelPackageGroupName",
    "sagemaker-runtime": "EndpointName",
    "secretsmanager": "SecretId",
    "sns": "TopicArn",
    "sqs": "QueueUrl",
    "stepfunctions": "stateMachineArn",
}
"""What has the name of a resource in a service's requests, where a stack can say which one that is."""

PREFIXES = ("runs/", "datasets/", "code/", "mlflow/")
"""Of a bucket's keys: a role may have one of them and not another."""

NOT_NAMED = "-"
"""In place of a name: the request has none, or one that a stack doesn't know before it runs."""

_inside = threading.local()


@functools.cache
def model(service: str) -> Any:
    """botocore's model of a service."""
    return _session().get_service_model(service)


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@functools.cache
def operations(service: str) -> dict[str, str]:
    """The operations of a service by the names that they have in Python."""
    return {xform_name(name): name for name in model(service).operation_names}


def check(service: str, operation: str, request: dict[str, Any]) -> None:
    """Fails unless the request is one that the operation takes: names, types, lengths, ranges, patterns, values."""
    shape = model(service).operation_model(operation).input_shape
    if shape is None:
        assert not request, f"{service}:{operation} takes no parameters, and was given {sorted(request)}"
        return
    sent = _filled_in(service, operation, request)
    report = ParamValidator().validate(sent, shape)
    assert not report.has_errors(), f"{service}:{operation}: {report.generate_report()}"
    _check(shape, sent, f"{service}:{operation}")


def _filled_in(service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """The parameters as botocore's own handlers leave them: a source of a copy as text, tokens of idempotency."""
    sent, of = dict(request), model(service)
    _session().get_component("event_emitter").emit(
        f"before-parameter-build.{of.service_id.hyphenize()}.{operation}",
        params=sent,
        model=of.operation_model(operation),
        context={},
    )
    return sent


def _check(shape: Any, value: Any, path: str) -> None:
    kind = shape.type_name
    if kind == "structure":
        if not getattr(shape, "is_document_type", False):
            for key, inner in value.items():
                _check(shape.members[key], inner, f"{path}.{key}")
    elif kind == "list":
        _within(shape, len(value), path)
        for inner in value:
            _check(shape.member, inner, path)
    elif kind == "map":
        _within(shape, len(value), path)
        for key, inner in value.items():
            _check(shape.key, key, f"{path} (key)")
            _check(shape.value, inner, f"{path}.{key}")
    elif kind == "string":
        _within(shape, len(value), path)
        if pattern := shape.metadata.get("pattern"):
            assert _compiled(pattern).fullmatch(value), f"{path}: {value!r} doesn't match {pattern}"
        assert not shape.enum or value in shape.enum, f"{path}: {value!r} is none of {shape.enum}"
    elif kind in ("integer", "long", "float", "double"):
        _within(shape, value, path)
    elif kind == "blob" and isinstance(value, str | bytes | bytearray):
        _within(shape, len(value), path)


def patterns(service: str) -> dict[str, re.Pattern[str]]:
    """All patterns of a service's model, as they are checked here."""
    shapes = model(service)._service_description["shapes"].values()
    return {shape["pattern"]: _compiled(shape["pattern"]) for shape in shapes if "pattern" in shape}


def _within(shape: Any, size: float, path: str) -> None:
    limits = shape.metadata
    assert "min" not in limits or size >= limits["min"], f"{path}: {size} is less than {limits['min']}"
    assert "max" not in limits or size <= limits["max"], f"{path}: {size} is more than {limits['max']}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a model, which is Java's, in Python's words."""
    pattern = re.sub(r"\$\{1,\d+\}$", "", pattern)  # as two of SageMaker's end
    pattern = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff").replace(r"\z", r"\Z")
    pattern = pattern.replace(r"\w-", r"\w\-")
    words, inside = [], False
    for part in re.findall(r"\\p\{\w+\}|\\.|.", pattern, re.DOTALL):
        inside = part == "[" or (inside and part != "]")
        members = CLASSES[part[3:-1]] if part.startswith("\\p{") else part
        words.append(members if inside or members is part else f"[{members}]")
    return re.compile("".join(words))


def asked(service: str, operation: str, request: dict[str, Any]) -> None:
    """Check a request, and write it down if it is our code's; only while a test of the unit tier runs."""
    if not RECORDING:
        return
    frames = list(_frames(sys._getframe(1)))
    if any(name.startswith(("tandem.", "scripts.")) for name, _ in frames):
        who = _function(frames)
        of = [()] if who == "-" else [(name,) for name in _named(service, request, _told(sys._getframe(1)))]
        ASKED.update((who, service, each, *name) for each in _parts(operation, request) for name in of)
    try:
        check(service, operation, request)
    except AssertionError as error:
        WRONG.append(str(error))
        raise


def _parts(operation: str, request: dict[str, Any]) -> list[str]:
    """An operation; a transaction's by what it does, since each part takes an action of its own."""
    return sorted({f"{operation}.{kind}" for part in request.get("TransactItems", ()) for kind in part}) or [operation]


def _named(service: str, request: dict[str, Any], told: dict[str, str]) -> list[str]:
    """What the resources of a request are called where a function is told of them, objects with their prefix."""
    found = sorted({told.get(value, NOT_NAMED) for value in _values(request, NAMES.get(service, ""))}) or [NOT_NAMED]
    if service == "s3" and "Key" in request:
        within = next((prefix for prefix in PREFIXES if request["Key"].startswith(prefix)), "")
        found = [name if name == NOT_NAMED else f"{name}/{within}*" for name in found]
    return found


def _values(part: Any, key: str) -> Iterator[str]:
    """Values of a key, however deep it stands; the tables of a batch are keys themselves."""
    if isinstance(part, dict):
        for name, inner in part.items():
            if name == key:
                yield inner
            elif name == "RequestItems" and isinstance(inner, dict):
                yield from inner
            else:
                yield from _values(inner, key)
    elif isinstance(part, list):
        for inner in part:
            yield from _values(inner, key)


def _told(frame: FrameType | None) -> dict[str, str]:
    """What a function is told, by value: by the event of its deployment, and by its variables."""
    events: dict[str, Any] = {}
    while frame is not None:
        if frame.f_code.co_name == "handler" and frame.f_globals.get("__name__", "").startswith("tandem."):
            events = frame.f_locals.get("event") or {}
        frame = frame.f_back
    told = {value: name for name, value in events.items() if isinstance(value, str)}
    return told | {value: name for name, value in os.environ.items() if name.startswith("TANDEM_")}


def stated(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Check the parameters of a state machine's task, and write them down: what isn't known yet ends in `.$`."""
    shape = model(service).operation_model(operation).input_shape
    names = {name.removesuffix(".$") for name in parameters}
    where = f"{service}:{operation}"
    assert names <= set(shape.members), f"{where} has no {', '.join(sorted(names - set(shape.members)))}"
    assert set(shape.required_members) <= names, f"{where} lacks {set(shape.required_members) - names}"
    known = {name: value for name, value in parameters.items() if name in shape.members}
    _check(shape, {name: value for name, value in known.items() if shape.members[name].type_name != "blob"}, where)
    ASKED.add(("machine", service, operation))


def _frames(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Module and function of each caller, the last one first."""
    while frame is not None:
        yield frame.f_globals.get("__name__", ""), frame.f_code.co_name
        frame = frame.f_back


def _function(frames: Iterable[tuple[str, str]]) -> str:
    """The function at work; a thread works for the one that started it."""
    handlers = (ONLY.get(name, name) for name, of in frames if name in ONLY or (of == "handler" and "tandem." in name))
    return next(handlers, getattr(threading.current_thread(), "asking_function", "-"))


def watch() -> None:
    """Have all clients of this process checked from now on."""
    send = BaseClient._make_api_call  # ty: ignore[unresolved-attribute]

    @functools.wraps(send)
    def checked(self: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        asked(self.meta.service_model.service_name, operation_name, api_params)
        return send(self, operation_name, api_params)

    start = threading.Thread.start

    @functools.wraps(start)
    def started(self: Any) -> None:
        self.asking_function = _function(_frames(sys._getframe(1)))  # `function` is a Timer's own
        start(self)

    BaseClient._make_api_call = checked  # ty: ignore[unresolved-attribute]
    threading.Thread.start = started


class AwsService:
    """A stand-in for clients of `services`: what it has by an operation's name is asked as a client is.

    What it calls of itself is no request. Pages come by botocore's paginator, so a list operation answers as AWS does,
    token and all.
    """

    services: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        for name, found in list(vars(cls).items()):
            if callable(found) and (where := cls._requests(name)):
                setattr(cls, name, _asking(found, *where))

    @classmethod
    def _requests(cls, name: str) -> tuple[str, list[str]] | None:
        if name in TRANSFERS:
            return "s3", TRANSFERS[name]
        return next(((each, [operations(each)[name]]) for each in cls.services if name in operations(each)), None)

    def get_paginator(self, name: str) -> Paginator:
        service, (operation,) = self._requests(name) or ("", [name])
        pages = _session().get_paginator_model(service).get_paginator(operation)
        return Paginator(getattr(self, name), pages, model(service).operation_model(operation))


def stand_in(service: str, **answers: Callable[..., Any]) -> Any:
    """A stand-in for a client of one service, made of a function an operation."""
    methods = {name: lambda _self, _answer=answer, **request: _answer(**request) for name, answer in answers.items()}
    return type("StandIn", (AwsService,), {"services": (service,), **methods})()


def _asking(answer: Callable[..., Any], service: str, of: list[str]) -> Callable[..., Any]:
    @functools.wraps(answer)
    def ask(self: Any, *place: Any, **request: Any) -> Any:
        if getattr(_inside, "of", None) is self:
            return answer(self, *place, **request)
        sent = request
        if place:  # a transfer: file, bucket, key; or bucket, key, file
            bucket, key = [str(each) for each in (place[1:3] if of == ["PutObject"] else place[:2])]
            sent = {"Bucket": bucket, "Key": key, **(request.get("ExtraArgs") or {})}
        for operation in of:
            asked(service, operation, sent)
        outer, _inside.of = getattr(_inside, "of", None), self
        try:
            return answer(self, *place, **request)
        finally:
            _inside.of = outer

    return ask
