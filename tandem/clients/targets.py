"""Evaluation targets by name: what identifies the answers, the call, and the price."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tandem_contract.checks import Checks
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.errors import TandemError
from tandem_contract.model_url import check_model_url, split_model_url

from tandem.clients import aws
from tandem.clients.pulumi_stack import deployed, last_update
from tandem.clients.query_service import QueryService
from tandem.runtime.pages import each

if TYPE_CHECKING:
    from tandem.evaluation.price import Instances
    from tandem.evaluation.runs import Price, Reply
    from tandem.evaluation.targets import Ask
    from tandem.models.chat import ChatModel

FORMS = "bedrock:MODEL_ID, endpoint:STACK, stack:STACK or https://host/v1#MODEL"
ROUTES = ("/chat/completions", "/completions", "/embeddings", "/responses", "/models")
DIMENSIONS = 1024  # which every supported embedder gives
EMBEDDINGS = 8  # at once (tandem.models.embed)
EMBEDDING_SECONDS = 120  # for a few texts at once
BEYOND = "search, embedding and functions come on top (`tandem cost`)"


@dataclass(frozen=True)
class Options:
    """How a target is asked; what one kind of target takes no other does."""

    system: str | None = None
    max_tokens: int | None = None
    """Longest answer of a model alone; by default a stack's."""
    key_variable: str | None = None
    token: str | None = None
    region: str | None = None
    """Of models and prices; the stack's or the shell's by default."""
    environment: str | None = None
    """Name of the environment, where a stack has several."""
    seconds: float = 60.0
    concurrency: int = 4
    say: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class Subject:
    """A target: what decides its answers, the call, and the price of what came."""

    identity: dict[str, Any]
    """All that decides the answers, without secrets, as it was when the target was opened."""
    identify: Callable[[], dict[str, Any]]
    """The same at this moment."""
    ask: "Ask"
    price: "Callable[[Sequence[Reply]], Price]"
    region: str | None = None
    documents: frozenset[str] | None = None
    """Keys of the documents that it searches; None for a model alone."""


def open_target(text: str, options: Options) -> Subject:
    """The target of that name; raises `Mistakes` with everything wrong in it and its options."""
    from tandem.runtime.secret import SHORTEST

    kind, _, rest = text.partition(":")
    is_url = kind.lower() in ("http", "https")
    text = f"{kind.lower()}:{rest}" if is_url else text
    checks, remedy = Checks(), ""
    if is_url:
        remedy = "Give a key by the name of an environment variable that holds it."
        check_model_url(checks, "target", text, remedy, plain=True)
        if route := next((route for route in ROUTES if urlsplit(text).path.rstrip("/").endswith(route)), ""):
            checks.add(
                "target", f"has the route {route}, which is added", "Give the base URL, such as https://host/v1."
            )
    elif kind not in KINDS or not rest:
        checks.refuse("target", text, FORMS, "Give one of these.")
    if options.system and kind == "stack":
        checks.add("system", "is for models alone", "A stack has its own prompt: leave it out.")
    if options.max_tokens and kind == "stack":
        checks.add("max_tokens", "is for models alone", "A stack has its own limit: leave it out.")
    if options.key_variable and not is_url:
        checks.add("key_variable", "is for OpenAI-compatible URLs", "Leave it out.")
    elif options.key_variable and not os.environ.get(options.key_variable):
        problem = "there is no environment variable of the name that was given"  # which may be the key itself
        checks.add("key_variable", problem, "Set it, and give its name, not the key.")
    elif options.key_variable:
        value = os.environ[options.key_variable]
        _check_secret(checks, "key_variable", value, options.key_variable)
        if len(value) >= SHORTEST and value.strip() in text:
            checks.add("target", "has the key in it, which would be stored", remedy)
    if options.token:
        _check_secret(checks, "token", options.token, "the token")
    checks.finish("The target")
    return _openai(text, options) if is_url else KINDS[kind](rest, options)


def _check_secret(checks: Checks, key: str, value: str, name: str) -> None:
    """Its text is never shown, in no error either."""
    from tandem.runtime.secret import VISIBLE_ASCII

    if not VISIBLE_ASCII.fullmatch(value):
        problem = f"{name} holds a character that no header can carry, such as a space or a line's end"
        checks.add(key, problem, "Give it without.")


def embedder(
    model: str, options: Options, region: str | None
) -> "Callable[[Sequence[str]], Sequence[Sequence[float]]]":
    """What embeds answers and references, in the target's region unless the options name one."""
    from tandem.models.bedrock_embedder import BedrockEmbedder
    from tandem.runtime.retry import Deadline

    client = _client("bedrock-runtime", options.region or region or aws.region(), options)
    found = BedrockEmbedder(client, model, DIMENSIONS)
    return lambda texts: found.documents(texts, Deadline(EMBEDDING_SECONDS))


def check_embedder(model: str) -> None:
    """Raises `Mistakes` for a model that isn't supported."""
    checks = Checks()
    checks.choice("similarity", model, EMBEDDERS)
    checks.finish("The evaluation")


def _openai(text: str, options: Options) -> Subject:
    from tandem.evaluation.runs import Price
    from tandem.models.openai import OpenAiApi, OpenAiChat
    from tandem.runtime.secret import Key

    url, model = split_model_url(text)
    key = Key("", os.environ[options.key_variable]) if options.key_variable else None
    identity = _alone("openai", url, model, options)
    unknown = Price(None, f"what {urlsplit(url).hostname} asks for {model} is in no price row")
    ask = _asking(OpenAiChat(OpenAiApi(url, key), model), options)
    return Subject(identity, lambda: identity, ask, lambda _: unknown)


