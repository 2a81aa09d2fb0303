"""The components as a plugin: its schema is the public interface that reviewers see change."""

import json
import re
import tomllib

import pytest

from scripts import schema
from scripts.recorder import ROOT

SCHEMA = json.loads(schema.SCHEMA.read_text())


@pytest.mark.parametrize(
    ("file", "made"),
    [(schema.ARGUMENTS, schema.arguments), (schema.PROJECT, schema.project), (schema.SCHEMA, schema.schema)],
)
def test_what_is_made_from_the_declarations_is_the_committed_one(file, made):
    """After a deliberate change: `make schema`."""
    assert made() == file.read_text()


REQUIRED = {
    "ServerlessVectorStore": {"ledgerTable"},
    "DomainVectorStore": {"ledgerTable"},
    "IngestionPipeline": {"documentsBucket", "ledgerTable", "storeName", "storeArn"},
    "QueryApi": {"ledgerTable", "storeName", "storeArn"},
}


@pytest.mark.parametrize("name", [token.rpartition(":")[2] for token in SCHEMA["resources"]])
def test_everything_public_is_described_and_only_what_nothing_else_follows_from_is_required(name):
    component = SCHEMA["resources"][f"tandem:index:{name}"]
    for properties in (component["inputProperties"], component["properties"]):
        assert properties and all(property.get("description") for property in properties.values())
    assert {*component.get("requiredInputs", ())} == REQUIRED.get(name, set())
    assert not [key for key in REQUIRED.get(name, ()) if component["inputProperties"][key].get("plain")]


def test_the_parts_are_there_with_what_the_next_one_takes():
    outputs = {token.rpartition(":")[2]: {*each["properties"]} for token, each in SCHEMA["resources"].items()}
    for store in ("ServerlessVectorStore", "DomainVectorStore"):
        assert outputs[store] == {"storeName", "storeArn", "storeIndices", "endpoint", "indexName"}
    assert outputs["DataBucket"] >= {"bucketName"} and outputs["Ledger"] >= {"tableName"}
    assert outputs["QueryApi"] == {"queryUrl", "invokeArn", "apiName"}


def test_what_the_hybrid_takes_is_what_its_parts_take():
    for key, part in (("rag", "RagEnvironment"), ("finetuning", "FineTuningEnvironment")):
        reference = SCHEMA["resources"]["tandem:index:HybridEnvironment"]["inputProperties"][key]["$ref"]
        inputs = SCHEMA["resources"][f"tandem:index:{part}"]["inputProperties"]
        assert set(SCHEMA["types"][reference.rpartition("/")[2]]["properties"]) == set(inputs)


def of_everything(part=SCHEMA, name=""):
    """Each part of the schema that has a description, by its name."""
    if isinstance(part, dict):
        if "description" in part:
            yield name, part
        for key, each in part.items():
            yield from of_everything(each, key)
    elif isinstance(part, list):
        for each in part:
            yield from of_everything(each, name)


def test_texts_are_those_of_other_languages():
    """Docstrings are indented, which is a block of code in Markdown, and have Python's names."""
    for name, part in of_everything():
        text = part["description"]
        assert not re.search(r"^[ \t]|InvalidArguments", text, re.MULTILINE), name
        assert not set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)) - {"api_key"}, (name, text)
    assert "at once" in SCHEMA["resources"]["tandem:index:RagEnvironment"]["description"]


def test_names_are_such_that_sdks_read_well():
    for token, kind in SCHEMA["types"].items():
        # Generators add it to each type that is given, and a component's own arguments have it.
        assert not token.endswith("Args")
        for member in kind.get("enum", ()):
            assert re.fullmatch("[A-Z][a-z]+", member["name"])
    resources = {token.rpartition(":")[2] for token in SCHEMA["resources"]}
    types = {token.rpartition(":")[2] for token in SCHEMA["types"]}
    assert not types & ({*resources} | {f"{each}Args" for each in resources})


@pytest.mark.parametrize(
    ("kind", "key", "default"),
    [
        ("RagEnvironment", "chunkTokens", 200),
        ("RagEnvironment", "store", "serverless"),
        ("RagEnvironment", "tags", None),
        ("RagSettings", "minScore", None),
        ("GpuClusterSettings", "endpointPublic", True),
        ("FineTuningEnvironment", "maxTrainingHours", 4.0),
        ("FineTuningEnvironment", "model", None),
    ],
)
def test_defaults_are_told(kind, key, default):
    every = {**SCHEMA["types"], **SCHEMA["resources"]}[f"tandem:index:{kind}"]
    properties = every.get("inputProperties") or every["properties"]
    assert properties[key].get("default") == default


def test_what_only_passes_through_may_be_an_output():
    def plain(content):
        return content.get("plain", False)

    inputs = SCHEMA["resources"]["tandem:index:RagEnvironment"]["inputProperties"]
    assert plain(inputs["tags"]) and not plain(inputs["tags"]["additionalProperties"])
    assert plain(inputs["userPoolScopes"]) and not plain(inputs["userPoolScopes"]["items"])
    inputs |= SCHEMA["resources"]["tandem:index:FineTuningEnvironment"]["inputProperties"]
    inputs |= SCHEMA["types"]["tandem:index:GpuNodeGroup"]["properties"]
    passing = {"alarmTopicArn", "userPoolArn", "embedderSecretArn", "endpointName", "inferenceComponent"}
    brought = {"existingDocumentsBucket", "existingDatasetBucket", "existingCollection", "existingDomain", "kmsKeyArn"}
    assert {key for key, each in inputs.items() if not plain(each)} == passing | brought | {
        "hubTokenSecret",
        "reservation",
    }
    for decided in ("model", "alertEmail", "generator", "tracking"):
        assert "No output: it is read before anything is made." in " ".join(inputs[decided]["description"].split())


def test_the_package_is_described_as_the_distribution_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = {key: SCHEMA[key] for key in ("description", "license", "repository", "publisher")}
    assert told == {
        "description": project["description"],
        "license": project["license"],
        "repository": project["urls"]["Repository"],
        "publisher": project["authors"][0]["name"],
    }
    assert SCHEMA["language"]["nodejs"]["packageDescription"] == project["description"]  # that of package.json
    assert {"kind/component", *project["keywords"]} <= {*SCHEMA["keywords"]}
    assert SCHEMA["namespace"] not in ("", "pulumi")  # without one SDKs are called as Pulumi's own


def test_what_goes_says_so_where_sdks_show_it():
    outputs = SCHEMA["resources"]["tandem:index:RagEnvironment"]["properties"]
    assert {name: each for name, each in outputs.items() if "deprecationMessage" in each} == {
        "collectionEndpoint": {
            "description": "The former name of `storeEndpoint`.",
            "type": "string",
            "deprecationMessage": "Use `storeEndpoint`, this one goes with the next release.",
        }
    }
    # SDKs write "Deprecated" before the message, and the message below the description.
    assert not re.search("(?i)deprecated", json.dumps(SCHEMA).replace("deprecationMessage", ""))
