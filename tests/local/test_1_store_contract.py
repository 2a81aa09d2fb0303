"""What every vector store keeps to: one of the tests' own, OpenSearch on a small fake, and on the real index.

A new store is an entry of `OPENED` and a fixture that opens an empty index of it.
"""

import json
import math
import time
import uuid
from collections.abc import Callable

import pytest
from botocore.credentials import Credentials
from tandem_contract.errors import Unavailable

from tandem.rag.stores import STORES, opensearch
from tandem.rag.stores.base import ID_BYTES, StoredChunk, VectorIndex, WordSearch
from tandem.rag.stores.opensearch import DOMAIN, SERVERLESS, OpenSearchIndex
from tandem.runtime.http import SignedHttp
from tandem.runtime.retry import Deadline
from tests.support.memory_store import MemoryIndex, Service
from tests.unit.rag.fakes import FakeOpenSearch

DIMENSIONS = 8
TIME = Deadline(36_000)
NAMES = ["B.txt", "a/1.txt", "a/2.txt", "a0.txt", "z.txt", "é.txt", "𝒳.txt"]  # noqa: RUF001 - beyond 16 bits on purpose
OPENED = [
    "memory",
    "fake_collection",
    "fake_domain",
    pytest.param("collection", marks=pytest.mark.local),
    pytest.param("domain", marks=pytest.mark.local),
]


@pytest.fixture
def memory() -> VectorIndex:
    return MemoryIndex(Service(), "docs-1")


@pytest.fixture
def fake_collection() -> VectorIndex:
    return OpenSearchIndex(FakeOpenSearch(there=False), "docs-1", SERVERLESS)


@pytest.fixture
def fake_domain() -> VectorIndex:
    return OpenSearchIndex(FakeOpenSearch(there=False, domain=True), "docs-1", DOMAIN)


@pytest.fixture(scope="module")
def user(cloud):
    """Credentials and ARN of a user who may reach every store."""
    iam, name = cloud.client("iam"), "contract"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    allow = {"Effect": "Allow", "Action": ["aoss:APIAccessAll", "es:ESHttpPost", "es:ESHttpPut", "es:ESHttpDelete"]}
    allow |= {"Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=name, PolicyName="stores", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"]), arn
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="stores")
    iam.delete_user(UserName=name)


@pytest.fixture(scope="module")
def collection_endpoint(cloud, user):
    aoss, name = cloud.client("opensearchserverless"), "contract"
    rule = {"ResourceType": "collection", "Resource": [f"collection/{name}"]}
    encryption = json.dumps({"Rules": [rule], "AWSOwnedKey": True})
    aoss.create_security_policy(name=name, type="encryption", policy=encryption)
    actions = ("CreateIndex", "DeleteIndex", "DescribeIndex", "ReadDocument", "UpdateIndex", "WriteDocument")
    permissions = [f"aoss:{each}" for each in actions]
    rule = {"ResourceType": "index", "Resource": [f"index/{name}/*"], "Permission": permissions}
    policy = json.dumps([{"Rules": [rule], "Principal": [user[1]]}])
    aoss.create_access_policy(name=name, type="data", policy=policy)
    made = aoss.create_collection(name=name, type="VECTORSEARCH")["createCollectionDetail"]["id"]
    yield aoss.batch_get_collection(ids=[made])["collectionDetails"][0]["collectionEndpoint"]
    aoss.delete_collection(id=made)
    aoss.delete_access_policy(name=name, type="data")
    aoss.delete_security_policy(name=name, type="encryption")


@pytest.fixture(scope="module")
def domain_endpoint(cloud):
    domains = cloud.client("opensearch")
    yield domains.create_domain(DomainName="contract")["DomainStatus"]["Endpoint"]
    domains.delete_domain(DomainName="contract")


def real(cloud, endpoint: str, service: str, credentials: Credentials) -> VectorIndex:
    http = SignedHttp(endpoint, service, cloud.environment["AWS_REGION"], credentials)
    return OpenSearchIndex(http, f"docs-{uuid.uuid4().hex[:8]}", service)


@pytest.fixture
def collection(cloud, collection_endpoint, user) -> VectorIndex:
    return real(cloud, collection_endpoint, SERVERLESS, user[0])


@pytest.fixture
def domain(cloud, domain_endpoint, user) -> VectorIndex:
    return real(cloud, domain_endpoint, DOMAIN, user[0])


