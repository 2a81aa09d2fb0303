"""An index in OpenSearch: the few operations that a vector collection of OpenSearch Serverless serves, as domains do.

There are no document ids of ours, no delete-by-query and no refresh there (developer guide, "Supported operations
and plugins"): chunks are deleted by the ids that the store gave, and a write is visible after up to a minute; in a
domain after a second.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem_contract.errors import Unavailable

from tandem.runtime.http import NETWORK_ERRORS, SignedHttp
from tandem.runtime.retry import Deadline, Transient, retry

BULK_BYTES = 5_000_000
PAGE = 1000
REQUEST_SECONDS = 30.0
RETRIED = frozenset({429, 500, 502, 503, 504})
Filters = Sequence[tuple[str, Sequence[str]]]
"""Pairs of a keyword field and the values of which one must match; all pairs must."""


class SearchError(Exception):
    """OpenSearch refused a request, and would refuse it again."""


@dataclass(frozen=True)
class Hit:
    """A chunk found by a search."""

    id: str
    score: float
    document: str
    attempt: str
    position: int
    page: int | None
    heading: str | None
    text: str

    @property
    def key(self) -> tuple[str, int]:
        """What the chunk is, whatever copy of it: a retried write can leave two."""
        return self.attempt, self.position


@dataclass(frozen=True)
class Head:
    """A chunk without its content."""

    id: str
    document: str
    attempt: str
    position: int


class SearchIndex:
    """One index. Every method raises `Unavailable` if OpenSearch doesn't answer before the deadline."""

    def __init__(self, http: SignedHttp, index: str):
        self._http, self._index = http, index

    def ensure(self, body: Mapping[str, Any], deadline: Deadline) -> bool:
        """Create the index if there is none; return whether it was created.

        New permissions take up to a minute to hold, and until then the answer is 403.
        """

        def create() -> dict[str, Any]:
            return self._once("PUT", "", json.dumps(body).encode(), deadline, retried=RETRIED | {403, 404})

        try:
            retry(create, deadline, tries=1000, base=1.0, cap=10.0)
        except SearchError as error:
            if "resource_already_exists_exception" in str(error):
                return False
            raise
        return True

    def bulk_create(self, chunks: Sequence[Mapping[str, Any]], deadline: Deadline) -> list[str]:
        """Write chunks; return their ids in the same order. Raises `SearchError` if one is refused.

        What was written before an error stays; so may a second copy after a retry. The sweep deletes both.
        """
        operations = [b'{"index":{}}\n' + json.dumps(chunk).encode() + b"\n" for chunk in chunks]
        return self._bulk(operations, deadline, accepted=(200, 201))

    def bulk_delete(self, ids: Sequence[str], deadline: Deadline) -> None:
        """Delete chunks by id; those that aren't there are no error."""
        operations = [json.dumps({"delete": {"_id": chunk_id}}).encode() + b"\n" for chunk_id in ids]
        self._bulk(operations, deadline, accepted=(200, 404))

    def vector_search(
        self, vector: Sequence[float], size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """The nearest chunks, best first; none of the `excluded` attempts."""
        return self._search(_nearest(vector, size, _bool(filters, excluded)), size, deadline)

    def text_search(
        self, question: str, size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """The chunks with the best BM25 score over text and heading, best first."""
        words = {"multi_match": {"query": question, "fields": ["text", "heading"], "type": "most_fields"}}
        return self._search({"bool": {"must": [words], **_bool(filters, excluded)}}, size, deadline)

    def vector_scores(self, vector: Sequence[float], ids: Sequence[str], deadline: Deadline) -> dict[str, float]:
        """The vector scores of the chunks with these ids: a k-NN search among them, which returns numbers only."""
        query = _nearest(vector, len(ids), {"filter": [{"ids": {"values": list(ids)}}]})
        body = {"size": len(ids), "query": query, "_source": False}
        return {hit["_id"]: hit["_score"] for hit in self._hits(body, deadline)}

    def heads(self, deadline: Deadline) -> Iterator[Head]:
        """Every chunk's head, sorted by document (as UTF-8), a page at a time.

        Sorted by keyword fields of ours, because `_id` has no doc values to sort by and `_doc` is no stable order.
        """
        after: list[Any] = []
        while True:
            order = [{"document": "asc"}, {"attempt": "asc"}, {"position": "asc"}]
            body = {"size": PAGE, "query": {"match_all": {}}, "sort": order, "_source": False}
            hits = self._hits(body | ({"search_after": after} if after else {}), deadline)
            for hit in hits:
                yield Head(hit["_id"], *hit["sort"])
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]

    def _search(self, query: Mapping[str, Any], size: int, deadline: Deadline) -> list[Hit]:
        fields = ["document", "attempt", "position", "page", "heading", "text"]
        hits = self._hits({"size": size, "query": query, "_source": fields}, deadline)
        return [Hit(hit["_id"], hit["_score"], *(hit["_source"].get(field) for field in fields)) for hit in hits]

    def _hits(self, body: Mapping[str, Any], deadline: Deadline) -> list[dict[str, Any]]:
        content = json.dumps(body).encode()
        answer = retry(lambda: self._once("POST", "/_search", content, deadline), deadline)
        return answer["hits"]["hits"]

    def _bulk(self, operations: Sequence[bytes], deadline: Deadline, *, accepted: Sequence[int]) -> list[str]:
        ids: list[str] = []
        batch: list[bytes] = []
        size = 0
        for operation in operations:
            if batch and size + len(operation) > BULK_BYTES:
                ids += self._bulk_batch(batch, deadline, accepted)
                batch, size = [], 0
            batch.append(operation)
            size += len(operation)
        return ids + self._bulk_batch(batch, deadline, accepted) if batch else ids

    def _bulk_batch(self, operations: Sequence[bytes], deadline: Deadline, accepted: Sequence[int]) -> list[str]:
        ids = [""] * len(operations)
        pending = list(range(len(operations)))

        def write_pending() -> None:
            body = b"".join(operations[at] for at in pending)
            answer = self._once("POST", "/_bulk", body, deadline, content_type="application/x-ndjson")
            overloaded = []
            for at, item in zip(list(pending), answer["items"], strict=True):
                result = next(iter(item.values()))
                if result["status"] in accepted:
                    ids[at] = result["_id"]
                elif result["status"] in RETRIED:
                    overloaded.append(at)
                else:
                    raise SearchError(f"OpenSearch refused a chunk ({result['status']}): {result.get('error')}")
            pending[:] = overloaded
            if overloaded:
                raise Transient(f"OpenSearch was too busy for {len(overloaded)} of {len(operations)} chunks")

        retry(write_pending, deadline)
        return ids

    def _once(
        self,
        method: str,
        path: str,
        body: bytes,
        deadline: Deadline,
        *,
        retried: frozenset[int] = RETRIED,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        timeout = min(REQUEST_SECONDS, deadline.remaining())
        try:
            response = self._http.request(
                method, f"/{self._index}{path}", body, timeout=timeout, content_type=content_type
            )
        except NETWORK_ERRORS as error:
            raise Transient(f"OpenSearch did not answer: {error}") from error
        if response.status < 300:
            return response.json()
        reason = f"OpenSearch answered {response.status}: {response.body[:500].decode(errors='replace')}"
        if response.status in retried:
            raise Transient(reason)
        if response.status == 403:
            # Also for a while after the store, or a role's permissions, changed.
            raise Unavailable(f"{reason} (if this stays so, the role has no permission for {self._index!r})")
        if response.status == 404:
            # Also for a while after the index was created.
            raise Unavailable(f"{reason} (if this stays so, the index {self._index!r} is gone: run `pulumi up`)")
        raise SearchError(reason)


def _nearest(vector: Sequence[float], size: int, clauses: Mapping[str, Any]) -> dict[str, Any]:
    nearest: dict[str, Any] = {"vector": list(vector), "k": size}
    if clauses:
        nearest["filter"] = {"bool": clauses}  # while searching, so that `size` chunks are found that pass
    return {"knn": {"embedding": nearest}}


def _bool(filters: Filters, excluded: Sequence[str]) -> dict[str, Any]:
    """Clauses of a bool query."""
    clauses: dict[str, Any] = {}
    if filters:
        clauses["filter"] = [{"terms": {field: list(values)}} for field, values in filters]
    if excluded:
        clauses["must_not"] = [{"terms": {"attempt": list(excluded)}}]
    return clauses
