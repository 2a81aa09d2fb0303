"""Ids, profiles and ARNs of Bedrock's models: what they name, what is refused of them, and where they are served."""

import re

import botocore.session
import pytest
from tandem_contract import bedrock_models
from tandem_contract.bedrock_models import (
    check_model,
    check_model_place,
    default_generator,
    parse,
    place_remarks,
    remarks,
)
from tandem_contract.checks import Checks
from tandem_contract.embedders import EMBEDDERS
from tandem_contract.rerankers import RERANKERS

from scripts.generators_page import PAGE, page

ACCOUNT = "123456789012"
HERE = f"arn:aws:bedrock:eu-west-1:{ACCOUNT}"
NAMED = {  # text -> kind, what is priced, foundation model
    "amazon.nova-lite-v1:0": ("foundation-model", "amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
    "minimax.minimax-m2.1": ("foundation-model", "minimax.minimax-m2.1", "minimax.minimax-m2.1"),
    "zai.glm-5": ("foundation-model", "zai.glm-5", "zai.glm-5"),
    "newcomer.model-v1": ("foundation-model", "newcomer.model-v1", "newcomer.model-v1"),
    "eu.amazon.nova-lite-v1:0": ("inference-profile", "eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
    "us-gov.anthropic.claude-x": ("inference-profile", "us-gov.anthropic.claude-x", "anthropic.claude-x"),
    "arn:aws:bedrock:eu-west-1::foundation-model/deepseek.v3.2": (
        "foundation-model",
        "deepseek.v3.2",
        "deepseek.v3.2",
    ),
    f"{HERE}:inference-profile/global.anthropic.claude-opus-5": (
        "inference-profile",
        "global.anthropic.claude-opus-5",
        "anthropic.claude-opus-5",
    ),
    f"{HERE}:application-inference-profile/abcd1234efgh": ("application-inference-profile", "", ""),
    f"{HERE}:provisioned-model/abcd1234efgh": ("provisioned-model", "", ""),
    f"{HERE}:imported-model/abcd1234efgh": ("imported-model", "", ""),
    f"{HERE}:custom-model-deployment/abcd1234efgh": ("custom-model-deployment", "", ""),
}
NOT_NAMED = [
    "",
    "nova",
    "Amazon.Nova-Lite-v1:0",
    "us.nova-lite",  # a geography and no model
    "arn:aws:bedrock:eu-west-1::foundation-model/eu.amazon.nova-lite-v1:0",  # a profile is none
    f"{HERE}:foundation-model/amazon.nova-lite-v1:0",  # nor has one an account
    f"{HERE}:inference-profile/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:eu-west-1::application-inference-profile/abcd1234",
    f"{HERE}:prompt-router/abcd",  # what it routes to would have to be allowed too
    f"{HERE}:custom-model/amazon.nova-lite-v1:0/abcd1234efgh",
    "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/x",
]
PATTERN = (
    botocore.session.get_session()
    .get_service_model("bedrock-runtime")
    .operation_model("Converse")
    .input_shape.members["modelId"]
    .metadata["pattern"]
)


@pytest.mark.parametrize("text", NAMED)
def test_each_kind_of_name_is_read_and_is_one_that_converse_takes(text):
    kind, id_, model = NAMED[text]
    found = parse(text)
    assert (found.kind, found.id, found.model) == (kind, id_ or text, model)
    assert bool(found.arn) == text.startswith("arn:")
    assert re.fullmatch(PATTERN, text)
    assert mistakes(text) == []


@pytest.mark.faults
@pytest.mark.parametrize("text", NOT_NAMED)
def test_what_names_no_model_is_refused(text):
    assert parse(text) is None
    assert "is not allowed (a Bedrock model id, inference profile id or ARN). For example" in mistakes(text)[0]


@pytest.mark.faults
def test_a_prefix_that_is_no_geography_is_refused_with_a_near_one():
    assert mistakes("euw.amazon.nova-lite-v1:0") == [
        "generator: 'euw.amazon.nova-lite-v1:0' begins with euw, which is no geography of inference profiles. "
        "Did you mean `eu`?"
    ]
    assert "Begin it with apac, au, ca, eu, global" in mistakes("zz9.anthropic.claude-opus-5")[0]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        (
            "amazon.nova-lite-v1:0",
            "eu-west-1",
            "is not served in eu-west-1. Take eu.amazon.nova-lite-v1:0. If Bedrock has added it since 2026-10-09, "
            "give its ARN.",
        ),
        ("us.amazon.nova-lite-v1:0", "eu-west-1", "Take eu.amazon.nova-lite-v1:0."),
        ("anthropic.claude-opus-5", "us-east-1", "Take us.anthropic.claude-opus-5 or global.anthropic.claude-opus-5."),
        ("amazon.nova-lite-v1:0", "sa-east-1", "Choose another model (docs/generators.md) or region."),
        ("us.anthropic.claude-99", "eu-west-1", "is a profile of us, which isn't asked in eu-west-1. Begin it with eu"),
        (f"{HERE}:imported-model/abc", "us-east-1", "is of eu-west-1, and this is us-east-1. Give one of us-east-1"),
        (
            f"arn:aws:bedrock:eu-west-1:{ACCOUNT}:inference-profile/eu.amazon.nova-lite-v1:0",
            "eu-central-1",
            "is of eu-west-1, and this is eu-central-1",
        ),
        (
            "arn:aws:bedrock:eu-west-1:999999999999:application-inference-profile/abc",
            "eu-west-1",
            f"is of account 999999999999, and this is {ACCOUNT}. Give one of this account.",
        ),
    ],
)
def test_a_model_that_cannot_be_asked_here_is_refused_with_what_can(text, region, expected):
    [mistake] = misplaced(text, region)
    assert expected in mistake


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("amazon.nova-lite-v1:0", "us-east-1"),
        ("eu.amazon.nova-lite-v1:0", "eu-west-1"),
        ("global.anthropic.claude-opus-5", "sa-east-1"),
        ("newcomer.model-v1", "eu-west-1"),  # not known, and told so
        ("eu.anthropic.claude-99", "eu-west-1"),
        ("amazon.nova-lite-v1:0", "xx-new-1"),  # a region that the rows don't have
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", "eu-west-1"),  # added since
        (f"{HERE}:application-inference-profile/abc", "eu-west-1"),
        (f"{HERE}:provisioned-model/abc", ""),  # of a region that isn't known yet
    ],
)
def test_what_may_be_served_is_not_refused(text, region):
    assert misplaced(text, region) == []


