"""OpenSearch, Serverless and domains: the few operations that a vector collection serves, as domains do.

There are no document ids of ours, no delete-by-query and no refresh there (developer guide, "Supported operations
and plugins"): chunks are deleted by the ids that the store gave, and a write is visible after up to a minute; in a
domain after a second.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tandem_contract.errors import TandemError, Unavailable

from tandem.runtime.clients import credentials, region
from tandem.runtime.http import NETWORK_ERRORS, SignedHttp
from tandem.runtime.retry import Deadline, Transient, retry

from ..index_version import MADE_AGAIN, IndexVersion
from .base import Filters, Head, Hit, Partial, StoredChunk

SERVERLESS, DOMAIN = "aoss", "es"
"""The services, by the name that requests are signed for: OpenSearch Serverless, and OpenSearch Service's domains."""
BULK_BYTES = 5_000_000
PAGE = 1000
REQUEST_SECONDS = 30.0
NO_INDEX = "index_not_found_exception"
RETRIED = frozenset({429, 500, 502, 503, 504})
SHOWN = ["document", "attempt", "position", "page", "heading", "text", "cited"]
CHANGED = {"text": {"type": "text"}, "heading": {"type": "text"}, "cited": None}
"""Fields that are otherwise than in the first release, and how they were; an index that is there is given them."""
WORDS = ["text", "text.english", "text.cjk", "heading.english"]
"""Where words are searched; what an earlier release's index doesn't have finds nothing."""


class Absent(Unavailable):
    """There is no such index, or it isn't known everywhere yet."""


def open_index(version: IndexVersion) -> "OpenSearchIndex":
    """The index of a version, for the credentials of the environment."""
    http = SignedHttp(version.endpoint, version.service, region(), credentials())
    return OpenSearchIndex(http, version.index, version.service)


def index_body(dimensions: int, service: str = SERVERLESS) -> dict[str, Any]:
    """Settings and mapping of an index, for embeddings of length `dimensions`.

    OpenSearch Serverless (NextGen) takes HNSW of the faiss engine only, and shards by itself. In a domain one shard is
    enough for 30 GB (AWS document `bp`, "Shard strategy"), and compares BM25 scores of all chunks. `metadata` holds
    `key=value` keywords: one field however many keys there are, and keys that hold dots can't collide.
    """
    keyword = {"type": "keyword"}
    # Words as they are written, English ones by their stems, and pairs of signs where nothing separates words.
    words = {"type": "text", "fields": {name: {"type": "text", "analyzer": name} for name in ("english", "cjk")}}
    embedding = {
        "type": "knn_vector",
        "dimension": dimensions,
        "method": {"name": "hnsw", "engine": "faiss", "space_type": "l2"},
    }
    properties = {
        "embedding": embedding,
        "text": words,
        "cited": {"type": "keyword", "index": False, "doc_values": False},
        "heading": words,
        "document": keyword,
        "version": keyword,
        "attempt": keyword,
        "metadata": keyword,
        "page": {"type": "integer"},
        "position": {"type": "integer"},
    }
    settings: dict[str, Any] = {"knn": True}
    if service == DOMAIN:
        settings["number_of_shards"] = 1
    return {"settings": {"index": settings}, "mappings": {"dynamic": "strict", "properties": properties}}


def identity(dimensions: int, service: str) -> dict[str, Any]:
    """What makes it another index: all of its body but the fields that one that is there is given too."""
    body = index_body(dimensions, service)
    properties = body["mappings"]["properties"] | CHANGED
    return body | {"mappings": body["mappings"] | {"properties": {k: it for k, it in properties.items() if it}}}


