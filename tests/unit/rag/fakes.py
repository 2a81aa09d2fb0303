"""In-memory stand-ins at the level of boto clients and of OpenSearch's HTTP interface, small enough to be believed."""

import hashlib
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from operator import itemgetter

from botocore.exceptions import ClientError, ReadTimeoutError

from tandem.models.embed import normalised
from tandem.runtime.http import Response
from tests.support.aws_requests import AwsService
from tests.unit.finetuning.buckets import listed

BUCKET, TABLE, QUEUE, DEAD_LETTERS = "documents", "ledger", "https://queue", "https://dead-letters"


class Clock:
    """Time that stands still until it is told to move."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class _Missing:
    """An attribute that isn't there: no comparison with it holds."""

    def __eq__(self, other):
        return False

    def __ne__(self, other):
        return False

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = None


class FakeDynamoDB(AwsService):
    """Items by (pk, sk), with the few expressions that the ledger uses."""

    services = ("dynamodb",)

    page = 2

    def __init__(self):
        self.items: dict[tuple[str, str], dict] = {}
        self.before_update: Callable[[dict], None] = lambda request: None

    def get_item(self, *, TableName, Key, ConsistentRead):
        item = self.items.get(_key(Key))
        return {"Item": dict(item)} if item else {}

    def put_item(self, *, TableName, Item, ConditionExpression, **request):
        if not _evaluator(self.items.get(_key(Item), {}), request)(ConditionExpression):
            raise refused()
        self.items[_key(Item)] = Item

    def update_item(self, *, ReturnValues, **write):
        self.before_update(write)
        if not self._holds(write):
            raise refused()
        return {"Attributes": dict(self._update(write))}

    def _update(self, write) -> dict:
        key = _key(write["Key"])
        new = dict(self.items.get(key, write["Key"]))
        evaluate = _evaluator(dict(new), write)
        assign, _, remove = write["UpdateExpression"].partition("REMOVE ")
        for assignment in re.split(r", (?=#\w+ = )", assign.strip().removeprefix("SET ")) if assign else ():
            name, _, value = assignment.partition(" = ")
            new[name.removeprefix("#")] = _encode(evaluate(value))
        for name in re.findall(r"#(\w+)", remove):
            new.pop(name, None)
        self.items[key] = new
        return new

    def transact_write_items(self, *, TransactItems):
        writes = [next(iter(item.items())) for item in TransactItems]
        for kind, write in writes:
            if kind != "ConditionCheck":
                self.before_update({"Key": write.get("Item"), "UpdateExpression": "", **write})
        reasons = [{"Code": "None" if self._holds(write) else "ConditionalCheckFailed"} for _, write in writes]
        if any(reason["Code"] != "None" for reason in reasons):
            error = refused("TransactionCanceledException")
            error.response["CancellationReasons"] = reasons
            raise error
        for kind, write in writes:
            if kind == "Put":
                self.items[_key(write["Item"])] = write["Item"]
            if kind == "Update":
                self._update(write)

    def _holds(self, write) -> bool:
        condition = write.get("ConditionExpression", "")
        return not condition or _evaluator(self.items.get(_key(write["Key"]), {}), write)(condition)

    def delete_item(self, *, Key, ConditionExpression="", **request):
        if ConditionExpression and not _evaluator(self.items.get(_key(Key), {}), request)(ConditionExpression):
            raise refused()
        self.items.pop(_key(Key), None)

    def query(self, *, ExpressionAttributeValues, ExclusiveStartKey=None, **request):
        pk = ExpressionAttributeValues[":pk"]["S"]
        keys = sorted((key for key in self.items if key[0] == pk), key=lambda key: key[1].encode())
        keys = [key for key in keys if not ExclusiveStartKey or key[1].encode() > ExclusiveStartKey["sk"]["S"].encode()]
        answer = {"Items": [dict(self.items[key]) for key in keys[: self.page]]}
        if len(keys) > self.page:
            pk, sk = keys[self.page - 1]
            answer["LastEvaluatedKey"] = {"pk": {"S": pk}, "sk": {"S": sk}}
        return answer

    def batch_get_item(self, *, RequestItems):
        [(table, request)] = RequestItems.items()
        assert len(request["Keys"]) <= 100
        now, later = request["Keys"][: self.page], request["Keys"][self.page :]
        names = request["ExpressionAttributeNames"].values()
        found = [self.items[_key(key)] for key in now if _key(key) in self.items]
        answer = {"Responses": {table: [{name: item[name] for name in names if name in item} for item in found]}}
        return answer | {"UnprocessedKeys": {table: {**request, "Keys": later}} if later else {}}


def _key(item: dict) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _decode(value: dict):
    [(kind, content)] = value.items()
    if kind == "L":
        return [element["S"] for element in content]
    return content if kind == "S" else int(content) if content.isdigit() else float(content)


def _encode(value) -> dict:
    if isinstance(value, list):
        return {"L": [{"S": element} for element in value]}
    return {"S": value} if isinstance(value, str) else {"N": repr(value)}


