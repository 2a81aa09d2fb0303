# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The Python language host: runs programs, component plugins and policy packs for the Pulumi engine.

The official host can't be built from Go modules; this one runs programs by the same `pulumi-language-python-exec`
(`build.py` takes that script from Pulumi's Go SDK), so their errors look as they do everywhere.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Generator
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty  # ty: ignore[missing-module-member]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.toolchain import guard, plugin

SHOWED_THE_ERROR = 32  # how that script says that the user has been told what is wrong


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the engine at the address `engine`, and runs programs by the script `runner`."""

    def __init__(self, runner: str, engine: str) -> None:
        self.runner, self.engine = runner, engine
        self.running: set[subprocess.Popen] = set()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(self, request, context):
        # None: each resource names its plugin's version itself, and installing is the toolchain's business.
        return language_pb2.GetRequiredPackagesResponse()

    def InstallDependencies(self, request, context):
        yield language_pb2.InstallDependenciesResponse(stdout=b"make installs the Python packages into .venv\n")

    def Run(self, request, context):
        """Run a program to its end; `bail` tells the engine that the program's error has been shown."""
        options = {
            "monitor": request.monitor_address,
            "engine": self.engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "organization": request.organization,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
        }
        arguments = [f"--{name}={value}" for name, value in options.items() if value]
        program = Path(request.info.program_directory) / (request.info.entry_point or ".")
        environment = os.environ | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, self.runner, *arguments, str(program), *request.args]
        with self._child(command, cwd=request.pwd or None, env=environment) as process:
            code = process.wait()
        if code == SHOWED_THE_ERROR:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(self, request, context):
        """Run a component plugin or a policy pack, passing on what it writes, until it ends or the call does."""
        environment = dict(entry.split("=", 1) for entry in request.env) or dict(os.environ)
        command = [sys.executable, "-u", request.program or request.info.program_directory, *request.args]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self._child(command, cwd=request.pwd or None, env=environment, **pipes) as process:
            context.add_callback(lambda: guard.stop(process))
            streams = {getattr(process, name).fileno(): name for name in pipes}
            while streams:
                for stream in select.select(list(streams), [], [])[0]:
                    if block := os.read(stream, 1 << 16):
                        written: dict[str, Any] = {streams[stream]: block}
                        yield language_pb2.RunPluginResponse(**written)
                    else:
                        del streams[stream]
            yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request, context):
        for process in list(self.running):
            guard.stop(process)
        return Empty()

    @contextlib.contextmanager
    def _child(self, command: list[str], **options) -> Generator[subprocess.Popen]:
        process = guard.start(command, **options)
        self.running.add(process)
        try:
            yield process
        finally:
            self.running.discard(process)
            guard.stop(process)


if __name__ == "__main__":
    plugin.serve(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, PythonHost(sys.argv[1], sys.argv[-1]))
