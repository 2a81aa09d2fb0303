"""Models that can't be used: who deploys hears it, and who asks, each what concerns him."""

import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

from tandem.rag.functions import ensure_index

from .conftest import Stack, ask, context

pytestmark = pytest.mark.usefixtures("environment")
MARKETPLACE = (  # as recorded, see tests/recorded_aws/bedrock-errors.json
    "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace "
    "actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model."
)


def denied(message: str) -> ClientError:
    error = {"Code": "AccessDeniedException", "Message": message}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "InvokeModel")


@pytest.mark.faults
def test_an_embedder_that_the_account_may_not_use_fails_the_deployment_and_makes_no_index(stack: Stack):
    """Else the first document would find it, after ten tries and without a word. A new role is waited for."""
    stack.dynamodb.items.clear()
    payload = {"endpoint": "https://search", "service": "aoss", "base": "docs", "dimensions": 256}
    payload |= {"embedder": "amazon.titan-embed-text-v2:0", "chunk_tokens": 200, "chunk_overlap": 40}
    unknown = "User: role/index is not authorized to perform: bedrock:InvokeModel on resource: titan"
    stack.bedrock.faults = [denied(unknown)] * 2
    assert ensure_index.handler(payload, context())["created"]
    assert stack.bedrock.embedded == ["length"]
    stack.opensearch.__init__()
    stack.bedrock.faults = [denied(MARKETPLACE)]
    with pytest.raises(TandemError, match="call it once as someone who may"):
        ensure_index.handler(payload, context())
    assert stack.opensearch.requests == [] and stack.bedrock.faults == []


@pytest.mark.faults
def test_callers_are_told_why_the_model_cannot_write_and_the_log_the_rest(answering: Stack, capsys):
    answering.bedrock.faults = [denied(MARKETPLACE)]
    status, _, content = ask({"question": "green tea"})
    assert (status, answering.bedrock.faults) == (500, [])
    assert content["error"].startswith("The model has to be subscribed to")
    assert "aws-marketplace:Subscribe" in capsys.readouterr().out
    ended = {"output": {"message": {"content": []}}, "stopReason": "guardrail_intervened"}
    answering.bedrock.converse = lambda **request: ended
    status, _, content = ask({"question": "green tea"})
    assert (status, content["error"]) == (500, "The model that writes gave no text: it was filtered")
