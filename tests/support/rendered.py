"""Stacks that together have every kind of role, statement, state machine and setting, as they are registered."""

import functools

from scripts.recorder import Recording, record_stack

MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/3"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:embedder-AbCdEf"
ALARMS = "arn:aws:sns:us-east-1:123456789012:alarms"
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a"
RAG = {"tandem:environment": "rag", "tandem:retention": "erase"}
OWN = {"tandem:embedder": "https://models.example/v1#tuned", "tandem:dimensions": "384"}
TUNING = {"tandem:environment": "finetuning", "tandem:retention": "erase"}
SERVING = {"tandem:model": MODEL, "tandem:alarmTopicArn": ALARMS}
HOUSE = {
    "tandem:kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0b1c2d3e-0000-4000-8000-000000000001",
    "tandem:roles": '{"permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary", "path": "/acme/"}',
    "tandem:logDays": "90",
}
STACKS = {
    "rag": RAG | OWN | {"tandem:embedderSecretArn": SECRET, "tandem:reranker": "cohere.rerank-v3-5:0"},
    "domain": RAG
    | {"tandem:store": "domain", "tandem:storeInstances": "2", "tandem:generator": "us.amazon.nova-lite-v1:0"}
    | {"tandem:auth": "jwt", "tandem:userPoolArn": POOL},
    "hybrid": TUNING | SERVING | {"tandem:environment": "hybrid"},
    "zero": TUNING | SERVING | {"tandem:endpointMode": "zero", "tandem:tracking": "server"},
    "eks": TUNING | {"tandem:trainingBackend": "eks", "tandem:cluster": '{"endpointPublic": false}'},
    "brought": RAG
    | HOUSE
    | {"tandem:existingDocumentsBucket": "acme-handbook", "tandem:existingCollection": "acme-vectors"}
    | {"tandem:storeReaders": '["arn:aws:iam::123456789012:role/notebooks"]', "tandem:embedderSecretArn": SECRET}
    | OWN,
    "brought domain": RAG | {"tandem:store": "domain", "tandem:existingDomain": "acme-search"},
    "keyed": TUNING | SERVING | HOUSE | {"tandem:tracking": "server", "tandem:existingDatasetBucket": "acme-data"},
    "keyed eks": TUNING | HOUSE | {"tandem:trainingBackend": "eks"},
}


@functools.cache
def stack(name: str) -> Recording:
    """One of them; recorded once a process."""
    return record_stack(STACKS[name])


def stacks() -> dict[str, Recording]:
    """All of them by name."""
    return {name: stack(name) for name in STACKS}


def definitions() -> list[str]:
    """Their state machines' definitions."""
    return [each.inputs["definition"] for found in stacks().values() for each in found.of("StateMachine")]
