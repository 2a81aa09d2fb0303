"""Models of Bedrock by id, inference profile or ARN: reading them, and where each is served, as rows.

amazon.nova-lite-v1:0                                     a foundation model, served on demand in some regions
eu.amazon.nova-lite-v1:0                                  a system profile, which sends to any region of a geography
arn:aws:bedrock:REGION::foundation-model/ID               and inference-profile/ID: the same, whatever the rows say
arn:aws:bedrock:REGION:ACCOUNT:application-inference-profile/ID
                                                          and provisioned-model, imported-model,
                                                          custom-model-deployment: an account's own
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .arns import check_arn_place
from .checks import Checks, near, shown
from .defaults import GENERATOR

MODEL, PROFILE, APPLICATION = "foundation-model", "inference-profile", "application-inference-profile"
OWN = ("provisioned-model", "imported-model", "custom-model-deployment")
"""Kinds of an account's own models, that are invoked by themselves."""
GLOBAL = "global"
EXAMPLES = (
    "For example amazon.nova-lite-v1:0, eu.amazon.nova-lite-v1:0, or the ARN of an application inference profile."
)
ALLOWED = "a Bedrock model id, inference profile id or ARN"

_ID = re.compile(r"(?P<provider>[a-z0-9][a-z0-9-]*)\.(?P<rest>[a-z0-9][a-z0-9.:-]*)")
_ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z-]+)?):bedrock:(?P<region>[a-z0-9-]+):(?P<account>\d{12})?:"
    r"(?P<kind>[a-z-]+)/(?P<name>[A-Za-z0-9.:-]+)"
)


class ModelId(NamedTuple):
    """What a model is named by."""

    kind: str
    """As in ARNs."""
    id: str
    """What is priced: the id of a foundation model or system profile, also of one given by ARN, else the ARN."""
    model: str
    """The foundation model; empty if the name doesn't say."""
    geography: str
    """What a system profile's id begins with; else empty."""
    arn: str
    """Empty if it was given by id."""
    partition: str
    region: str
    account: str
    """These of the ARN; else empty."""


class Ending(NamedTuple):
    """When a legacy model ends, and who says so."""

    date: str
    source: str


_LIFECYCLE = "user guide, model-lifecycle.html, as quoted in public on 2026-06-16"
LEGACY = {
    "amazon.nova-premier-v1:0": Ending("2026-09-14", _LIFECYCLE),
    "anthropic.claude-3-sonnet-20240229-v1:0": Ending("2026-07-30", _LIFECYCLE),
    "anthropic.claude-3-haiku-20240307-v1:0": Ending("2026-09-10", "its model card: in most regions"),
    "anthropic.claude-3-5-haiku-20241022-v1:0": Ending("2026-06-19", "its model card"),
    "anthropic.claude-3-7-sonnet-20250219-v1:0": Ending("2026-04-28", "awslabs/startups#10, of 2026-05-17"),
    "anthropic.claude-sonnet-4-20250514-v1:0": Ending("2026-10-14", _LIFECYCLE),
}
"""Models that new customers can't use, and others lose after 15 days without use (recorded in
aws-samples/amazon-bedrock-workshop#386). Dates differ by region; a model that isn't here may be legacy as well."""
NO_MARKETPLACE = ("amazon", "deepseek", "mistral", "meta", "qwen", "openai")
"""Providers whose models need no subscription (user guide, model-access.html, read in November 2026)."""
FORM = ("anthropic",)
"""Those whose models need a form about the use case, once an account or organization (same page)."""


@functools.cache
def served() -> dict[str, dict[str, tuple[str, ...]]]:
    """Model -> geography of a profile, empty for the bare id on demand -> regions that it can be asked in."""
    return {
        model: {geography: tuple(regions.split()) for geography, regions in places.items()}
        for model, places in _content()["models"].items()
    }


@functools.cache
def _content() -> dict[str, Any]:
    return json.loads(Path(__file__).with_suffix(".json").read_text())


def source() -> str:
    """Where the rows of `served` come from."""
    return _content()["source"]


def date() -> str:
    """The day that they are of."""
    return _content()["date"]


@functools.cache
def regions() -> frozenset[str]:
    """The regions that were looked into; of others nothing is known."""
    return frozenset(_content()["regions"].split())


@functools.cache
def geographies() -> dict[str, frozenset[str]]:
    """What the ids of system profiles begin with -> the regions that such a profile can be asked in."""
    found: dict[str, set[str]] = {}
    for places in served().values():
        for geography, there in places.items():
            found.setdefault(geography, set()).update(there)
    return {geography: frozenset(there) for geography, there in found.items() if geography}


