"""The AWS emulator (ministack), enforcing IAM and keeping its state: `python -m localcloud.services.emulator`.

The supervisor gives the environment: the parts' ports, the endpoint URLs and the root credentials.
"""

import json
import logging
import os
import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

from localcloud import differences, paths

SAVE_SECONDS = 2.0
# A line of the log for each request. DynamoDB's and SQS's say in a header what they ask for.
REQUEST = "request %({x-amz-target}i)s %(m)s %(U)s"
# What a Python function finds in AWS Lambda besides the standard library and its own zip.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")
# Run where a zip is unpacked. Its packages are built for Lambda: as installed for this machine, they stand in front of
# those on the path, as a layer does.
OWN_BUILDS = """
own=${PWD%/*}/own
mkdir -p "$own"
for theirs in *.dist-info/RECORD; do
  for ours in "$packages/${theirs%%-*}"-*.dist-info; do
    test -f "$theirs" && test -d "$ours" || continue
    for name in $(cut -d , -f 1 "$theirs" | cut -d / -f 1 | sort -u); do ln -s "$packages/$name" "$own"; done
  done
done
export _LAMBDA_LAYERS_DIRS="${_LAMBDA_LAYERS_DIRS:+$_LAMBDA_LAYERS_DIRS:}$own"
"""

# Read by the emulator when it is imported, below.
os.environ.update(
    AUTH="true",
    BIND_HOST="127.0.0.1",
    GATEWAY_PORT=os.environ["TANDEM_LOCAL_EMULATOR_PORT"],
    MINISTACK_HOST="127.0.0.1",
    PERSIST_STATE="1",
    STATE_DIR=str(paths.EMULATOR / "state"),
    S3_PERSIST="1",
    S3_DATA_DIR=str(paths.EMULATOR / "s3"),
    IOT_MTLS_ENABLED="0",
    SFTP_ENABLED="0",
)

import boto3  # noqa: E402
from ministack import app as emulator  # noqa: E402
from ministack.core import iam_actions, lambda_runtime, persistence  # noqa: E402
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict, get_account_id  # noqa: E402
from ministack.services import eventbridge  # noqa: E402

from localcloud.services import (  # noqa: E402
    ACCESS_POLICIES,
    TOKEN_REVIEW,
    calls,
    cluster_access,
    eks,
    search,
    stepfunctions,
    tagging,
)
from localcloud.services.answers import ID, Answers  # noqa: E402

# Asked every few seconds for the nodes of node groups, and changes nothing.
UNCHANGING = ("GET /clusters", f"POST {ACCESS_POLICIES}", f"POST {TOKEN_REVIEW}")
_answers: Answers[list[Any]] = Answers()
_changed = threading.Event()
_app = emulator.app
_special_request = emulator._handle_special_data_plane_request
_pin_request_origin = emulator.pin_request_origin
_extract_iam_action = iam_actions.extract_iam_action


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The emulator's application: answers a lost answer again, and notes that the state may have changed."""
    call = "" if scope.get("method", "GET") == "GET" else dict(scope["headers"]).get(ID.encode(), b"").decode()
    if said := _answers.get(call):
        while (await receive()).get("more_body"):
            pass
        for message in said:
            await send(message)
        return
    said = []

    async def say(message: Any) -> None:
        said.append(message)
        await send(message)

    await _app(scope, receive, say if call else send)
    if said and said[0].get("status", 500) < 300:
        _answers.keep(call, said)
    if not f"{scope.get('method')} {scope.get('path')}".startswith(UNCHANGING):
        _changed.set()


async def special_request(method: str, path: str, headers: dict, body: bytes, parameters: dict, *rest: Any, **raw: Any):
    """The emulator's dispatch of requests that belong to no AWS API, with ours before it."""
    if path.startswith(search.PATHS):
        body = emulator._decompress_request_body(body, headers)
        return await search.serve(method, raw["raw_path"], raw["raw_query_string"], headers, body, parameters)
    if path == "/_tandem/events":  # of other parts: PutEvents takes none whose source begins with aws
        eventbridge._put_events(json.loads(body), allow_aws_source=True)
        return 200, {}, b""
    if path == TOKEN_REVIEW:
        return 200, {"Content-Type": "application/json"}, cluster_access.review(body)
    if path == ACCESS_POLICIES:
        wanted = cluster_access.policies(json.loads(body))
        return 200, {"Content-Type": "application/json"}, json.dumps(wanted).encode()
    if path == "/_tandem/resources":
        return 200, {"Content-Type": "application/json"}, json.dumps(resources()).encode()
    return await _special_request(method, path, headers, body, parameters, *rest, **raw)


