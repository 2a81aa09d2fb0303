"""OpenSearch Serverless collections on the local OpenSearch, as strict as AWS.

The emulator has the control plane and asks for a signature; this adds the data plane: the operations that AWS
lists (developer guide, "Supported operations and plugins", serverless-genref) with the permission each needs, data
access policies, no document ids of ours in vector collections, and `faiss` as the only engine. Each collection
sees only its own indices: they carry its id as a prefix in OpenSearch.
"""

import http.client
import json
import os
import re
from typing import Any

from ministack.core.concurrency import run_offloop
from ministack.core.iam_evaluator import enforce, resolve_caller_identity
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import opensearchserverless as service

Response = tuple[int, dict[str, str], bytes]

PATH = "/_aoss/"
_READ = ("_search", "_count", "_explain", "_source", "_field_caps", "_validate", "_analyze", "_rank_eval")
_DESCRIBE = ("_mapping", "_mappings", "_settings", "_setting")
_NO_IDS = "Document ID is not supported in create/index operation request"


def install() -> None:
    """Serve the emulator's collections from the local OpenSearch; call before the emulator takes requests."""
    service._start_provisioning = _activate  # ty: ignore[invalid-assignment]
    service._collection_endpoint = _endpoint  # ty: ignore[invalid-assignment]
    delete = service._delete_collection

    def delete_with_indices(data: dict[str, Any]) -> Any:
        answer = delete(data)
        _send("DELETE", f"/{data['id']}.*", b"", {})
        return answer

    service._HANDLERS["DeleteCollection"] = delete_with_indices


async def serve(method: str, raw_path: str, query: str, headers: dict, body: bytes, parameters: dict) -> Response:
    """Answer one request to `/_aoss/<collection id>/...`."""
    identifier, _, path = raw_path.removeprefix(PATH).partition("/")
    collection = service._find_collection_anywhere(identifier)
    if collection is None:
        return _error(404, "404 Not Found", "NotFound")
    if not service._signed_for_aoss(headers, parameters) or not headers.get("x-amz-content-sha256"):
        return _error(403, "403 Forbidden", "Forbidden")
    segments = [segment for segment in path.split("/") if segment]
    operation = _operation(method, segments)
    if operation is None or "scroll" in parameters:
        return _error(404, "404 Not Found", "NotFound")
    index = segments[0] if not segments[0].startswith("_") else "*"
    key = extract_access_key_id(headers, parameters)
    denied = enforce(key, "aoss:APIAccessAll", "opensearchserverless", get_region(), resource_arn=collection["arn"])
    if denied or not _policy_allows(collection["name"], index, operation, key):
        return _error(403, "403 Forbidden", "Forbidden")
    refresh = (parameters.get("refresh") or ["false"])[0]
    if refresh != "false":
        return _invalid(f"{refresh or 'true'} refresh policy is not supported")
    prefix = f"{identifier}."
    vectors = collection["type"] == "VECTORSEARCH"
    try:
        if segments[-1] == "_bulk":
            answer = await run_offloop(_bulk, method, segments, query, headers, body, prefix, vectors)
        else:
            takes_id = operation == "aoss:WriteDocument" and method in ("PUT", "POST") and len(segments) == 3
            if vectors and takes_id:
                return _invalid(_NO_IDS)
            if operation in ("aoss:CreateIndex", "aoss:UpdateIndex"):
                body = _lucene_mapping(body)
            answer = await run_offloop(_send, method, _target(segments, query, prefix), body, headers)
    except ValueError as error:
        return _invalid(str(error))
    except (OSError, http.client.HTTPException):
        return _error(503, "503 Service Unavailable", "ServiceUnavailable")
    status, answer_headers, content = answer
    if operation == "aoss:DescribeIndex":
        content = content.replace(b'"engine":"lucene"', b'"engine":"faiss"')
    return status, answer_headers, content.replace(prefix.encode(), b"")


def _endpoint(identifier: str) -> str:
    # Names below localhost don't resolve everywhere, so the collection's id is in the path instead of the host.
    return f"{os.environ['AWS_ENDPOINT_URL']}{PATH}{identifier}"


def _activate(collection: dict[str, Any]) -> None:
    collection["status"] = "ACTIVE"


def _error(status: int, reason: str, kind: str) -> Response:
    return service._aoss_error(status, reason, kind)


def _invalid(reason: str) -> Response:
    return _error(400, reason, "illegal_argument_exception")


