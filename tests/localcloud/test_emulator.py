"""The emulator is as strict as AWS where our stacks depend on it, and keeps its state."""

import io
import json
import os
import signal
import subprocess
import time
import zipfile

import boto3
import pytest
import urllib3
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from localcloud import paths
from localcloud.services import audit, supervisor
from tandem.runtime.http import SignedHttp
from tests.support.repeated import as_call

pytestmark = pytest.mark.local

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
VECTORS = {
    "settings": {"index.knn": True},
    "mappings": {
        "properties": {
            "embedding": {
                "type": "knn_vector",
                "dimension": 3,
                "method": {"name": "hnsw", "engine": "faiss", "space_type": "l2"},
            }
        }
    },
}
NO_IDS = "Document ID is not supported in create/index operation request"


@pytest.fixture(scope="module")
def aws(cloud):
    """A function that makes boto3 clients of the account's root."""
    variables = cloud.environment()

    def client(service):
        return boto3.client(
            service,
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    return client


@pytest.fixture(scope="module")
def user(aws):
    """Credentials and ARN of a user who may call collections."""
    iam = aws("iam")
    arn = iam.create_user(UserName="reader")["User"]["Arn"]
    allow = {"Effect": "Allow", "Action": "aoss:APIAccessAll", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName="reader", PolicyName="collections", PolicyDocument=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    yield Credentials(key["AccessKeyId"], key["SecretAccessKey"]), arn
    iam.delete_access_key(UserName="reader", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="reader", PolicyName="collections")
    iam.delete_user(UserName="reader")


@pytest.fixture(scope="module")
def collections(aws, user):
    """Endpoints of two vector collections, `first` with a data access policy for the user, `second` with none."""
    aoss = aws("opensearchserverless")
    names = ("first", "second")
    resources = [f"collection/{name}" for name in names]
    encryption = {"Rules": [{"ResourceType": "collection", "Resource": resources}], "AWSOwnedKey": True}
    aoss.create_security_policy(name="encryption", type="encryption", policy=json.dumps(encryption))
    permissions = ["CreateIndex", "DescribeIndex", "ReadDocument", "WriteDocument"]
    rule = {
        "ResourceType": "index",
        "Resource": ["index/first/*"],
        "Permission": [f"aoss:{permission}" for permission in permissions],
    }
    policy = json.dumps([{"Rules": [rule], "Principal": [user[1]]}])
    aoss.create_access_policy(name="data", type="data", policy=policy)
    made = [aoss.create_collection(name=name, type="VECTORSEARCH")["createCollectionDetail"]["id"] for name in names]
    yield {
        detail["name"]: detail["collectionEndpoint"]
        for detail in aoss.batch_get_collection(ids=made)["collectionDetails"]
    }
    for identifier in made:
        aoss.delete_collection(id=identifier)
    aoss.delete_access_policy(name="data", type="data")
    aoss.delete_security_policy(name="encryption", type="encryption")


@pytest.fixture(scope="module")
def call(collections, user):
    """Call the first collection as the user: (method, path, object or NDJSON bytes) -> (status, answer)."""
    client = SignedHttp(collections["first"], "aoss", "us-east-1", user[0])

    def send(method, path, content=None, to=client):
        body = content if isinstance(content, bytes) else json.dumps(content).encode() if content else b""
        answer = to.request(method, path, body, timeout=30)
        return answer.status, json.loads(answer.body or b"null")

    assert send("PUT", "/notes", VECTORS)[0] == 200
    return send


def ndjson(*rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_faiss_is_served_and_other_engines_are_refused(call):
    _, answer = call("GET", "/notes/_mapping")
    assert answer["notes"]["mappings"]["properties"]["embedding"]["method"]["engine"] == "faiss"
    other = json.loads(json.dumps(VECTORS).replace("faiss", "nmslib"))
    status, answer = call("PUT", "/others", other)
    assert (status, answer["error"]["type"]) == (400, "illegal_argument_exception")


def test_ids_of_ours_are_refused_item_by_item(call):
    status, answer = call(
        "POST",
        "/notes/_bulk",
        ndjson(
            {"index": {}},
            {"embedding": [1, 0, 0]},
            {"index": {"_id": "mine"}},
            {"embedding": [0, 1, 0]},
            {"update": {"_id": "mine"}},
            {"doc": {}},
            {"create": {}},
            {"embedding": [0, 0, 1]},
        ),
    )
    assert status == 200
    assert answer["errors"] is True
    items = [next(iter(item.values())) for item in answer["items"]]
    assert [item["status"] for item in items] == [201, 400, 400, 201]
    assert items[1]["error"] == {"type": "illegal_argument_exception", "reason": NO_IDS}
    assert items[0]["_index"] == "notes"
    # The store's own ids delete.
    status, answer = call("POST", "/notes/_bulk", ndjson(*({"delete": {"_id": items[at]["_id"]}} for at in (0, 3))))
    assert [item["delete"]["result"] for item in answer["items"]] == ["deleted", "deleted"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("PUT", "/notes/_doc/mine", {"x": 1}, 400),
        ("PUT", "/notes/_create/mine", {"x": 1}, 400),
        ("POST", "/notes/_update/mine", {"doc": {}}, 400),
        ("POST", "/notes/_bulk?refresh=true", b'{"index":{}}\n{}\n', 400),
        ("POST", "/notes/_delete_by_query", {"query": {"match_all": {}}}, 404),
        ("POST", "/notes/_update_by_query", {"query": {"match_all": {}}}, 404),
        ("POST", "/notes/_refresh", None, 404),
        ("GET", "/_cluster/health", None, 404),
        ("DELETE", "/notes", None, 403),  # the data access policy grants no aoss:DeleteIndex
    ],
)
def test_what_aws_refuses_is_refused(call, method, path, content, status):
    assert call(method, path, content)[0] == status


def test_nobody_gets_in_without_signature_policy_or_right_secret(aws, call, collections, user, cloud):
    url = collections["first"] + "/notes"
    assert urllib3.request("GET", url).status == 403
    second = SignedHttp(collections["second"], "aoss", "us-east-1", user[0])
    assert call("GET", "/notes", to=second)[0] == 403
    forged = SignedHttp(collections["first"], "aoss", "us-east-1", Credentials(user[0].access_key, "wrong"))
    assert call("GET", "/notes", to=forged)[0] == 403
    root = cloud.environment()
    owner = Credentials(root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"])
    assert call("GET", "/notes", to=SignedHttp(collections["first"], "aoss", "us-east-1", owner))[0] == 403


def test_a_domain_asks_iam_for_each_method_and_path(aws):
    iam, domains = aws("iam"), aws("opensearch")
    iam.create_user(UserName="writer")
    key = iam.create_access_key(UserName="writer")["AccessKey"]
    writer = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    made = domains.create_domain(DomainName="notes")["DomainStatus"]

    def allow(*allowed):
        statements = [
            {"Effect": "Allow", "Action": action, "Resource": f"{made['ARN']}/{path}"} for action, path in allowed
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="writer", PolicyName="domain", PolicyDocument=policy)

    def call(method, path, content=b"", service="es"):
        client = SignedHttp(made["Endpoint"], service, "us-east-1", writer)
        return client.request(method, path, content, timeout=30)

    written = ndjson({"index": {"_id": "mine"}}, {"embedding": [1, 0, 0]})
    allow(("es:ESHttpPut", "*"), ("es:ESHttpPost", "*/_bulk"))
    assert call("PUT", "/notes", json.dumps(VECTORS).encode()).status == 200
    assert call("POST", "/notes/_bulk", written, service="aoss").status == 403
    assert call("POST", "/notes/_bulk?refresh=true", written).json()["items"][0]["index"]["_id"] == "mine"
    assert call("POST", "/notes/_search", b"{}").status == 403
    assert call("GET", "/notes").status == 403
    assert urllib3.request("GET", f"{made['Endpoint']}/notes").status == 403
    allow(("es:ESHttpPost", "*/_search"))
    assert call("POST", "/notes/_bulk", written).status == 403
    assert call("POST", "/notes/_search", b"{}").json()["hits"]["hits"][0]["_index"] == "notes"
    domains.delete_domain(DomainName="notes")
    assert call("POST", "/notes/_search", b"{}").status == 404
    again = domains.create_domain(DomainName="notes")["DomainStatus"]
    assert again["ARN"] == made["ARN"] and again["Endpoint"] != made["Endpoint"]
    domains.delete_domain(DomainName="notes")
    iam.delete_access_key(UserName="writer", AccessKeyId=writer.access_key)
    iam.delete_user_policy(UserName="writer", PolicyName="domain")
    iam.delete_user(UserName="writer")


def test_functions_see_their_role_lambdas_packages_and_their_memory_only(aws):
    code = """
import importlib, boto3

def attempt(call):
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def handler(event, context):
    return {
        "who": boto3.client("sts").get_caller_identity()["Arn"],
        "tables": attempt(boto3.client("dynamodb").list_tables),
        "numpy": attempt(lambda: importlib.import_module("numpy")),
        "tandem": attempt(lambda: importlib.import_module("tandem")),
        "memory": [attempt(lambda: len(bytearray(megabytes << 20))) for megabytes in (20, 128)],
    }
"""
    create_function(aws, "probe", code)
    seen = json.load(aws("lambda").invoke(FunctionName="probe")["Payload"])
    assert seen["who"].endswith(":assumed-role/probe/probe")
    assert "AccessDenied" in seen["tables"]
    assert seen["numpy"].startswith("ModuleNotFoundError")
    assert seen["tandem"].startswith("ModuleNotFoundError")
    assert seen["memory"] == [str(20 << 20), "MemoryError: "]  # of 128 MB
    assert ("lambda", "functions", "probe") in audit.leftovers()
    delete_function(aws, "probe")


def test_packages_of_a_zip_are_this_machines_and_no_others_are_seen(aws):
    """The zip's are built for Lambda; another that is installed here is not there on AWS either."""
    code = """
import importlib.util, lxml.etree, parcel

def handler(event, context):
    return [lxml.etree.fromstring("<a>text</a>").text, parcel.NAME, importlib.util.find_spec("openpyxl")]
"""
    theirs = {
        "lxml/__init__.py": "raise ImportError('of another processor')",
        "lxml-0.dist-info/RECORD": "lxml/__init__.py,,\nlxml-0.dist-info/RECORD,,\n",
        "parcel/__init__.py": "NAME = 'parcel'",
        "parcel-1.dist-info/RECORD": "parcel/__init__.py,,\nparcel-1.dist-info/RECORD,,\n",
    }
    create_function(aws, "reader", code, theirs)
    assert json.load(aws("lambda").invoke(FunctionName="reader")["Payload"]) == ["text", "parcel", None]
    delete_function(aws, "reader")


def create_function(aws, name: str, code: str, packages: dict[str, str] | None = None) -> None:
    """A function of that name, with a role that may do nothing; files of packages lie beside its code."""
    role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for file, text in {"index.py": code, **(packages or {})}.items():
            archive.writestr(file, text)
    aws("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": package.getvalue()},
        Timeout=60,
    )


def delete_function(aws, name: str) -> None:
    aws("lambda").delete_function(FunctionName=name)
    aws("iam").delete_role(RoleName=name)
    for group in aws("logs").describe_log_groups()["logGroups"]:
        aws("logs").delete_log_group(logGroupName=group["logGroupName"])


@pytest.mark.faults
def test_a_function_ends_with_a_killed_emulator(aws, cloud):
    create_function(aws, "slow", "import time\n\ndef handler(event, context):\n    time.sleep(event['seconds'])\n")
    aws("lambda").invoke(FunctionName="slow", Payload=json.dumps({"seconds": 0}))
    aws("lambda").invoke(FunctionName="slow", InvocationType="Event", Payload=json.dumps({"seconds": 50}))
    time.sleep(3)  # the state is saved every two seconds
    group = supervisor.EMULATOR.running()["pid"]
    os.kill(group, signal.SIGKILL)
    assert living(group)
    cloud.up(print)
    assert not living(group)
    delete_function(aws, "slow")


def living(group: int) -> list[str]:
    """The processes of a group, without those that have ended and were not noticed."""
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listing.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and row[1][0] != "Z"]


@pytest.mark.faults
def test_state_survives_a_kill(aws, call, cloud):
    bucket = aws("s3")
    bucket.create_bucket(Bucket="kept")
    bucket.put_object(Bucket="kept", Key="a folder/ünïcode.txt", Body=b"text")
    time.sleep(3)  # the state is saved every two seconds
    os.kill(supervisor.EMULATOR.running()["pid"], signal.SIGKILL)
    cloud.up(print)
    assert bucket.get_object(Bucket="kept", Key="a folder/ünïcode.txt")["Body"].read() == b"text"
    assert call("HEAD", "/notes")[0] == 200
    bucket.delete_object(Bucket="kept", Key="a folder/ünïcode.txt")
    bucket.delete_bucket(Bucket="kept")


def test_deleting_a_collection_deletes_its_indices_and_audit_sees_everything(aws, user, call):
    aoss = aws("opensearchserverless")
    assert ("iam", "users", "reader") in audit.leftovers()
    rule = {"ResourceType": "collection", "Resource": ["collection/third"]}
    policy = json.dumps({"Rules": [rule], "AWSOwnedKey": True})
    aoss.create_security_policy(name="third", type="encryption", policy=policy)
    rule = {"ResourceType": "index", "Resource": ["index/third/*"], "Permission": ["aoss:*"]}
    aoss.create_access_policy(name="third", type="data", policy=json.dumps([{"Rules": [rule], "Principal": [user[1]]}]))
    made = aoss.create_collection(name="third", type="VECTORSEARCH")["createCollectionDetail"]["id"]
    [detail] = aoss.batch_get_collection(ids=[made])["collectionDetails"]
    third = SignedHttp(detail["collectionEndpoint"], "aoss", "us-east-1", user[0])
    assert call("PUT", "/notes", VECTORS, to=third)[0] == 200  # the same name as in the first collection
    aoss.delete_collection(id=made)
    aoss.delete_access_policy(name="third", type="data")
    aoss.delete_security_policy(name="third", type="encryption")
    assert not [row for row in audit.leftovers() if row[0] == "opensearch"]
    assert call("HEAD", "/notes")[0] == 200
    with pytest.raises(ClientError, match=r"not found|NotFound"):
        aoss.get_access_policy(name="third", type="data")


def test_a_call_whose_answer_was_lost_is_answered_again_and_not_carried_out_twice(aws):
    iam = aws("iam")

    def create(call: str) -> str:
        with as_call(iam, call):
            return iam.create_role(RoleName="asked-twice", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["RoleId"]

    try:
        assert create("first") == create("first")
        with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
            create("second")
        with pytest.raises(iam.exceptions.EntityAlreadyExistsException):  # a refusal is not remembered
            create("second")
    finally:
        iam.delete_role(RoleName="asked-twice")


def test_what_a_program_asks_for_is_noted_where_it_names_itself(aws, monkeypatch):
    for name in ("", "watched", "watched"):
        monkeypatch.setenv("AWS_SDK_UA_APP_ID", name)
        aws("dynamodb").list_tables()
        with pytest.raises(ClientError):
            aws("lambda").get_function(FunctionName="absent")
    assert (paths.LOGS / "calls.log").read_text().splitlines() == [
        "watched dynamodb:ListTables *",
        "watched lambda:GetFunction arn:aws:lambda:us-east-1:000000000000:function:absent",
    ]


def test_each_request_has_a_line_in_the_log(aws):
    log = paths.LOGS / "emulator.log"
    before = log.stat().st_size
    aws("dynamodb").list_tables()
    aws("s3").list_buckets()
    wanted = {"DynamoDB_20120810.ListTables POST /", "- GET /"}
    requests, deadline = set(), time.monotonic() + 10
    while not wanted <= requests and time.monotonic() < deadline:  # a line comes after the answer
        time.sleep(0.1)
        lines = log.read_bytes()[before:].decode().splitlines()
        requests = {line.partition(" request ")[2] for line in lines if " request " in line}
    assert wanted <= requests
