"""The generator of a RAG environment: its default by region, what is refused of it, and who may invoke it."""

import json

import pytest
from pulumi_tandem import HybridEnvironment, RagEnvironment
from pulumi_tandem.configuration import environment
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts.recorder import ACCOUNT, record

NOVA = "amazon.nova-lite-v1:0"
REGION = "aws:index/getRegion:getRegion"
OWN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:"
EVERY = "arn:aws:bedrock:*::foundation-model/"


def made(given, region="us-east-1"):
    return record(lambda: RagEnvironment("rag", given), answers={REGION: {"region": region}})


def invoking(stack):
    """The statements by which the query function may invoke models, but for those of the embedders."""
    statements = json.loads(stack.one("RolePolicy", "query").inputs["policy"])["Statement"]
    found = [each for each in statements if "bedrock:InvokeModel" in each["Action"]]
    for each in found:
        resources = each["Resource"] if isinstance(each["Resource"], list) else [each["Resource"]]
        each["Resource"] = [arn for arn in resources if "embed" not in arn]
    return found


@pytest.mark.parametrize(("region", "expected"), [("us-east-1", NOVA), ("eu-west-1", f"eu.{NOVA}")])
def test_the_default_is_what_bedrock_serves_in_the_region(region, expected):
    stack = made({}, region)
    function = stack.one("aws:lambda/function:Function", "query")
    assert function.inputs["environment"]["variables"]["TANDEM_GENERATOR"] == expected
    assert json.loads(stack.one("Parameter").inputs["insecureValue"])["generator"] == expected
    assert len(invoking(stack)) == (1 if expected == NOVA else 2)


@pytest.mark.parametrize(
    ("generator", "arn", "through", "priced"),
    [
        (NOVA, f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}", None, NOVA),
        (f"us.{NOVA}", f"{OWN}inference-profile/us.{NOVA}", NOVA, f"us.{NOVA}"),
        (f"{OWN}inference-profile/us.{NOVA}", f"{OWN}inference-profile/us.{NOVA}", NOVA, f"us.{NOVA}"),
        (f"{OWN}application-inference-profile/abc", f"{OWN}application-inference-profile/abc", "*", None),
        (f"{OWN}provisioned-model/abc", f"{OWN}provisioned-model/abc", None, None),
        (f"{OWN}imported-model/abc", f"{OWN}imported-model/abc", None, None),
        (f"{OWN}custom-model-deployment/abc", f"{OWN}custom-model-deployment/abc", None, None),
    ],
)
def test_each_kind_may_be_invoked_with_all_that_aws_demands_and_no_more(generator, arn, through, priced):
    """Of a profile also its models, in each region that it sends to, and through this profile alone."""
    stack = made({"generator": generator})
    own, *others = invoking(stack)
    assert (own["Resource"], own.get("Condition")) == ([arn], None)
    condition = {"StringEquals": {"bedrock:InferenceProfileArn": arn}}
    expected = (
        [{"Effect": "Allow", "Action": ["bedrock:InvokeModel"], "Resource": [EVERY + through]}] if through else []
    )
    assert others == [each | {"Condition": condition} for each in expected]
    assert json.loads(stack.one("Parameter").inputs["insecureValue"])["generator"] == (priced or generator)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("generator", "expected"),
    [
        ("nova", "generator: 'nova' is not allowed (a Bedrock model id, inference profile id or ARN). For example"),
        ("amazon.titan-embed-text-v2:0", "generator: 'amazon.titan-embed-text-v2:0' writes no texts. Choose one of"),
        (f"euw.{NOVA}", "begins with euw, which is no geography of inference profiles. Did you mean `eu`?"),
        (f"eu.{NOVA}", f"is not served in us-east-1. Take {NOVA} or us.{NOVA}."),
        (f"{OWN.replace('us-east-1', 'eu-west-1')}imported-model/abc", "is of eu-west-1, and this is us-east-1."),
    ],
)
def test_a_generator_that_cannot_be_asked_is_refused_with_all_other_mistakes(generator, expected):
    """In a stack's configuration and in programs, where the region is the provider's, also in a part of another."""
    texts = []
    with pytest.raises(InvalidArguments) as caught:
        environment({"environment": "rag", "generator": generator, "dimensions": "7"}, {"region": "us-east-1"})
    texts.append(str(caught.value))
    given = {"generator": generator, "dimensions": 7}
    for program in (lambda: RagEnvironment("rag", given), lambda: HybridEnvironment("both", {"rag": given})):
        recording = record(lambda program=program: texts.append(refused(program)))
        assert recording.resources == []
    assert [expected in text and "dimensions: 7 is" in text for text in texts] == [True] * 3
    assert "rag.generator: " in texts[-1]


@pytest.mark.faults
def test_a_profile_of_another_account_is_refused():
    other = f"{OWN.replace(ACCOUNT, '999999999999')}application-inference-profile/abc"
    texts = []
    record(lambda: texts.append(refused(lambda: RagEnvironment("rag", {"generator": other}))))
    assert f"is of account 999999999999, and this is {ACCOUNT}" in texts[0]


def refused(program):
    with pytest.raises(InvalidArguments) as caught:
        program()
    return str(caught.value)


@pytest.mark.faults
def test_an_embedder_that_the_region_lacks_is_refused():
    texts = []
    record(lambda: texts.append(refused(lambda: RagEnvironment("rag", {}))), answers={REGION: {"region": "af-south-1"}})
    assert "embedder: 'amazon.titan-embed-text-v2:0' is not served in af-south-1" in texts[0]
    assert "generator: 'amazon.nova-lite-v1:0' is not served in af-south-1" in texts[0]


def test_who_deploys_is_told_what_the_model_needs(monkeypatch):
    said = []
    monkeypatch.setattr("pulumi.log.warn", lambda text, resource=None: said.append(text))
    made({})
    assert said == []
    made({"generator": "us.anthropic.claude-opus-5", "embedder": "cohere.embed-english-v3", "dimensions": 1024})
    assert [text.split()[0] for text in said] == ["cohere.embed-english-v3"] + ["us.anthropic.claude-opus-5"] * 2


def test_what_ensures_the_index_may_ask_the_embedder_and_no_other_model():
    stack = made({})
    statements = json.loads(stack.one("RolePolicy", "index").inputs["policy"])["Statement"]
    [asking] = [each for each in statements if "bedrock:InvokeModel" in each["Action"]]
    assert asking["Resource"] == ["arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0"]