def parse(text: str) -> ModelId | None:
    """What a text names; None if nothing of Bedrock's is named so."""
    if match := _ARN.fullmatch(text):
        kind, name, account = match["kind"], match["name"], match["account"] or ""
        place = (text, match["partition"], match["region"], account)
        if kind in (APPLICATION, *OWN) and account:
            return ModelId(kind, text, "", "", *place)
        inner = _parse_id(name, place)
        return inner if inner and inner.kind == kind and bool(account) == (kind == PROFILE) else None
    return _parse_id(text, ("", "", "", ""))


def _parse_id(text: str, place: tuple[str, str, str, str]) -> ModelId | None:
    match = _ID.fullmatch(text)
    if not match:
        return None
    if match["provider"] not in geographies():
        return ModelId(MODEL, text, text, "", *place)
    if not _ID.fullmatch(match["rest"]):
        return None
    return ModelId(PROFILE, text, match["rest"], match["provider"], *place)


def served_ids(model: str, region: str) -> list[str]:
    """The ids by which a model is served in a region: the bare one, its geographies' profiles, the global one."""
    here = [geography for geography, there in served().get(model, {}).items() if region in there]
    return [f"{each}.{model}" if each else model for each in sorted(here, key=lambda each: (each == GLOBAL, each))]


def default_generator(region: str) -> str:
    """The generator of who names none: Nova Lite by its bare id where that is served on demand, else by the profile of
    the region's geography. Never the global one, which nobody asked for."""
    return next((each for each in served_ids(GENERATOR, region) if not each.startswith(f"{GLOBAL}.")), GENERATOR)


def check_model(checks: Checks, key: str, text: str) -> None:
    """Checks that a text names a model, as far as the text alone can tell."""
    found = parse(text)
    if not found:
        checks.refuse(key, text, ALLOWED, EXAMPLES)
        return
    first, _, second = found.model.partition(".")
    providers = {model.partition(".")[0] for model in served()}
    if found.kind == MODEL and first not in providers and second.partition(".")[0] in providers:
        known = sorted(geographies())
        remedy = near(first, known) or f"Begin it with {', '.join(known[:-1])} or {known[-1]}, or with the provider."
        checks.add(key, f"{shown(text)} begins with {first}, which is no geography of inference profiles", remedy)


def check_model_place(checks: Checks, key: str, text: str, region: str, account: str = "") -> None:
    """Checks that a model can be asked in a region, and by an account; an empty one isn't known, nor checked.

    A model or a region that the rows don't have is not refused, nor is an id that is given as the ARN.
    """
    found = parse(text)
    if not found:
        return
    if found.arn:
        check_arn_place(checks, key, found.arn, region, account)
    if found.arn or region not in regions():
        return
    here = served_ids(found.model, region)
    if found.model in served() and found.id not in here:
        take = f"Take {' or '.join(here)}" if here else "Choose another model (docs/generators.md) or region"
        remedy = f"{take}. If Bedrock has added it since {date()}, give its ARN."
        checks.add(key, f"{shown(text)} is not served in {region}", remedy)
    elif found.geography and region not in geographies()[found.geography]:
        fitting = [geography for geography, there in geographies().items() if region in there]
        remedy = f"Begin it with {' or '.join(fitting)}." if fitting else "Choose a model that is served on demand."
        checks.add(key, f"{shown(text)} is a profile of {found.geography}, which isn't asked in {region}", remedy)


def place_remarks(region: str) -> Iterator[str]:
    """What someone who deploys to this region should know of the models there: sentences."""
    if region and region not in regions():
        yield f"Which models Bedrock serves in {region} isn't known here ({source()}, {date()}): that wasn't checked."


def remarks(text: str) -> Iterator[str]:
    """What someone who chose this model should know before it is deployed: sentences."""
    found = parse(text)
    if not found or not found.model:
        return
    if found.model in LEGACY:
        ending = LEGACY[found.model]
        yield f"{text} is a legacy model, whose last day is {ending.date} ({ending.source}): take another."
    if found.model not in served():
        yield f"{text} is not among the models known here: where it is served and what it takes wasn't checked."
    provider = found.model.partition(".")[0]
    if provider in FORM:
        yield f"{text} needs Anthropic's form about the use case, once an account (docs/first-stack.md, Models)."
    if provider not in NO_MARKETPLACE:
        yield (
            f"{text} is sold through AWS Marketplace: call it once as someone who may subscribe, before the functions "
            "do, whose roles may not (docs/first-stack.md, Models)."
        )