def _bedrock(model: str, options: Options) -> Subject:
    from tandem.evaluation.price import price
    from tandem.models.bedrock import BedrockChat

    region = options.region or aws.region()
    client = _client("bedrock-runtime", region, options)
    ask = _asking(BedrockChat(client, model), options)
    identity = _alone("bedrock", client.meta.endpoint_url, model, options)
    return Subject(identity, lambda: identity, ask, partial(price, region=region), region)


def _endpoint(name: str, options: Options) -> Subject:
    from tandem.models.endpoint import EndpointChat

    stack = deployed(name, "endpointName", options.environment, options.say)
    (endpoint,) = stack.pick("endpointName")
    component = stack.outputs.get("inferenceComponent") or ""
    region = options.region or stack.region
    sagemaker, runtime = stack.client("sagemaker"), _client("sagemaker-runtime", stack.region, options)
    ask = _asking(EndpointChat(runtime, endpoint, component), options)

    def identify() -> dict[str, Any]:
        served = _served(sagemaker, endpoint, component)
        return _alone("endpoint", runtime.meta.endpoint_url, endpoint, options) | {"stack": name, **served}

    identity = identify()
    if (status := identity["status"]) != "InService":
        raise TandemError(f"Endpoint {endpoint} is {status}: wait until it is InService.")
    return Subject(identity, identify, ask, lambda replies: _price(replies, region, sagemaker, endpoint), region)


def _stack(name: str, options: Options) -> Subject:
    from tandem.evaluation.targets import of_query_api

    stack = deployed(name, "queryUrl", options.environment, options.say)
    url, bucket = stack.pick("queryUrl", "documentsBucket")
    endpoint = stack.outputs.get("endpointName")
    region = options.region or stack.region
    s3 = stack.client("s3")
    service = QueryService(url, options.token, options.say, patience=options.seconds, region=stack.region)

    def identify(documents: Mapping[str, str]) -> dict[str, Any]:
        digest = hashlib.sha256(json.dumps(sorted(documents.items())).encode()).hexdigest()
        return {"kind": "stack", "stack": name, "url": url, "update": last_update(name), "documents": digest}

    documents = _documents(s3, bucket)
    return Subject(
        identify(documents),
        lambda: identify(_documents(s3, bucket)),
        lambda question: of_query_api(service.ask({"question": question})),
        lambda replies: _price(replies, region, stack.client("sagemaker"), endpoint, BEYOND),
        region,
        frozenset(documents),
    )


def _asking(model: "ChatModel", options: Options) -> "Ask":
    from tandem.evaluation.targets import asking

    return asking(model, options.system, max_tokens=_max_tokens(options), seconds=options.seconds)


def _alone(kind: str, url: str, model: str, options: Options) -> dict[str, Any]:
    """What decides the answers of a model alone; by its URL a model of the local cloud isn't taken for its namesake."""
    return {"kind": kind, "url": url, "id": model, "system": options.system, "max_tokens": _max_tokens(options)}


def _max_tokens(options: Options) -> int:
    from tandem.rag.writers import MAX_TOKENS

    return options.max_tokens or MAX_TOKENS


def _served(sagemaker: Any, endpoint: str, component: str) -> dict[str, str | None]:
    """Which model an endpoint serves: by its configuration, or its inference component where it scales to zero."""
    about = sagemaker.describe_endpoint(EndpointName=endpoint)
    model = None
    if component:
        found = sagemaker.describe_inference_component(InferenceComponentName=component)
        model = found["Specification"]["ModelName"]
    return {"configuration": about["EndpointConfigName"], "status": about["EndpointStatus"], "model": model}


def _price(replies: "Sequence[Reply]", region: str, sagemaker: Any, endpoint: str | None, beyond: str = "") -> "Price":
    """The price of tokens, and of the instances of the endpoint if it spoke."""
    from botocore.exceptions import BotoCoreError, ClientError

    from tandem.evaluation.price import price
    from tandem.evaluation.runs import Price

    instances = None
    if endpoint and any(reply.model == endpoint for reply in replies):
        try:
            instances = instances_of(sagemaker, endpoint)
        except (BotoCoreError, ClientError) as error:
            return Price(None, f"the instances of endpoint {endpoint} can't be read: {error}")
    return price(replies, region, instances, beyond)


def instances_of(sagemaker: Any, endpoint: str) -> "Instances":
    """The instances that an endpoint has at this moment."""
    from tandem.evaluation.price import Instances

    about = sagemaker.describe_endpoint(EndpointName=endpoint)
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])["ProductionVariants"]
    kinds = {variant["VariantName"]: variant.get("InstanceType", "serverless") for variant in variants}
    counts: dict[str, int] = {}
    for variant in about.get("ProductionVariants", []):
        kind = kinds.get(variant["VariantName"], "unknown")
        counts[kind] = counts.get(kind, 0) + variant.get("CurrentInstanceCount", 0)
    return Instances(endpoint, counts)


def _documents(s3: Any, bucket: str) -> Mapping[str, str]:
    """The key of each document, and the ETag of its content."""
    return {item["Key"]: item["ETag"] for item in each(s3, "list_objects_v2", "Contents", Bucket=bucket)}


def _client(service: str, region: str, options: Options) -> Any:
    """A client that leaves trying again to what calls it."""
    calls = max(options.concurrency, EMBEDDINGS)
    limits = {"connect_timeout": 5, "read_timeout": options.seconds, "max_pool_connections": calls}
    return aws.client(service, region, retries={"total_max_attempts": 1}, **limits)


KINDS: Mapping[str, Callable[[str, Options], Subject]] = {"bedrock": _bedrock, "endpoint": _endpoint, "stack": _stack}
