"""Targets of an evaluation: what identifies a stack's answers."""

from types import SimpleNamespace

from tandem.clients import targets
from tandem.clients.pulumi_stack import Stack


def test_a_stack_is_known_by_its_documents_which_are_listed_once_when_it_is_opened(monkeypatch):
    listings = [[{"Key": "a.md", "ETag": "1"}], [{"Key": "a.md", "ETag": "1"}], [{"Key": "a.md", "ETag": "2"}]]
    asked = []

    def paginate(Bucket):
        asked.append(Bucket)
        return [{"Contents": listings[len(asked) - 1]}]

    s3 = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=paginate))
    outputs = {"queryUrl": "https://api.execute-api.eu-west-1.amazonaws.com/v1", "documentsBucket": "documents"}
    monkeypatch.setattr(targets, "deployed", lambda name, say: Stack(name, outputs))
    monkeypatch.setattr(targets, "last_update", lambda _: "7 of today")
    monkeypatch.setattr(targets.aws, "client", lambda *_, **__: s3)
    subject = targets.open_target("stack:docs", targets.Options())
    assert asked == ["documents"]
    assert (subject.documents, subject.region) == (frozenset({"a.md"}), "eu-west-1")
    assert subject.identify() == subject.identity
    assert subject.identify() != subject.identity
