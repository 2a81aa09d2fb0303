"""Mistakes in arguments are told the same from YAML, and so from every other language, as from Python."""

import re

import pulumi
import pulumi_tandem
import pytest
import yaml
from pulumi.runtime.rpc import UNKNOWN
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.plugin import Plugin
from pulumi_tandem.spelling import spelled
from tandem_contract import __version__
from tandem_contract.errors import SHOWN

from scripts.recorder import record
from tests.support.hosted_plugin import hosted_plugin

pytestmark = pytest.mark.faults
RAG, TUNING, HYBRID = "RagEnvironment", "FineTuningEnvironment", "HybridEnvironment"
PIPELINE = "IngestionPipeline"
CASES = [
    (RAG, "chunkTokens: 10", {"chunk_tokens": 10}),
    (RAG, "embeder: none", {"embeder": "none"}),
    (RAG, "dimensions: 500", {"dimensions": 500}),
    (RAG, "minScore: 1.5", {"min_score": 1.5}),
    (RAG, "storeInstances: 2", {"store_instances": 2}),
    (RAG, "auth: jwt", {"auth": "jwt"}),
    (RAG, "alarmTopicArn: alarms", {"alarm_topic_arn": "alarms"}),
    (RAG, "tags: {cost_center: 7}", {"tags": {"cost_center": 7}}),
    (RAG, "generator: eu.amazon.nova-lite-v1:0", {"generator": "eu.amazon.nova-lite-v1:0"}),
    (RAG, "retention: erased", {"retention": "erased"}),
    (TUNING, "clusterTraining: {readyMinutes: 15}", {"cluster_training": {"ready_minutes": 15}}),
    (TUNING, "endpointMode: true", {"endpoint_mode": True}),
    (PIPELINE, "{sweepMinutes: 1, storeName: Acme}", {"sweep_minutes": 1, "store_name": "Acme"}),
    (
        HYBRID,
        "{rag: {chunkTokens: 100, chunkOverlap: 60}, finetuning: {maxTrainingHours: 200}, dashboard: 1}",
        {"rag": {"chunk_tokens": 100, "chunk_overlap": 60}, "finetuning": {"max_training_hours": 200}, "dashboard": 1},
    ),
    (
        TUNING,
        "{trainingBackend: eks, trainingInstance: g6e.2xlarge, cluster: {nodeGroups: [{name: l40s, desired: 3}]}}",
        {
            "training_backend": "eks",
            "training_instance": "g6e.2xlarge",
            "cluster": {"node_groups": [{"name": "l40s", "desired": 3}]},
        },
    ),
]


@pytest.fixture(scope="module")
def plugin():
    with hosted_plugin() as hosted:
        yield hosted


def in_python(kind, arguments, name="handbook"):
    with pytest.raises(InvalidArguments) as refused:
        record(lambda: getattr(pulumi_tandem, kind)(name, arguments))
    return refused.value


@pytest.mark.parametrize(("kind", "text", "arguments"), CASES, ids=[text for _, text, _ in CASES])
def test_the_same_is_said_in_yaml_and_in_python_of_every_mistake(plugin, kind, text, arguments):
    told = plugin.refusal(kind, yaml.safe_load(text))
    expected = in_python(kind, arguments)
    assert told.message == str(expected).partition("\n")[0]
    sentences = [f"{path}: {reason}" for path, reason in told.mistakes]
    assert sentences == [spelled(str(each)) for each in expected.mistakes]
    assert not set(re.findall(r"[a-z]+_[a-z_]+", " ".join(sentences))) - {"cost_center"}


def test_a_mistake_names_the_property_as_it_is_written_and_whole_numbers_as_such(plugin):
    told = plugin.refusal(RAG, yaml.safe_load("{chunkTokens: 10, chunkToken: 1, store: serverless}"))
    assert told.message == "RagEnvironment 'handbook' has 2 mistakes:"
    assert told.mistakes == [
        ("chunkToken", f"is not an argument of Tandem {__version__}. Did you mean `chunkTokens`?"),
        (
            "chunkTokens",
            "10 is not allowed (a whole number of tokens from 50 to 2000). 200 suits most embedders.",
        ),
    ]


def test_what_is_not_known_yet_is_an_output_however_it_is_sent(plugin):
    """SDKs may send a sign for it alone, which is no output of Python's."""
    given = {"roles": {"permissionsBoundary": UNKNOWN}, "existingDocumentsBucket": UNKNOWN, "tags": {"team": UNKNOWN}}
    refused = plugin.refusal(RAG, {**given, "storeReaders": UNKNOWN, "generator": UNKNOWN})
    assert dict(refused.mistakes) == {
        "storeReaders": "is an output: how many it has isn't known before it is there. Write a list of outputs, which "
        "are its elements: [storeReaders[0], storeReaders[1]].",
        "generator": "is an output, which isn't known before it is there. Write the value itself: it is read before "
        "anything is made.",
    }


def test_the_name_of_the_component_is_checked_too(plugin):
    told = plugin.refusal(RAG, {}, name="Hand_Book")
    assert [f"{path}: {reason}" for path, reason in told.mistakes] == [
        str(each) for each in in_python(RAG, {}, "Hand_Book").mistakes
    ]


def test_of_very_many_mistakes_as_many_are_told_as_in_python(plugin):
    tags = {f"aws:{number}": "x" for number in range(SHOWN + 5)}
    told = plugin.refusal(RAG, {"tags": tags})
    assert told.message == f"RagEnvironment 'handbook' has {SHOWN + 6} mistakes:"  # one is that there are so many
    assert len(told.mistakes) == SHOWN


def test_what_else_we_say_of_a_component_needs_no_traceback():
    """For example that its functions' packages can't be fetched."""

    def unmade(*_):
        raise pulumi.RunError("No index can be reached.")

    hosted = Plugin()
    hosted._components = {RAG: unmade}
    with pytest.raises(pulumi.InputPropertiesError, match="No index can be reached"):
        hosted.construct("handbook", f"tandem:index:{RAG}", {}, None)
