"""OpenSearch Serverless collections and OpenSearch domains on the local OpenSearch, as strict as AWS.

The emulator has the control planes; this answers at the endpoints. A collection has the operations on an index that AWS
lists (developer guide, "Supported operations and plugins", serverless-genref) with the permission each needs in IAM and
in a data access policy, no document ids of ours if it is for vectors, and `faiss` as the only engine. A domain has the
same operations, and IAM alone. Each sees only its own indices: they carry its id as a prefix in OpenSearch.
"""

import http.client
import json
import os
import re
import secrets
from dataclasses import dataclass
from typing import Any

from ministack.core.concurrency import run_offloop
from ministack.core.iam_evaluator import enforce, resolve_caller_identity
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import opensearch as domains
from ministack.services import opensearchserverless as service

from localcloud.services import Refused

Response = tuple[int, dict[str, str], bytes]

COLLECTIONS, DOMAINS = PATHS = ("/_aoss/", "/_es/")
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
ILLEGAL = "illegal_argument_exception"
NO_INDEX = ("index_not_found_exception", "no such index", 404)
NOT_FOUND, FORBIDDEN = ("NotFound", "404 Not Found", 404), ("Forbidden", "403 Forbidden", 403)


def install() -> None:
    """Serve collections and domains from the local OpenSearch; call before the emulator takes requests."""
    patched: Any = service
    patched._start_provisioning = lambda collection: collection.update(status="ACTIVE", _Engine=ENGINE)
    # Names below localhost don't resolve everywhere, so the collection's id is in the path instead of the host.
    patched._collection_endpoint = lambda identifier: f"{os.environ['AWS_ENDPOINT_URL']}{COLLECTIONS}{identifier}"
    delete = service._delete_collection

    def delete_with_indices(data: dict[str, Any]) -> Any:
        answer = delete(data)
        delete_indices(data["id"])
        return answer

    service._HANDLERS["DeleteCollection"] = delete_with_indices
    _install_domains()


def _install_domains() -> None:
    patched: Any = domains
    create, delete = domains._new_domain_record, domains.delete_domain_record

    def create_with_endpoint(name: str, payload: dict[str, Any]) -> dict[str, Any]:
        endpoint = f"{os.environ['AWS_ENDPOINT_URL']}{DOMAINS}{name}-{secrets.token_hex(4)}"
        return create(name, payload) | {"Endpoint": endpoint, "_Endpoint": endpoint}

    def delete_with_indices(name: str, **more: Any) -> Any:
        if record := delete(name, **more):
            delete_indices(_identifier(record))
        return record

    patched._new_domain_record, patched.delete_domain_record = (
        create_with_endpoint,
        delete_with_indices,
    )
    patched._restore_domain_dataplanes = lambda: None  # there are no containers to start again


async def serve(method: str, raw_path: str, query: str, headers: dict, body: bytes, parameters: dict) -> Response:
    """Answer one request to `/_aoss/<collection id>/...` or `/_es/<domain and random digits>/...`."""
    identifier, _, path = raw_path.removeprefix(COLLECTIONS).removeprefix(DOMAINS).partition("/")
    call = Call(method, path, headers, parameters, extract_access_key_id(headers, parameters))
    prefix = f"{identifier}."
    try:
        permission = _permission(call)
        vectors = (_enter_domain if raw_path.startswith(DOMAINS) else _enter_collection)(identifier, call, permission)
        if permission in ("CreateIndex", "UpdateIndex"):
            body = json.dumps(json.loads(body or b"{}", object_hook=_on_lucene)).encode()
        body, refused = _accepted(body, prefix, vectors) if path.endswith("/_bulk") else (body, [])
        target = f"/{prefix}{path}" + (f"?{query}" if query else "")
        if permission == "WriteDocument" and raw_path.startswith(COLLECTIONS):
            await run_offloop(_index_is_there, f"/{prefix}{path.partition('/')[0]}")
        # Asking for an answer that is not compressed, so that the prefix can be taken out of it.
        plain = {name: value for name, value in headers.items() if not name.endswith("-encoding")}
        status, answer_headers, content = await run_offloop(service._proxy, ENGINE, method, target, plain, body)
    except Refused as error:
        return service._aoss_error(error.status, str(error), error.code)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return service._aoss_error(400, str(error), ILLEGAL)
    except (OSError, http.client.HTTPException):
        return service._aoss_error(503, "503 Service Unavailable", "ServiceUnavailable")
    if permission == "DescribeIndex":
        content = content.replace(b'"engine":"lucene"', b'"engine":"faiss"')
    if status == 200 and any(refused):
        content = _with_refusals(content, refused)
    return status, answer_headers, content.replace(prefix.encode(), b"")


