"""The components as a plugin: its schema is the public interface that reviewers see change."""

import json

import pytest

from scripts import schema

SCHEMA = json.loads(schema.SCHEMA.read_text())


@pytest.mark.parametrize(
    ("file", "made"),
    [(schema.ARGUMENTS, schema.arguments), (schema.PROJECT, schema.project), (schema.SCHEMA, schema.schema)],
)
def test_what_is_made_from_the_declarations_is_the_committed_one(file, made):
    """After a deliberate change: `make schema`."""
    assert made() == file.read_text()


@pytest.mark.parametrize("name", ["RagEnvironment", "FineTuningEnvironment", "HybridEnvironment"])
def test_everything_public_is_described(name):
    environment = SCHEMA["resources"][f"tandem:index:{name}"]
    for properties in (environment["inputProperties"], environment["properties"]):
        assert properties and all(property.get("description") for property in properties.values())
    assert not environment.get("requiredInputs")


def test_what_the_hybrid_takes_is_what_its_parts_take():
    for key, part in (("rag", "RagEnvironment"), ("finetuning", "FineTuningEnvironment")):
        reference = SCHEMA["resources"]["tandem:index:HybridEnvironment"]["inputProperties"][key]["$ref"]
        inputs = SCHEMA["resources"][f"tandem:index:{part}"]["inputProperties"]
        assert set(SCHEMA["types"][reference.rpartition("/")[2]]["properties"]) == set(inputs)