@pytest.mark.parametrize("region", sorted(bedrock_models.regions()))
def test_the_default_generator_is_served_in_its_region_or_refused(region):
    """And never sends texts out of the geography."""
    chosen = default_generator(region)
    assert not chosen.startswith("global.")
    served = region in bedrock_models.served()["amazon.nova-lite-v1:0"].get(parse(chosen).geography, ())
    assert bool(misplaced(chosen, region)) == (not served)


def test_the_default_generator_by_region():
    found = {region: default_generator(region) for region in ("us-east-1", "eu-west-1", "eu-north-1", "ca-west-1", "")}
    bare = "amazon.nova-lite-v1:0"
    expected = (bare, f"eu.{bare}", bare, f"ca.{bare}", bare)
    assert found == dict(zip(("us-east-1", "eu-west-1", "eu-north-1", "ca-west-1", ""), expected, strict=True))


def test_embedders_and_rerankers_are_in_the_rows_where_their_own_tables_say():
    rows = bedrock_models.served()
    assert {*EMBEDDERS} <= {*rows}
    assert {model: {*it.regions} for model, it in RERANKERS.items()} == {
        model: {*rows[model][""]} for model in RERANKERS
    }


def test_rows_say_where_they_come_from():
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", bedrock_models.date()) and bedrock_models.source()
    known = bedrock_models.regions()
    for model, served in bedrock_models.served().items():
        assert parse(model).kind == "foundation-model", model
        assert {region for regions in served.values() for region in regions} <= known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("amazon.nova-lite-v1:0", []),
        ("meta.llama3-8b-instruct-v1:0", []),
        (f"{HERE}:application-inference-profile/abc", []),
        ("https://models.example.com/v1#bge", []),
        ("newcomer.model-v1", ["not among the models known here", "Marketplace"]),
        ("eu.anthropic.claude-opus-5", ["form", "Marketplace"]),
        ("cohere.embed-english-v3", ["Marketplace"]),
        ("anthropic.claude-3-haiku-20240307-v1:0", ["last day is 2026-09-10", "form", "Marketplace"]),
    ],
)
def test_what_should_be_known_of_a_model_is_told(text, words):
    told = list(remarks(text))
    assert len(told) == len(words)
    assert all(word in remark for word, remark in zip(words, told, strict=True))


def test_of_a_region_that_was_not_looked_into_that_is_told():
    assert "Which models Bedrock serves in il-central-1 isn't known here" in " ".join(place_remarks("il-central-1"))
    assert not [*place_remarks("us-east-1"), *place_remarks("")]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("partition", "region", "wanted"),
    [
        ("aws-cn", "us-east-1", "arn:aws:"),
        ("aws", "us-gov-west-1", "arn:aws-us-gov:"),
        ("aws", "cn-north-1", "arn:aws-cn:"),
        ("aws", "us-east-1", ""),
        ("aws-us-gov", "us-gov-west-1", ""),
    ],
)
def test_an_arn_of_another_partition(partition, region, wanted):
    said = misplaced(f"arn:{partition}:bedrock:{region}::foundation-model/amazon.nova-lite-v1:0", region)
    assert [wanted in each for each in said] == [True] * bool(wanted)


def test_the_page_of_generators_is_that_of_the_rows():
    assert PAGE.read_text() == page()


def mistakes(text):
    checks = Checks()
    check_model(checks, "generator", text)
    return [str(each) for each in checks.mistakes]


def misplaced(text, region):
    checks = Checks()
    check_model_place(checks, "generator", text, region, ACCOUNT)
    return [str(each) for each in checks.mistakes]