@dataclass(frozen=True)
class Call:
    """A request to an index: its method, its path below the endpoint, and who asks."""

    method: str
    path: str
    headers: dict[str, str]
    parameters: dict[str, list[str]]
    key: str

    def fits(self, pattern: str) -> bool:
        return bool(re.fullmatch(pattern, f"{self.method} {self.path}"))


def _permission(call: Call) -> str:
    """The permission that the call needs. Raises Refused for one that AWS doesn't serve."""
    for pattern, permission in OPERATIONS.items():
        if call.fits(pattern):
            return permission
    raise Refused(*NOT_FOUND)


def _enter_domain(identifier: str, call: Call, _: str) -> bool:
    """False: a domain takes ids of ours. Raises Refused unless the caller may send this method to this path."""
    found = (each for _, each in domains._domains.all_items() if _identifier(each) == identifier)
    if not (domain := next(found, None)):
        raise Refused(*NOT_FOUND)
    action, arn = f"es:ESHttp{call.method.capitalize()}", f"{domain['ARN']}/{call.path}"
    signed = "/es/aws4_request" in call.headers.get("authorization", "")
    if not signed or enforce(call.key, action, "opensearch", get_region(), resource_arn=arn):
        raise Refused(*FORBIDDEN)
    return False


def _enter_collection(identifier: str, call: Call, permission: str) -> bool:
    """Whether the collection is for vectors. Raises Refused for what it doesn't let in or doesn't take."""
    if not (collection := service._find_collection_anywhere(identifier)):
        raise Refused(*NOT_FOUND)
    signed = service._signed_for_aoss(call.headers, call.parameters) and call.headers.get("x-amz-content-sha256")
    if not signed or not _collection_allows(collection, call.path.split("/")[0], f"aoss:{permission}", call.key):
        raise Refused(*FORBIDDEN)
    if call.parameters.get("refresh", ["false"]) != ["false"]:
        raise Refused(ILLEGAL, "true refresh policy is not supported")
    vectors = collection.get("type") == "VECTORSEARCH"
    if vectors and call.fits("(PUT|POST) .+/(_doc|_create|_update)/.+"):
        raise Refused(ILLEGAL, NO_IDS)
    return vectors


def _index_is_there(path: str) -> None:
    """Raises Refused for an index that isn't there, which OpenSearch would make from the first document."""
    status, *_ = service._proxy(ENGINE, "HEAD", path, {}, b"")
    if status == NO_INDEX[2]:
        raise Refused(*NO_INDEX)


def delete_indices(identifier: str) -> None:
    """Delete all indices of a collection or domain."""
    service._proxy(ENGINE, "DELETE", f"/{identifier}.*", {}, b"")


def _identifier(domain: dict[str, Any]) -> str:
    return domain["Endpoint"].rsplit("/", 1)[-1]


def _collection_allows(collection: dict[str, Any], index: str, permission: str, key: str) -> bool:
    arn = collection["arn"]
    denied = enforce(key, "aoss:APIAccessAll", "opensearchserverless", get_region(), resource_arn=arn)
    return not denied and _policy_allows(f"index/{collection['name']}/{index}", permission, key)


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
            raise Refused(
                ILLEGAL,
                f"[{engine}/{name}] is not supported: use engine faiss, method hnsw",
            )
        method["engine"] = "lucene"
    return node


def _accepted(body: bytes, prefix: str, vectors: bool) -> tuple[bytes, list[dict[str, Any] | None]]:
    """Return the bulk request without what a vector collection refuses, and for each item its refusal or None."""
    kept: list[bytes] = []
    refused: list[dict[str, Any] | None] = []
    lines = iter(body.splitlines())
    for line in filter(bytes.strip, lines):
        verb, item = _action(line)
        document = [] if verb == "delete" else [next(lines, b"")]
        if vectors and (verb == "update" or (verb != "delete" and "_id" in item)):
            error = {"type": ILLEGAL, "reason": NO_IDS}
            refused.append({verb: {**item, "status": 400, "error": error}})
            continue
        refused.append(None)
        if "_index" in item:
            item["_index"] = prefix + item["_index"]
        kept += [json.dumps({verb: item}).encode(), *document]
    if refused and not kept:
        kept = [b'{"delete":{"_id":"-"}}']  # a deletion of nothing, since OpenSearch takes no empty request
    return b"\n".join([*kept, b""]), refused


def _action(line: bytes) -> tuple[str, dict[str, Any]]:
    match json.loads(line):
        case {**only} if len(only) == 1 and isinstance(item := next(iter(only.values())), dict):
            return next(iter(only)), item
    raise Refused(ILLEGAL, f"Malformed action/metadata line: {line.decode(errors='replace')}")


def _with_refusals(content: bytes, refused: list[dict[str, Any] | None]) -> bytes:
    """The engine's answer to a bulk request, with the items that it never saw in their places."""
    answer = json.loads(content)
    served = iter(answer["items"])
    return json.dumps({**answer, "errors": True, "items": [each or next(served) for each in refused]}).encode()