@pytest.fixture(params=OPENED)
def empty(request, monkeypatch) -> VectorIndex:
    """An index that hasn't been made yet."""
    monkeypatch.setattr(opensearch, "PAGE", 3)
    return request.getfixturevalue(request.param)


@pytest.fixture
def index(empty) -> VectorIndex:
    empty.ensure(DIMENSIONS, TIME)
    return empty


def vector(degrees: float) -> list[float]:
    """Of length 1, at an angle to `vector(0)`."""
    turned = [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]
    return turned + [0.0] * (DIMENSIONS - 2)


def chunk(document: str = "a.txt", degrees: float = 0, **more) -> StoredChunk:
    made: StoredChunk = {
        "embedding": vector(degrees),
        "text": f"The text of {document}.",
        "position": 0,
        "document": document,
        "version": "v1",
        "attempt": f"attempt of {document}",
        "metadata": [],
    }
    return made | more


def eventually(read: Callable[[], object], wanted: object) -> None:
    """Reads may be behind writes."""
    end = time.monotonic() + 60
    while (found := read()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    assert found == wanted


def heads(index: VectorIndex) -> list[tuple[str, str, int]]:
    return [(head.id, head.document, head.position) for head in index.heads(TIME)]


def nearest(index: VectorIndex, filters=(), excluded=(), size: int = 10) -> list[str]:
    return [hit.document for hit in index.search(vector(0), size, TIME, filters, excluded)]


def test_a_chunk_is_shown_as_it_stands_in_the_document(empty):
    empty.ensure(DIMENSIONS, TIME)
    empty.ensure(DIMENSIONS, TIME)  # as at the next deployment
    empty.write([chunk("a.txt", text="office", cited="o\ufb03ce"), chunk("b.txt", 20, text="office")], TIME)
    eventually(lambda: [hit.text for hit in empty.search(vector(0), 5, TIME, ())], ["o\ufb03ce", "office"])
    if isinstance(empty, WordSearch):
        assert len(empty.search_words("office", 5, TIME, ())) == 2


def test_an_index_is_made_once(empty):
    assert [empty.ensure(DIMENSIONS, TIME) for _ in range(3)] == [True, False, False]
    assert heads(empty) == []


def test_every_chunk_is_listed_in_the_order_of_documents_over_many_pages(index):
    order = [(name, position) for position in (1, 0) for name in NAMES[::-1]]
    ids = index.write([chunk(name, position=position) for name, position in order], TIME)
    assert len(set(ids)) == len(ids) and all(0 < len(each.encode()) <= ID_BYTES for each in ids)
    by_chunk = dict(zip(order, ids, strict=True))
    wanted = [(by_chunk[name, at], name, at) for name in sorted(NAMES, key=str.encode) for at in (0, 1)]
    eventually(lambda: heads(index), wanted)
    assert index.write([], TIME) == []


def test_many_chunks_are_written_at_once(index):
    ids = index.write([chunk(position=position) for position in range(400)], TIME)
    eventually(lambda: [head.id for head in index.heads(TIME)], ids)


@pytest.mark.faults
def test_an_index_that_is_not_there_is_said_to_be_gone_and_is_made_by_no_chunk(empty):
    with pytest.raises(Unavailable, match="is gone"):
        empty.write([chunk()], TIME)
    assert empty.ensure(DIMENSIONS, TIME)
    assert len(empty.write([chunk()], TIME)) == 1


def test_what_is_deleted_is_gone_and_deleting_it_again_is_no_error(index):
    first, second = index.write([chunk("a.txt"), chunk("b.txt")], TIME)
    eventually(lambda: len(heads(index)), 2)
    index.delete([first], TIME)
    index.delete([first, "never-there"], TIME)
    index.delete([], TIME)
    eventually(lambda: heads(index), [(second, "b.txt", 0)])
    eventually(lambda: nearest(index), ["b.txt"])


def test_what_is_deleted_before_it_is_seen_does_not_come_back(index):
    ids = index.write([chunk("a.txt"), chunk("b.txt")], TIME)
    index.delete(ids[:1], TIME)
    eventually(lambda: nearest(index), ["b.txt"])


def test_the_nearest_come_first_with_their_cosines_and_all_that_is_cited(index):
    angles = {"near.txt": 20, "same.txt": 0, "opposite.txt": 180, "square.txt": 90}
    index.write([chunk(name, angle, page=3, heading="A > B") for name, angle in angles.items()], TIME)
    eventually(lambda: nearest(index), ["same.txt", "near.txt", "square.txt", "opposite.txt"])
    found = index.search(vector(0), 3, TIME, [])
    assert [hit.score for hit in found] == pytest.approx([1, math.cos(math.radians(20)), 0], abs=1e-4)
    hit = found[0]
    assert (hit.text, hit.page, hit.heading, hit.attempt) == (
        "The text of same.txt.",
        3,
        "A > B",
        "attempt of same.txt",
    )


def test_a_chunk_without_page_and_heading(index):
    index.write([chunk()], TIME)
    eventually(lambda: nearest(index), ["a.txt"])
    [hit] = index.search(vector(0), 5, TIME, [])
    assert (hit.page, hit.heading) == (None, None)


def test_copies_of_a_chunk_are_two_chunks_with_one_key(index):
    ids = [index.write([chunk()], TIME)[0] for _ in range(2)]
    eventually(lambda: len(index.search(vector(0), 5, TIME, [])), 2)
    hits = index.search(vector(0), 5, TIME, [])
    assert {hit.id for hit in hits} == set(ids) and len({hit.key for hit in hits}) == 1


def test_filters_hold_and_excluded_attempts_take_no_places(index):
    index.write(
        [
            chunk("a.txt", 1, metadata=["team=x", "level=1"]),
            chunk("b.txt", 2, metadata=["team=y", "level=1"]),
            chunk("c.txt", 3, metadata=["team=z"]),
            *[chunk("old.txt", position=at) for at in range(20)],
        ],
        TIME,
    )
    eventually(lambda: len(nearest(index, size=30)), 23)
    old = ["attempt of old.txt"]
    assert nearest(index, excluded=old, size=3) == ["a.txt", "b.txt", "c.txt"]
    assert nearest(index, [("document", ["c.txt", "none.txt"])]) == ["c.txt"]
    assert nearest(index, [("metadata", ["team=x", "team=y"]), ("metadata", ["level=1"])]) == ["a.txt", "b.txt"]
    assert nearest(index, [("metadata", ["level=1"]), ("document", ["b.txt"])], old) == ["b.txt"]
    assert nearest(index, [("metadata", ["level=2"])]) == []


def test_cosines_of_chunks_that_are_named(index):
    ids = index.write([chunk(f"{degrees}.txt", degrees) for degrees in (0, 60, 120)], TIME)
    eventually(lambda: len(heads(index)), 3)
    found = index.cosines(vector(0), [ids[1], ids[2], "never-there"], TIME)
    assert found == pytest.approx({ids[1]: 0.5, ids[2]: -0.5}, abs=1e-4)


def test_words_are_searched_where_the_store_can(index):
    texts = {"valve.txt": "part number QX7 is a valve", "tea.txt": "green tea is warm"}
    index.write([chunk(name, text=text, heading="Stock") for name, text in texts.items()], TIME)
    eventually(lambda: len(nearest(index)), 2)
    if not isinstance(index, WordSearch):
        return
    assert [hit.document for hit in index.search_words("QX7", 5, TIME, [])] == ["valve.txt"]
    assert {hit.document for hit in index.search_words("stock", 5, TIME, [])} == set(texts)
    assert index.search_words("QX7", 5, TIME, [("document", ["tea.txt"])]) == []
    assert index.search_words("QX7", 5, TIME, [], ["attempt of valve.txt"]) == []


def test_a_dropped_index_is_gone_and_dropping_it_again_is_no_error(index):
    index.write([chunk()], TIME)
    for _ in range(2):
        index.drop(TIME)
    assert index.ensure(DIMENSIONS, TIME)
    assert heads(index) == []


@pytest.mark.faults
def test_no_answer_in_time_is_said_by_every_method(index):
    over = Deadline(0)
    calls: list[Callable[[], object]] = [
        lambda: index.ensure(DIMENSIONS, over),
        lambda: index.drop(over),
        lambda: index.write([chunk()], over),
        lambda: index.delete(["x"], over),
        lambda: list(index.heads(over)),
        lambda: index.search(vector(0), 1, over, []),
        lambda: index.cosines(vector(0), ["x"], over),
    ]
    if isinstance(index, WordSearch):
        calls.append(lambda: index.search_words("x", 1, over, []))
    for call in calls:
        with pytest.raises(Unavailable):
            call()


@pytest.mark.parametrize("service", STORES)
def test_what_makes_an_index_is_told_apart(service):
    identity = STORES[service].identity
    assert json.dumps(identity(256)) == json.dumps(identity(256)) != json.dumps(identity(512))
