"""What a team brings, on the real engine: what another stack made is used, and is as before once ours is gone."""

import json
import shutil
import urllib.request
from pathlib import Path

import pytest

from tests.local.conftest import HOME, ROOT, Cloud, Service, until

pytestmark = pytest.mark.local

THEIRS = """
import json
import pulumi
import pulumi_aws as aws

everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
collection = "acme-vectors"
rules = [{"ResourceType": "collection", "Resource": [f"collection/{collection}"]}]
encryption = aws.opensearch.ServerlessSecurityPolicy(
    "encryption", name=collection, type="encryption", policy=json.dumps({"Rules": rules, "AWSOwnedKey": True})
)
network = aws.opensearch.ServerlessSecurityPolicy(
    "network", name=collection, type="network", policy=json.dumps([{"Rules": rules, "AllowFromPublic": True}])
)
vectors = aws.opensearch.ServerlessCollection(
    "vectors", name=collection, type="VECTORSEARCH", opts=pulumi.ResourceOptions(depends_on=[encryption, network])
)
for name in ("documents", "others"):
    bucket = aws.s3.Bucket(name, force_destroy=True, tags={"team": "acme"})
    aws.s3.BucketNotification(name, bucket=bucket.id, eventbridge=True)
    pulumi.export(name, bucket.id)
pulumi.export("collection", vectors.name)
pulumi.export("key", aws.kms.Key("key", enable_key_rotation=True).arn)
pulumi.export("boundary", aws.iam.Policy("boundary", policy=json.dumps(everything)).arn)
"""
PROJECT = "name: theirs\nruntime:\n  name: python\n  options:\n    virtualenv: ../../../../.venv\n"


def deployed(cloud: Cloud, folder: Path) -> dict:
    """The outputs of the program in this folder, brought up."""
    cloud.pulumi("up", "--yes", "--skip-preview", "--stack", "test", cwd=folder)
    return json.loads(cloud.pulumi("stack", "output", "--json", "--stack", "test", cwd=folder).stdout)


def indices(cloud: Cloud) -> list[str]:
    port = cloud.environment["TANDEM_LOCAL_OPENSEARCH_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_cat/indices?format=json") as answer:
        return [each["index"] for each in json.load(answer)]


@pytest.fixture
def folders(cloud):
    """A program of theirs and one of ours, destroyed at the end."""
    made = []
    for name in ("theirs", "python-own"):
        folder = HOME / name
        shutil.rmtree(folder, ignore_errors=True)
        if name == "theirs":
            folder.mkdir(parents=True)
            (folder / "Pulumi.yaml").write_text(PROJECT.replace("../../../../", f"{ROOT}/"))
            (folder / "__main__.py").write_text(THEIRS)
        else:
            shutil.copytree(ROOT / "examples" / name, folder)
            project = folder / "Pulumi.yaml"
            project.write_text(project.read_text().replace("../..", str(ROOT)))
        cloud.pulumi("stack", "init", "test", cwd=folder)
        made.append(folder)
    yield made
    for folder in reversed(made):
        cloud.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test", cwd=folder)
        cloud.pulumi("stack", "rm", "--yes", "--stack", "test", cwd=folder)


@pytest.mark.faults
def test_theirs_are_used_and_left_as_they_were(cloud, folders):
    theirs, ours = folders
    given = deployed(cloud, theirs)
    s3, iam = cloud.client("s3"), cloud.client("iam")

    def configured(**keys: str) -> None:
        for key, value in keys.items():
            cloud.pulumi("config", "set", key, value, "--stack", "test", cwd=ours)

    # One that isn't there is refused by the preview, with all else that is wrong.
    configured(**{key: given[key] for key in ("collection", "key", "boundary")}, documentsBucket="nobodys-bucket")
    configured(collection="nobodys-vectors")
    refused = cloud.pulumi("preview", "--stack", "test", cwd=ours, check=False)
    assert refused.returncode
    said = refused.stdout + refused.stderr
    assert "existing_documents_bucket: 'nobodys-bucket' isn't there" in said
    assert "existing_collection: 'nobodys-vectors' isn't there" in said

    configured(collection=given["collection"], documentsBucket=given["documents"])
    outputs = deployed(cloud, ours)
    cloud.pulumi("preview", "--stack", "test", "--expect-no-changes", cwd=ours)
    assert outputs["documentsBucket"] == given["documents"]
    roles = iam.list_roles(PathPrefix="/handbook/")["Roles"]
    assert len(roles) == 5
    assert {
        iam.get_role(RoleName=each["RoleName"])["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        for each in roles
    } == {given["boundary"]}

    service = Service(cloud, outputs, "test")
    service.put("warranty.txt", "The warranty of a heat pump is seven years.")
    until(lambda: service.status("warranty.txt") == "indexed", 120, "the document of their bucket is indexed")
    until(lambda: service.passages("How long is the warranty of a heat pump?", "warranty.txt"), 60, "it is found")
    own = [name for name in indices(cloud) if outputs["ledgerTable"] in name]
    assert len(own) == 1

    # Another bucket takes its place; that one is gone when ours is destroyed.
    configured(documentsBucket=given["others"])
    assert deployed(cloud, ours)["documentsBucket"] == given["others"]
    s3.delete_bucket(Bucket=given["others"])
    cloud.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test", cwd=ours)

    assert [name for name in indices(cloud) if outputs["ledgerTable"] in name] == []
    assert not iam.list_roles(PathPrefix="/handbook/")["Roles"]
    assert s3.get_object(Bucket=given["documents"], Key="warranty.txt")["Body"].read().startswith(b"The warranty")
    assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=given["documents"])
    s3.create_bucket(Bucket=given["others"])
    s3.put_bucket_notification_configuration(
        Bucket=given["others"], NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_bucket_tagging(Bucket=given["others"], Tagging={"TagSet": [{"Key": "team", "Value": "acme"}]})
    cloud.pulumi("preview", "--refresh", "--stack", "test", "--expect-no-changes", cwd=theirs)