class OpenSearchIndex:
    """One index: a `VectorIndex` with `WordSearch`."""

    settle_seconds = 120.0  # OpenSearch Serverless shows a write after up to a minute

    def __init__(self, http: SignedHttp, index: str, service: str = SERVERLESS):
        self._http, self._index, self._service = http, index, service

    def ensure(self, dimensions: int, deadline: Deadline) -> bool:
        """See `VectorIndex`. New permissions take up to a minute to hold, and until then the answer is 403."""
        body = json.dumps(index_body(dimensions, self._service)).encode()

        def create() -> dict[str, Any]:
            return self._once("PUT", "", body, deadline, retried=RETRIED | {403, 404})

        try:
            retry(create, deadline, tries=1000, base=1.0, cap=10.0)
        except TandemError as error:
            if "resource_already_exists_exception" not in str(error):
                raise
            self._extend(dimensions, deadline)
            return False
        return True

    def _extend(self, dimensions: int, deadline: Deadline) -> None:
        """Add the fields that earlier releases had not; what is indexed has them once it is read again."""
        properties = index_body(dimensions, self._service)["mappings"]["properties"]
        body = json.dumps({"properties": {name: properties[name] for name in CHANGED}}).encode()
        retry(lambda: self._once("PUT", "/_mapping", body, deadline, retried=RETRIED | {403, 404}), deadline)

    def drop(self, deadline: Deadline) -> None:
        """See `VectorIndex`."""
        with suppress(Absent):
            retry(lambda: self._once("DELETE", "", b"", deadline), deadline)

    def write(self, chunks: Sequence[StoredChunk], deadline: Deadline) -> list[str]:
        """See `VectorIndex`."""
        if chunks and self._service == DOMAIN:
            # It would make an index that isn't there, and guess the mapping, for a chunk (OpenSearch documentation,
            # "Managing indexes"), but for no deletion (its `TransportBulkAction`).
            self.delete(["-"], deadline)
        operations = [b'{"index":{}}\n' + json.dumps(chunk).encode() + b"\n" for chunk in chunks]
        return self._bulk(operations, deadline, accepted=(200, 201))

    def delete(self, ids: Sequence[str], deadline: Deadline) -> None:
        """See `VectorIndex`."""
        operations = [json.dumps({"delete": {"_id": chunk_id}}).encode() + b"\n" for chunk_id in ids]
        self._bulk(operations, deadline, accepted=(200, 404))

    def search(
        self, vector: Sequence[float], size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """See `VectorIndex`."""
        found = self._search(_nearest(vector, size, _bool(filters, excluded)), size, deadline)
        return [hit._replace(score=cosine(hit.score)) for hit in found]

    def search_words(
        self, question: str, size: int, deadline: Deadline, filters: Filters, excluded: Sequence[str] = ()
    ) -> list[Hit]:
        """See `WordSearch`: the best sums of BM25 scores over text and heading."""
        words = {"multi_match": {"query": question, "fields": WORDS, "type": "most_fields"}}
        return self._search({"bool": {"must": [words], **_bool(filters, excluded)}}, size, deadline)

    def cosines(self, vector: Sequence[float], ids: Sequence[str], deadline: Deadline) -> dict[str, float]:
        """See `VectorIndex`: a k-NN search among the chunks with these ids, which returns numbers only."""
        query = _nearest(vector, len(ids), {"filter": [{"ids": {"values": list(ids)}}]})
        body = {"size": len(ids), "query": query, "_source": False}
        return {hit["_id"]: cosine(hit["_score"]) for hit in self._all_hits(body, deadline)}

    def heads(self, deadline: Deadline) -> Iterator[Head]:
        """See `VectorIndex`. A page at a time.

        Sorted by keyword fields of ours, because `_id` has no doc values to sort by and `_doc` is no stable order.
        """
        after: list[Any] = []
        while True:
            order = [{"document": "asc"}, {"attempt": "asc"}, {"position": "asc"}]
            body = {"size": PAGE, "query": {"match_all": {}}, "sort": order, "_source": False}
            hits = self._all_hits(body | ({"search_after": after} if after else {}), deadline)
            for hit in hits:
                yield Head(hit["_id"], *hit["sort"])
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]

    def _search(self, query: Mapping[str, Any], size: int, deadline: Deadline) -> list[Hit]:
        found, is_whole = self._hits({"size": size, "query": query, "_source": SHOWN}, deadline)
        hits = [_hit(each["_id"], each["_score"], each["_source"]) for each in found]
        if not is_whole:
            raise Partial("OpenSearch searched only a part of the index", hits)
        return hits

    def _all_hits(self, body: Mapping[str, Any], deadline: Deadline) -> list[dict[str, Any]]:
        hits, is_whole = self._hits(body, deadline)
        if not is_whole:
            raise Unavailable("OpenSearch searched only a part of the index")
        return hits

    def _hits(self, body: Mapping[str, Any], deadline: Deadline) -> tuple[list[dict[str, Any]], bool]:
        """What was found, and whether all shards had a say; asked again once if not."""
        content = json.dumps(body).encode()
        answer: dict[str, Any] = {}
        is_whole = False
        for _ in range(2):
            if not is_whole:
                answer = retry(lambda: self._once("POST", "/_search", content, deadline), deadline)
                is_whole = not answer.get("timed_out") and not answer.get("_shards", {}).get("failed")
        return answer["hits"]["hits"], is_whole

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
                if (result.get("error") or {}).get("type") == NO_INDEX:
                    raise self._gone(f"OpenSearch answered {NO_INDEX}")
                if result["status"] in accepted:
                    ids[at] = result["_id"]
                elif result["status"] in RETRIED:
                    overloaded.append(at)
                else:
                    raise TandemError(f"OpenSearch refused a chunk ({result['status']}): {result.get('error')}")
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
            raise self._gone(reason)
        raise TandemError(reason)

    def _gone(self, reason: str) -> Absent:
        """Also for a while after the index was created."""
        return Absent(f"{reason} (if this stays so, the index {self._index!r} is gone: {MADE_AGAIN})")


def _hit(name: str, score: float, source: Mapping[str, Any]) -> Hit:
    text = source.get("cited", source["text"])
    where = source["document"], source["attempt"], source["position"]
    return Hit(name, score, *where, source.get("page"), source.get("heading"), text)


def cosine(score: float) -> float:
    """The cosine from OpenSearch's score for `l2`, 1 / (1 + squared distance), of vectors of length 1."""
    return 1 - (1 / score - 1) / 2


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