def _operation(method: str, segments: list[str]) -> str | None:
    """Return the data access permission that AWS asks for, or None for an operation that it doesn't serve."""
    if not segments:
        return None
    on_index = not segments[0].startswith("_")
    verb = segments[1] if on_index and len(segments) > 1 else segments[0] if not on_index else ""
    if on_index and len(segments) == 1:
        by_method = {"PUT": "CreateIndex", "GET": "DescribeIndex", "HEAD": "DescribeIndex", "DELETE": "DeleteIndex"}
        return f"aoss:{by_method[method]}" if method in by_method else None
    if verb in _DESCRIBE or segments == ["_cat", "indices"]:
        return "aoss:DescribeIndex" if method in ("GET", "HEAD") else "aoss:UpdateIndex" if on_index else None
    if verb in _READ and len(segments) <= 3 and segments[-1] not in ("scroll", "point_in_time", "pipeline"):
        return "aoss:ReadDocument"
    if verb == "_bulk":
        return "aoss:WriteDocument" if method in ("POST", "PUT") else None
    if on_index and verb in ("_doc", "_create", "_update"):
        return "aoss:ReadDocument" if method in ("GET", "HEAD") else "aoss:WriteDocument"
    return None


def _policy_allows(collection: str, index: str, permission: str, key: str) -> bool:
    """Whether a data access policy grants the caller this permission on the index; root has no rights of its own."""
    identity = resolve_caller_identity(key) or {}
    caller = identity.get("userArn", "")
    # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is the role arn:aws:iam::ACCOUNT:role/[PATH/]ROLE in a policy.
    role = re.fullmatch(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/.+", caller)
    wanted = re.compile(rf"arn:aws:iam::{role[1]}:role/(.+/)?{re.escape(role[2])}" if role else re.escape(caller))
    for policy in service._access_policies.values():
        for statement in policy["policy"]:
            if not any(wanted.fullmatch(principal) or principal == caller for principal in statement["Principal"]):
                continue
            for rule in statement["Rules"]:
                if rule["ResourceType"] == "index" and {permission, "aoss:*"} & set(rule["Permission"]):
                    for resource in rule["Resource"]:
                        if service._pattern_matches(resource, f"index/{collection}/{index}"):
                            return True
    return False


def _target(segments: list[str], query: str, prefix: str) -> str:
    """The request's path in OpenSearch, confined to the collection's indices."""
    if segments[0] == "_cat":
        segments = [*segments, f"{prefix}*"]
    elif segments[0].startswith("_"):
        segments = [f"{prefix}*", *segments]
    else:
        names = segments[0].replace("%2C", ",").split(",")
        segments = [",".join(prefix + name for name in names), *segments[1:]]
    return "/" + "/".join(segments) + (f"?{query}" if query else "")


def _lucene_mapping(body: bytes) -> bytes:
    """Give every vector field the engine that runs here; AWS (NextGen) takes faiss with HNSW only."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "knn_vector":
                method = node.setdefault("method", {"name": "hnsw"})
                engine = method.get("engine", "faiss")
                if engine != "faiss" or method.get("name", "hnsw") != "hnsw":
                    raise ValueError(f"[{engine}/{method.get('name')}] is not supported: use engine faiss, method hnsw")
                method["engine"] = "lucene"
            for value in node.values():
                walk(value)

    content = json.loads(body or b"{}")
    walk(content)
    return json.dumps(content).encode()


def _bulk(
    method: str, segments: list[str], query: str, headers: dict, body: bytes, prefix: str, vectors: bool
) -> Response:
    """Forward a bulk request, refusing item by item what a vector collection refuses."""
    forwarded: list[bytes] = []
    refused: dict[int, dict[str, Any]] = {}
    lines = iter(body.splitlines())
    position = 0
    for line in lines:
        if not line.strip():
            continue
        [(verb, item)] = json.loads(line).items()
        document = b"" if verb == "delete" else next(lines, b"")
        if vectors and (verb == "update" or (verb != "delete" and "_id" in item)):
            error = {"type": "illegal_argument_exception", "reason": _NO_IDS}
            refused[position] = {verb: {**item, "status": 400, "error": error}}
        else:
            if "_index" in item:
                item["_index"] = prefix + item["_index"]
            forwarded += [json.dumps({verb: item}).encode(), *([document] if document else [])]
        position += 1
    result: dict[str, Any] = {"took": 0, "errors": False, "items": []}
    status, answer_headers, content = 200, {"Content-Type": "application/json"}, b""
    if forwarded:
        target = _target(segments, query, prefix) if len(segments) == 2 else f"/_bulk?{query}"
        status, answer_headers, content = _send(method, target, b"\n".join(forwarded) + b"\n", headers)
        if status != 200 or not refused:
            return status, answer_headers, content
        result = json.loads(content)
    for at, item in sorted(refused.items()):
        result["items"].insert(at, item)
    result["errors"] = result["errors"] or bool(refused)
    return status, answer_headers, json.dumps(result).encode()


def _send(method: str, target: str, body: bytes, headers: dict) -> Response:
    # An answer that is not compressed, so that the prefix can be taken out of it.
    plain = {name: value for name, value in headers.items() if name in ("content-type", "accept")}
    engine = f"127.0.0.1:{os.environ['TANDEM_LOCAL_OPENSEARCH_PORT']}"
    return service._proxy(engine, method, target, plain, body)
