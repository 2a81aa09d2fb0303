"""What of `RagEnvironment` decides how it runs: who is let in, how much at once, and what is told to its functions."""

import json

import pytest
from pulumi_tandem.configuration import environment
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts.recorder import record_stack

CONFIG = {"tandem:environment": "rag", "tandem:retention": "erase"}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


def test_machine_clients_are_let_in_by_scope():
    pool = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc"
    given = CONFIG | {"tandem:auth": "jwt", "tandem:userPoolArn": pool}
    by_id_token = record_stack(given)
    by_scope = record_stack(given | {"tandem:userPoolScopes": '["handbook/ask", "handbook/admin"]'})
    assert by_id_token.one("Method").inputs.get("authorizationScopes") is None
    assert by_scope.one("Method").inputs["authorizationScopes"] == ["handbook/ask", "handbook/admin"]
    # A deployment is a snapshot: without a new one the former tokens would go on being let in.
    triggers = [each.one("Deployment").inputs["triggers"] for each in (by_id_token, by_scope)]
    assert triggers[0] != triggers[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"userPoolScopes": '["handbook/ask"]'},
            'userPoolScopes: ["handbook/ask"] is not allowed (nothing when auth is iam)',
        ),
        ({"userPoolScopes": '["hand book"]'}, "userPoolScopes[0]: 'hand book' is not allowed (a scope without spaces)"),
    ],
)
def test_scopes_that_cannot_be_used_are_refused(given, said):
    with pytest.raises(InvalidArguments) as caught:
        environment({"environment": "rag"} | given)
    assert said in str(caught.value)


@pytest.mark.parametrize(("minutes", "seconds"), [("5", 300), ("9", 540), ("15", 600), ("1440", 600)])
def test_a_sweep_is_over_before_the_next_begins(minutes, seconds):
    stack = record_stack(CONFIG | {"tandem:sweepMinutes": minutes})
    assert stack.one("aws:lambda/function:Function", "ingestion-sweep").inputs["timeout"] == seconds


def test_markers_of_deletions_go_with_what_they_hide(stack):
    (rule,) = stack.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["expiration"] == {"expiredObjectDeleteMarker": True}


def test_a_score_is_told_to_the_function_only_where_one_is_given(stack):
    """Else it goes by the embedder of the index that it searches."""

    def variables(of):
        return of.one("aws:lambda/function:Function", "query").inputs["environment"]["variables"]

    assert "TANDEM_MIN_SCORE" not in variables(stack)
    assert variables(record_stack(CONFIG | {"tandem:minScore": "0.35"}))["TANDEM_MIN_SCORE"] == "0.35"


def test_the_ingest_function_knows_its_last_attempt(stack):
    work = next(queue for queue in stack.of("aws:sqs/queue:Queue") if "redrivePolicy" in queue.inputs)
    ingest = stack.one("aws:lambda/function:Function", "ingestion-ingest")
    attempts = ingest.inputs["environment"]["variables"]["TANDEM_MAX_RECEIVES"]
    assert int(attempts) == json.loads(work.inputs["redrivePolicy"])["maxReceiveCount"]


def test_what_ensures_an_index_may_have_the_sweep_fill_it(stack):
    statements = json.loads(stack.one("RolePolicy", "rag-index").inputs["policy"])["Statement"]
    assert any("dynamodb:DeleteItem" in statement["Action"] for statement in statements)


def test_how_many_functions_index_at_once_is_a_setting():
    mapping = record_stack(CONFIG | {"tandem:ingestConcurrency": "2"}).one("EventSourceMapping")
    assert mapping.inputs["scalingConfig"]["maximumConcurrency"] == 2
