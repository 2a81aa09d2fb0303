"""OpenSearch Serverless collections on the local OpenSearch, as strict as AWS.

The emulator has the control plane, asks for a signature and forwards; this adds the operations on an index that AWS
lists (developer guide, "Supported operations and plugins", serverless-genref) with the permission each needs, data
access policies, no document ids of ours in vector collections, and `faiss` as the only engine. Each collection
sees only its own indices: they carry its id as a prefix in OpenSearch.
"""

import json
import os
import re
from typing import Any

from ministack.core.iam_evaluator import enforce, resolve_caller_identity
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import opensearchserverless as service

Response = tuple[int, dict[str, str], bytes]

PATH = "/_aoss/"
ENGINE = f"127.0.0.1:{os.environ['TANDEM_LOCAL_OPENSEARCH_PORT']}"
# "METHOD index/rest" -> the permission that a data access policy must grant; the rest is 404, as on AWS.
INDEX = "[a-z0-9][a-z0-9._-]*"
OPERATIONS = {
    f"PUT {INDEX}": "CreateIndex",
    f"(GET|HEAD) {INDEX}(/_mappings?|/_settings?)?": "DescribeIndex",
    f"(PUT|POST) {INDEX}/(_mapping|_settings)": "UpdateIndex",
    f"DELETE {INDEX}": "DeleteIndex",
    f"(GET|POST) {INDEX}/(_search|_count|_explain/[^/]+|_field_caps|_validate/query|_analyze)": "ReadDocument",
    f"(GET|HEAD) {INDEX}/(_doc|_source)/[^/]+": "ReadDocument",
    f"(PUT|POST) {INDEX}/(_bulk|_doc|(_doc|_create|_update)/[^/]+)": "WriteDocument",
    f"DELETE {INDEX}/_doc/[^/]+": "WriteDocument",
}
NO_IDS = "Document ID is not supported in create/index operation request"


def install() -> None:
    """Serve the emulator's collections from the local OpenSearch; call before the emulator takes requests."""
    patched: Any = service
    patched._start_provisioning = lambda collection: collection.update(status="ACTIVE", _Engine=ENGINE)
    # Names below localhost don't resolve everywhere, so the collection's id is in the path instead of the host.
    patched._collection_endpoint = lambda identifier: f"{os.environ['AWS_ENDPOINT_URL']}{PATH}{identifier}"
    delete = service._delete_collection

    def delete_with_indices(data: dict[str, Any]) -> Any:
        answer = delete(data)
        service._proxy(ENGINE, "DELETE", f"/{data['id']}.*", {}, b"")
        return answer

    service._HANDLERS["DeleteCollection"] = delete_with_indices


async def serve(method: str, raw_path: str, query: str, headers: dict, body: bytes, parameters: dict) -> Response:
    """Answer one request to `/_aoss/<collection id>/...`."""
    identifier, _, path = raw_path.removeprefix(PATH).partition("/")
    collection = service._find_collection_anywhere(identifier)
    wanted = f"{method} {path}"
    permission = next((name for pattern, name in OPERATIONS.items() if re.fullmatch(pattern, wanted)), None)
    if not collection or not permission:
        return service._aoss_error(404, "404 Not Found", "NotFound")
    key, arn = extract_access_key_id(headers, parameters), collection["arn"]
    denied = enforce(key, "aoss:APIAccessAll", "opensearchserverless", get_region(), resource_arn=arn)
    if denied or not _policy_allows(f"index/{collection['name']}/{path.split('/')[0]}", f"aoss:{permission}", key):
        return service._aoss_error(403, "403 Forbidden", "Forbidden")
    prefix, vectors, refused = f"{identifier}.", collection["type"] == "VECTORSEARCH", []
    try:
        if parameters.get("refresh", ["false"]) != ["false"]:
            raise ValueError("true refresh policy is not supported")
        if vectors and re.fullmatch("(PUT|POST) .+/(_doc|_create|_update)/.+", wanted):
            raise ValueError(NO_IDS)
        if permission in ("CreateIndex", "UpdateIndex"):
            body = json.dumps(json.loads(body or b"{}", object_hook=_on_lucene)).encode()
        if path.endswith("/_bulk"):
            body, refused = _accepted(body, prefix, vectors)
    except ValueError as error:
        return service._aoss_error(400, str(error), "illegal_argument_exception")
    # Asking for an answer that is not compressed, so that the prefix can be taken out of it.
    plain = {name: value for name, value in headers.items() if not name.endswith("-encoding")}
    status, answer_headers, content = await service.handle_dataplane(
        method, f"{identifier}.{get_region()}.aoss.", f"/{prefix}{path}", query, plain, body, parameters
    )
    if permission == "DescribeIndex":
        content = content.replace(b'"engine":"lucene"', b'"engine":"faiss"')
    if status == 200 and any(refused):
        answer = json.loads(content)
        served = iter(answer["items"])
        content = json.dumps({**answer, "errors": True, "items": [each or next(served) for each in refused]}).encode()
    return status, answer_headers, content.replace(prefix.encode(), b"")


def _policy_allows(resource: str, permission: str, key: str) -> bool:
    """Whether a data access policy grants the caller this permission; root has no rights of its own."""
    caller = (resolve_caller_identity(key) or {}).get("userArn", "")
    # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION is the role arn:aws:iam::ACCOUNT:role/[PATH/]ROLE in a policy.
    role = re.fullmatch(r"arn:aws:sts::(\d+):assumed-role/([^/]+)/.+", caller)
    principal = rf"arn:aws:iam::{role[1]}:role/(.+/)?{re.escape(role[2])}" if role else re.escape(caller)
    return any(
        {permission, "aoss:*"} & set(rule["Permission"])
        and any(service._pattern_matches(pattern, resource) for pattern in rule["Resource"])
        for policy in service._access_policies.values()
        for statement in policy["policy"]
        if any(re.fullmatch(principal, each) or each == caller for each in statement["Principal"])
        for rule in statement["Rules"]
    )


def _on_lucene(node: dict[str, Any]) -> dict[str, Any]:
    """Give a vector field the engine that runs here; AWS (NextGen) takes faiss with HNSW only."""
    if node.get("type") == "knn_vector":
        method = node.setdefault("method", {"name": "hnsw"})
        engine, name = method.get("engine", "faiss"), method.get("name", "hnsw")
        if (engine, name) != ("faiss", "hnsw"):
            raise ValueError(f"[{engine}/{name}] is not supported: use engine faiss, method hnsw")
        method["engine"] = "lucene"
    return node


def _accepted(body: bytes, prefix: str, vectors: bool) -> tuple[bytes, list[dict[str, Any] | None]]:
    """Return the bulk request without what a vector collection refuses, and for each item its refusal or None."""
    kept: list[bytes] = []
    refused: list[dict[str, Any] | None] = []
    lines = iter(body.splitlines())
    for line in filter(bytes.strip, lines):
        [(verb, item)] = json.loads(line).items()
        document = [] if verb == "delete" else [next(lines, b"")]
        if vectors and (verb == "update" or (verb != "delete" and "_id" in item)):
            error = {"type": "illegal_argument_exception", "reason": NO_IDS}
            refused.append({verb: {**item, "status": 400, "error": error}})
            continue
        refused.append(None)
        if "_index" in item:
            item["_index"] = prefix + item["_index"]
        kept += [json.dumps({verb: item}).encode(), *document]
    if refused and not kept:
        kept = [b'{"delete":{"_id":"-"}}']  # a deletion of nothing, since OpenSearch takes no empty request
    return b"\n".join([*kept, b""]), refused
