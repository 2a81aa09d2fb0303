"""The components as a plugin: its schema is the public interface that reviewers see change."""

import json
import subprocess
import sys

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from tests.support.recorder import ROOT


def plugin_schema() -> dict:
    """The schema as the plugin itself answers it, started as the engine starts it."""
    plugin = subprocess.Popen(
        [sys.executable, str(ROOT / "components"), "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        port = plugin.stdout.readline().decode().strip()
        stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        return json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest(), timeout=30).schema)
    finally:
        plugin.kill()
        plugin.communicate()


def test_schema_is_the_committed_one():
    """After a deliberate change: `python -m tests.unit.components.test_plugin > components/schema.json`."""
    assert plugin_schema() == json.loads((ROOT / "components" / "schema.json").read_text())


@pytest.mark.parametrize("name", ["RagEnvironment", "FineTuningEnvironment", "HybridEnvironment"])
def test_everything_public_is_described(name):
    schema = json.loads((ROOT / "components" / "schema.json").read_text())
    environment = schema["resources"][f"tandem:index:{name}"]
    for properties in (environment["inputProperties"], environment["properties"]):
        assert properties and all(property.get("description") for property in properties.values())
    assert not environment.get("requiredInputs")


def test_what_the_hybrid_takes_is_what_its_parts_take():
    schema = json.loads((ROOT / "components" / "schema.json").read_text())
    for key, part in (("rag", "RagEnvironment"), ("finetuning", "FineTuningEnvironment")):
        reference = schema["resources"]["tandem:index:HybridEnvironment"]["inputProperties"][key]["$ref"]
        inputs = schema["resources"][f"tandem:index:{part}"]["inputProperties"]
        assert set(schema["types"][reference.rpartition("/")[2]]["properties"]) == set(inputs)


if __name__ == "__main__":
    print(json.dumps(plugin_schema(), indent=2))
