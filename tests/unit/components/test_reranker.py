"""The reranker of a RAG environment: who may invoke it, and where it isn't."""

import json

import pulumi
import pulumi_aws as aws
import pytest
from pulumi_tandem import HybridEnvironment, RagEnvironment
from pulumi_tandem.configuration import environment
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts import recorder
from scripts.recorder import record, record_stack

CONFIG = {"tandem:environment": "rag"}
COHERE, AMAZON = "cohere.rerank-v3-5:0", "amazon.rerank-v1:0"


def test_a_reranker_may_be_invoked_by_who_answers_alone_and_is_in_the_usage():
    given = record_stack(CONFIG | {"tandem:reranker": COHERE})
    model = f"arn:aws:bedrock:us-east-1::foundation-model/{COHERE}"
    policies = {policy.name: policy.inputs["policy"] for policy in given.of("RolePolicy")}
    assert [name for name, text in policies.items() if "rerank" in text] == ["rag-query-permissions"]
    statements = json.loads(policies["rag-query-permissions"])["Statement"]
    assert {"Effect": "Allow", "Action": ["bedrock:InvokeModel"], "Resource": [model]} in statements
    function = given.one("aws:lambda/function:Function", "query")
    assert function.inputs["environment"]["variables"]["TANDEM_RERANKER"] == COHERE
    assert json.loads(given.one("Parameter").inputs["insecureValue"])["reranker"] == COHERE
    assert not [each.name for each in record_stack(CONFIG).resources if "rerank" in json.dumps(each.inputs).lower()]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("reranker", "expected"),
    [
        ("bert", "reranker: 'bert' is not allowed (cohere.rerank-v3-5:0, amazon.rerank-v1:0). Choose cohere"),
        (
            AMAZON,
            "reranker: 'amazon.rerank-v1:0' is not in us-east-1, but in us-west-2, ca-central-1, eu-central-1, "
            "ap-northeast-1. Remove it, choose cohere.rerank-v3-5:0, or deploy to one of these regions.",
        ),
    ],
)
def test_a_reranker_that_is_not_there_is_refused_with_all_other_mistakes(reranker, expected):
    """In a stack's configuration and in programs, where the region is the provider's, also in a part of another."""
    mistakes = []
    with pytest.raises(InvalidArguments) as caught:
        environment({"environment": "rag", "reranker": reranker, "dimensions": "7"}, {"region": "us-east-1"})
    mistakes.append(str(caught.value))
    given = {"reranker": reranker, "dimensions": 7}
    for program in (lambda: RagEnvironment("rag", given), lambda: HybridEnvironment("both", {"rag": given})):
        recording = record(lambda program=program: refused(program, mistakes))
        assert recording.resources == []
    assert [expected in text and "dimensions: 7 is" in text for text in mistakes] == [True] * 3
    assert "rag.reranker: " in mistakes[-1]


def refused(program, mistakes):
    with pytest.raises(InvalidArguments) as caught:
        program()
    mistakes.append(str(caught.value))


@pytest.mark.parametrize("own", ["provider", "providers", "parent"])
def test_the_region_of_a_reranker_is_that_of_the_provider_that_makes_it(own, monkeypatch):
    def call(self, args):
        return answer(self, args) | ({"region": "eu-central-1"} if "elsewhere" in args.provider else {})

    def program():
        elsewhere = aws.Provider("elsewhere", region="eu-central-1")
        parent = pulumi.ComponentResource("a:b:C", "c", opts=pulumi.ResourceOptions(providers=[elsewhere]))
        options = {"provider": elsewhere, "providers": {"aws": elsewhere}, "parent": parent}
        RagEnvironment("rag", {"reranker": AMAZON}, pulumi.ResourceOptions(**{own: options[own]}))

    answer = recorder.Answers.call
    monkeypatch.setattr(recorder.Answers, "call", call)
    function = record(program).one("aws:lambda/function:Function", "query")
    assert function.inputs["environment"]["variables"]["TANDEM_RERANKER"] == AMAZON