def extract_iam_action(service: str, method: str, path: str, headers: dict, *request: Any) -> str | None:
    """The action to authorize: SQS's batch calls need the permission of the single call, as the SQS guide says.

    What the emulator serves and doesn't name: the recursion of a function.
    """
    action = _extract_iam_action(service, method, path, headers, *request)
    if action and service == "sqs":
        action = action.removesuffix("Batch")
    if service == "lambda" and path.endswith("/recursion-config"):
        action = f"lambda:{method.title()}FunctionRecursionConfig"
    if program := calls.program(headers.get("user-agent", "")):
        where = (emulator.extract_region(headers), get_account_id())
        resource = iam_actions.extract_resource_arn(service, method, path, headers, *request, *where)
        calls.note(program, action or f"{service}:{method}:{path}", resource)
    return action


def resources() -> list[tuple[str, str, str]]:
    """Return service, kind and key of every record that the emulator holds, but of what was deleted."""
    found = []
    for service, state in states().items():
        for kind, records in state.items():
            scoped = isinstance(records, AccountRegionScopedDict | AccountScopedDict)
            held = {key[-1]: record for key, record in records._data.items()} if scoped else records
            if isinstance(held, dict):
                held = [key for key, record in held.items() if not _is_deleted(record)]
            if isinstance(held, list | set):
                found += [(service, kind, str(key)) for key in held]
    return found


def _is_deleted(record: Any) -> bool:
    """Whether it was deleted, and AWS shows it a while longer: NAT gateways an hour, keys the days that they wait."""
    state = {record.get("State"), record.get("KeyState")} if isinstance(record, dict) else set()
    return bool(state & {"deleted", "PendingDeletion"})


def states() -> dict[str, dict[str, Any]]:
    """Return a copy of every service's state."""
    for _ in range(20):
        try:
            return {service: read() or {} for service, read in emulator._build_persistence_save_dict().items()}
        except RuntimeError:  # a dictionary changed while it was copied
            time.sleep(0.02)
    raise RuntimeError("the emulator's state changes faster than it can be copied")


def keep_state() -> None:
    """Save what has changed every few seconds, so that a killed emulator comes back as it was."""
    while _changed.wait():
        time.sleep(SAVE_SECONDS)
        _changed.clear()
        for service, state in states().items():
            if state:
                persistence.save_state(service, state)


def isolate_functions() -> None:
    """Run Python functions on the standard library, boto3 and their own zip, as Lambda does, not on our packages, and
    within their memory, and with the least score that belongs to the model which embeds here."""
    runtime, python, packages = paths.EMULATOR / "runtime", paths.EMULATOR / "python", Path(boto3.__file__).parents[1]
    runtime.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        (runtime / name).unlink(missing_ok=True)
        (runtime / name).symlink_to(packages / name)
    # -d: memory that a process may write to, in KiB; threads reserve more addresses than they use, so not -v.
    # -S: no site-packages and no editable installs; -s: nothing from the user's home.
    command = "ulimit -d $((AWS_LAMBDA_FUNCTION_MEMORY_SIZE * 1024))\n"
    command += f"export TANDEM_MIN_SCORE={differences.MIN_SCORE}\n"  # a function's own variables are set after it
    command += f'PYTHONPATH={shlex.quote(str(runtime))} exec {shlex.quote(sys.executable)} -S -s "$@"'
    python.write_text(f"#!/bin/sh\npackages={shlex.quote(str(packages))}{OWN_BUILDS}{command}\n")
    python.chmod(0o755)
    patched: Any = lambda_runtime
    patched._detect_runtime_binary = lambda _: (str(python), lambda_runtime._PYTHON_WORKER_SCRIPT)


if __name__ == "__main__":
    search.install()
    stepfunctions.install()
    eks.install()
    tagging.install()
    isolate_functions()
    patched: Any = emulator
    patched._handle_special_data_plane_request = special_request
    # Policies that demand TLS are met: loopback stands for it here.
    patched.pin_request_origin = lambda address, _: _pin_request_origin(address, True)
    patched.app = application
    patched._HypercornConfig.accesslog, patched._HypercornConfig.access_log_format = "-", REQUEST
    setattr(iam_actions, "extract_iam_action", extract_iam_action)  # noqa: B010 - another signature
    logging.getLogger("persistence").setLevel(logging.WARNING)
    threading.Thread(target=keep_state, daemon=True).start()
    emulator.main()