def _evaluator(item: dict, request: dict):
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    functions = {
        "attribute": lambda name: _decode(item[names[name]]) if names[name] in item else _Missing(),
        "value": lambda name: _decode(values[name]),
        "attribute_not_exists": lambda value: isinstance(value, _Missing),
        "if_not_exists": lambda value, other: other if isinstance(value, _Missing) else value,
        "list_append": lambda left, right: left + right,
    }

    def evaluate(expression: str):
        code = re.sub(r"(#\w+)", r"attribute('\1')", expression)
        code = re.sub(r"(:\w+)", r"value('\1')", code)
        code = re.sub(r"(?<![<>])=", "==", code).replace("<>", "!=").replace(" AND ", " and ").replace(" OR ", " or ")
        return eval(code, {"__builtins__": {}}, functions)  # noqa: S307 - our own expressions

    return evaluate


def refused(code: str = "ConditionalCheckFailedException", status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")


class FakeS3(AwsService):
    services = ("s3",)

    def __init__(self, clock: Clock):
        self.clock, self.objects = clock, {}

    def put(self, key: str, content: bytes | str, metadata: dict | None = None, content_type: str = "") -> None:
        data = content.encode() if isinstance(content, str) else content
        modified = datetime.fromtimestamp(self.clock(), UTC)
        self.objects[key] = {
            "ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"',
            "LastModified": modified,
            "Metadata": metadata or {},
            "ContentType": content_type,
            "data": data,
        }

    def get_object(self, *, Bucket, Key):
        assert Bucket == BUCKET
        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        stored = self.objects[Key]
        return {**stored, "ContentLength": len(stored["data"]), "Body": io.BytesIO(stored["data"])}

    def head_object(self, *, Bucket, Key):
        return {name: value for name, value in self.get_object(Bucket=Bucket, Key=Key).items() if name != "Body"}

    def copy_object(self, *, Bucket, Key, CopySource, CopySourceIfMatch, MetadataDirective, **kept):
        assert (CopySource, MetadataDirective) == ({"Bucket": Bucket, "Key": Key}, "REPLACE")
        if Key not in self.objects:
            raise refused("NoSuchKey", 404)
        if self.objects[Key]["ETag"] != CopySourceIfMatch:
            raise refused("PreconditionFailed", 412)
        self.put(Key, self.objects[Key]["data"])
        self.objects[Key] |= kept

    def list_objects_v2(self, *, Bucket, ContinuationToken="0", Prefix="", MaxKeys=None):
        keys = sorted((key for key in self.objects if key.startswith(Prefix)), key=str.encode)[:MaxKeys]
        entries = [{"Key": key, "Size": len(self.objects[key]["data"]), **self.objects[key]} for key in keys]
        return listed(entries, ContinuationToken)


class FakeSQS(AwsService):
    services = ("sqs",)

    def __init__(self):
        self.sent: dict[str, list[dict]] = {QUEUE: [], DEAD_LETTERS: []}
        self.postponed: dict[str, int] = {}

    def send_message(self, *, QueueUrl, MessageBody, MessageAttributes=()):
        attributes = {name: MessageAttributes[name]["StringValue"] for name in MessageAttributes}
        self.sent[QueueUrl].append({"body": MessageBody, **attributes})

    def send_message_batch(self, *, QueueUrl, Entries):
        assert 0 < len(Entries) <= 10
        self.sent[QueueUrl] += [{"body": entry["MessageBody"]} for entry in Entries]

    def change_message_visibility(self, *, QueueUrl, ReceiptHandle, VisibilityTimeout):
        assert QueueUrl == QUEUE
        self.postponed[ReceiptHandle] = VisibilityTimeout


class FakeBedrock(AwsService):
    """Embeds a text as the counts of its words, hashed; reranks by length; answers with what it is told to."""

    services = ("bedrock-runtime",)

    def __init__(self):
        self.faults: list[Exception] = []
        self.answer, self.ended = "So it is [P1].", "end_turn"
        self.embedded: list[str] = []
        self.reranked: list[list[str]] = []
        self.prompts: list[str] = []

    def invoke_model(self, *, modelId, body):
        self._fail()
        request = json.loads(body)
        if "documents" in request:
            return {"body": io.BytesIO(json.dumps({"results": self._reranked(**request)}).encode())}
        texts = request["texts"] if "texts" in request else [request["inputText"]]
        self.embedded += texts
        vectors = [embedding(text, request.get("dimensions", 1024)) for text in texts]
        content = {"embeddings": vectors} if "texts" in request else {"embedding": vectors[0]}
        return {"body": io.BytesIO(json.dumps(content).encode())}

    def _reranked(self, query, documents, **_more):
        self.reranked.append(documents)
        return [{"index": at, "relevance_score": 1 / (1 + len(text))} for at, text in enumerate(documents)]

    def converse(self, *, modelId, system, messages, inferenceConfig):
        self._fail()
        self.prompts.append(messages[0]["content"][0]["text"])
        usage = {"inputTokens": 1200, "outputTokens": 40, "totalTokens": 1240}
        return {"output": {"message": {"content": [{"text": self.answer}]}}, "stopReason": self.ended, "usage": usage}

    def _fail(self):
        if self.faults:
            raise self.faults.pop(0)


def embedding(text: str, dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for word, count in Counter(words(text)).items():
        vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % dimensions] += count
    return vector


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class FakeOpenSearch:
    """One index behind `SignedHttp.request`. Writes are seen by searches only after a refresh, as on AWS.

    One that isn't `there` is 404 in a collection; a domain makes it from the first chunk.
    """

    def __init__(self, there=True, domain=False):
        self.there, self.domain, self.guessed = there, domain, False
        self.created: dict | None = None
        self.extended: dict = {}
        self.shards_away = self._next = 0
        self.written: dict[str, dict] = {}
        self.searched: dict[str, dict] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Callable[[], Response | None]] = []
        self.item_faults: list[int] = []
        self.auto_refresh = True

    def refresh(self):
        self.searched = dict(self.written)

    def request(self, method, path, body=b"", *, timeout, content_type="application/json"):
        self.requests.append((method, path))
        if self.faults and (response := self.faults.pop(0)()):
            return response
        _, _index, *rest = path.split("/")
        if method == "PUT":
            if rest == ["_mapping"]:
                self.extended = json.loads(body)["properties"]
                return respond(200, {"acknowledged": True})
            if self.created or self.guessed:
                return respond(400, {"error": {"type": "resource_already_exists_exception"}})
            self.created, self.there = json.loads(body), True
            return respond(200, {"acknowledged": True})
        if not (self.there or self.domain):
            return respond(404, {"error": {"type": "index_not_found_exception"}})
        if method == "DELETE":
            self.created, self.there, self.written, self.searched = None, False, {}, {}
            return respond(200, {"acknowledged": True})
        if rest == ["_bulk"]:
            assert len(body) <= 5_000_000 and content_type == "application/x-ndjson"
            answer = {"items": list(self._bulk(body.splitlines()))}
            if self.auto_refresh:
                self.refresh()
            return respond(200, answer)
        assert rest == ["_search"]
        shards = {"total": 2, "failed": self.shards_away}
        return respond(200, {"hits": {"hits": self._search(json.loads(body))}, "_shards": shards})

    def _bulk(self, lines):
        lines = iter(lines)
        for line in lines:
            [(action, target)] = json.loads(line).items()
            source = json.loads(next(lines)) if action == "index" else None
            if not self.there and action == "delete":
                yield {action: {"status": 404, "error": {"type": "index_not_found_exception"}}}
                continue
            if not self.there:
                self.there = self.guessed = True
            if status := self.item_faults.pop(0) if self.item_faults else 0:
                yield {action: {"status": status, "error": {"type": "injected"}}}
            elif action == "index":
                assert not target, "a vector collection takes no ids of ours"
                self._next += 1
                self.written[f"id-{self._next}"] = source
                yield {action: {"_id": f"id-{self._next}", "status": 201}}
            else:
                found = self.written.pop(target["_id"], None)
                yield {action: {"_id": target["_id"], "status": 200 if found else 404}}

    def _search(self, request):
        query = request["query"]
        if "match_all" in query:
            fields = [next(iter(entry)) for entry in request["sort"]]
            rows = [([source[field] for field in fields], key) for key, source in self.searched.items()]
            rows = sorted(row for row in rows if row[0] > request.get("search_after", []))
            return [{"_id": key, "sort": row} for row, key in rows[: request["size"]]]
        if "knn" in query:
            wanted = query["knn"]["embedding"]
            clauses = wanted.get("filter", {}).get("bool", {})
            scored = [(_l2_score(wanted["vector"], source), key) for key, source in self._passing(clauses)]
        else:
            asked = set(words(query["bool"]["must"][0]["multi_match"]["query"]))
            scored = [
                (len(asked & set(words(source["text"] + " " + source.get("heading", "")))), key)
                for key, source in self._passing(query["bool"])
            ]
            scored = [entry for entry in scored if entry[0]]
        scored = sorted(scored, key=itemgetter(0), reverse=True)[: request["size"]]
        return [{"_id": key, "_score": score, "_source": self.searched[key]} for score, key in scored]

    def _passing(self, clauses):
        for key, source in self.searched.items():
            matches = {
                kind: [_matches(clause, key, source) for clause in clauses.get(kind, [])]
                for kind in ("filter", "must_not")
            }
            if all(matches["filter"]) and not any(matches["must_not"]):
                yield key, source


def _matches(clause, key, source):
    if "ids" in clause:
        return key in clause["ids"]["values"]
    [(field, values)] = clause["terms"].items()
    stored = source.get(field, [])
    return bool(set(values) & set(stored if isinstance(stored, list) else [stored]))


def _l2_score(vector, source):
    return 1 / (1 + math.dist(normalised(vector), source["embedding"]) ** 2)


def respond(status: int, content: dict) -> Response:
    return Response(status, {}, json.dumps(content).encode())


def silence() -> Response:
    raise ReadTimeoutError(endpoint_url="https://search")
