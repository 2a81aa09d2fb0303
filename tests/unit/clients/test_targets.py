"""Targets of an evaluation: what identifies a stack's answers."""

from tandem.clients import targets
from tandem.clients.pulumi_stack import Stack
from tests.support.aws_requests import stand_in


def test_a_stack_is_known_by_its_documents_which_are_listed_once_when_it_is_opened(monkeypatch):
    listings = [[{"Key": "a.md", "ETag": "1"}], [{"Key": "a.md", "ETag": "1"}], [{"Key": "a.md", "ETag": "2"}]]
    asked = []

    def list_objects_v2(Bucket):
        asked.append(Bucket)
        return {"Contents": listings[len(asked) - 1]}

    s3 = stand_in("s3", list_objects_v2=list_objects_v2)
    outputs = {"queryUrl": "https://api.execute-api.eu-west-1.amazonaws.com/v1", "documentsBucket": "documents"}
    monkeypatch.setattr(targets, "deployed", lambda name, *_: Stack(name, outputs))
    monkeypatch.setattr(targets, "last_update", lambda _: "7 of today")
    monkeypatch.setattr(targets.aws, "client", lambda *_, **__: s3)
    subject = targets.open_target("stack:docs", targets.Options())
    assert asked == ["documents"]
    assert (subject.documents, subject.region) == (frozenset({"a.md"}), "eu-west-1")
    assert subject.identify() == subject.identity
    assert subject.identify() != subject.identity


def test_similarity_is_measured_in_the_targets_region_unless_another_is_named(monkeypatch):
    regions = []
    monkeypatch.setattr(targets.aws, "client", lambda service, region, **_: regions.append(region))
    for options in (targets.Options(), targets.Options(region="us-east-1")):
        targets.embedder("amazon.titan-embed-text-v2:0", options, "eu-west-1")
    assert regions == ["eu-west-1", "us-east-1"]
