"""The AWS emulator (ministack) with its state kept on disk and IAM enforced: `python -m localcloud.services.emulator`.

The supervisor gives the environment: GATEWAY_PORT, TANDEM_LOCAL_OPENSEARCH_PORT, AWS_ENDPOINT_URL,
AWS_ENDPOINT_URL_BEDROCK_RUNTIME and the root credentials. What the emulator reads when it is imported is set here.
"""

import asyncio
import importlib.util
import json
import logging
import os
import shlex
import sys
import threading
from pathlib import Path
from typing import Any

from localcloud import paths

SAVE_SECONDS = 2.0
# What a Python function finds in AWS Lambda besides the standard library and its own zip.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")


def main() -> None:
    """Serve until SIGTERM."""
    settings = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(paths.EMULATOR / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(paths.EMULATOR / "s3"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    os.environ.update(settings)

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as emulator

    from localcloud.services import aoss

    aoss.install()
    _isolate_functions()
    logging.getLogger("persistence").setLevel(logging.WARNING)
    keeper = _StateKeeper(emulator)
    special = emulator._handle_special_data_plane_request

    async def special_with_ours(method: str, path: str, headers: dict, body: bytes, parameters: dict, *rest, **more):
        if path.startswith(aoss.PATH):
            body = emulator._decompress_request_body(body, headers)
            return await aoss.serve(
                method, more["raw_path"] or path, more["raw_query_string"], headers, body, parameters
            )
        if path == "/_tandem/resources":
            content = await asyncio.to_thread(lambda: json.dumps(keeper.resources()).encode())
            return 200, {"Content-Type": "application/json"}, content
        return await special(method, path, headers, body, parameters, *rest, **more)

    emulator._handle_special_data_plane_request = special_with_ours

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            keeper.start()
        keeper.changed.set()
        await emulator.app(scope, receive, send)
        keeper.changed.set()

    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75
    asyncio.run(serve(application, config))


def _isolate_functions() -> None:
    """Run Python functions on the standard library, boto3 and their own zip, as Lambda does, not on our packages."""
    from ministack.core import lambda_runtime

    runtime = paths.EMULATOR / "runtime"
    runtime.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec and spec.origin  # noqa: S101 - boto3 and what it depends on are installed
        source = Path(spec.origin)
        source = source.parent if source.name == "__init__.py" else source
        (runtime / source.name).unlink(missing_ok=True)
        (runtime / source.name).symlink_to(source)
    python = paths.EMULATOR / "python"
    # -S: no site-packages and no editable installs; -s: nothing from the user's home.
    python.write_text(f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(runtime))} exec {shlex.quote(sys.executable)} -S -s \"$@\"\n")
    python.chmod(0o755)
    detect = lambda_runtime._detect_runtime_binary

    def detect_isolated(runtime_name: str) -> tuple[str, str]:
        binary, script = detect(runtime_name)
        return (str(python) if binary == sys.executable else binary), script

    lambda_runtime._detect_runtime_binary = detect_isolated


class _StateKeeper:
    """Saves what changed every few seconds, so that a killed emulator comes back as it was."""

    def __init__(self, emulator: Any) -> None:
        self.changed = threading.Event()
        self._emulator = emulator
        self._saved: dict[str, int] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.changed.wait()
            threading.Event().wait(SAVE_SECONDS)
            self.changed.clear()
            for name, state in self._states().items():
                self._save(name, state)

    def _states(self) -> dict[str, Any]:
        states = {}
        for name, read in self._emulator._build_persistence_save_dict().items():
            try:
                states[name] = read()
            except RuntimeError:  # a dictionary changed while it was copied; the next round has it
                self.changed.set()
        return states

    def _save(self, name: str, state: Any) -> None:
        from ministack.core import persistence

        if state is None:
            return
        fingerprint = hash(json.dumps(state, default=persistence._json_default))
        if self._saved.get(name) != fingerprint:
            persistence.save_state(name, state)
            self._saved[name] = fingerprint

    def resources(self) -> dict[str, dict[str, list[str]]]:
        """Every record that the emulator holds: service -> kind -> keys."""
        from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

        found: dict[str, dict[str, list[str]]] = {}
        for name, state in self._states().items():
            for kind, records in (state or {}).items():
                scoped = isinstance(records, AccountRegionScopedDict | AccountScopedDict)
                entries = records._data if scoped else records
                if isinstance(entries, dict | list | set) and entries:
                    keys = [str(key[-1] if scoped else key) for key in entries]
                    found.setdefault(name, {})[kind] = keys
        return found


if __name__ == "__main__":
    main()
