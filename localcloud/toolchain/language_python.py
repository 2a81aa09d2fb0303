# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The Python language host: runs programs, component plugins and policy packs for the Pulumi engine.

The official host can't be built from Go modules. Its code runs here all the same: `pulumi-language-python-exec`, which
`engine.py` takes from Pulumi's Go SDK, runs programs, so their errors look as they do everywhere; the SDK's package
`python/toolchain`, as a command in `go/`, makes and uses an environment that a project names (`virtualenv`). What names
none runs in the local cloud's own. The engine does without the methods that are missing here.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf.json_format import MessageToJson
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.toolchain import plugin

SHOWED_THE_ERROR = 32  # how that script says that the user has been told what is wrong
ERROR_BYTES = 2000  # of the end: three times as many, if nothing is ASCII, is what gRPC surely takes in a header


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the engine at the address `engine`; runs programs by the script `runner`, environments by `toolchain`."""

    def __init__(self, runner: str, toolchain: str, engine: str) -> None:
        self.runner, self.toolchain, self.engine = runner, toolchain, engine

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def GetRequiredPackages(self, request, context):
        """Make the environment of a program where there is none; its plugins are asked for when it needs them."""
        if "virtualenv" in request.info.options:
            with grpc.insecure_channel(self.engine) as channel:
                log = engine_pb2_grpc.EngineStub(channel).Log
                for line in self._output("ensure", request, context):
                    log(engine_pb2.LogRequest(severity="INFO", message=line.decode(errors="replace"), ephemeral=True))
        return language_pb2.GetRequiredPackagesResponse()

    def InstallDependencies(self, request, context):
        """Make the environment, or bring it up to date, as `pulumi install` asks for."""
        if "virtualenv" in request.info.options:
            for line in self._output("install", request, context):
                yield language_pb2.InstallDependenciesResponse(stdout=line)

    def Run(self, request, context):
        """Run a program to its end; `bail` tells the engine that the program's error has been shown."""
        options = {name: getattr(request, name) for name in ("project", "stack", "organization", "pwd", "parallel")}
        options |= {"monitor": request.monitor_address, "engine": self.engine, "dry_run": str(request.dryRun).lower()}
        options |= {"root_directory": request.info.root_directory}
        arguments = [f"--{name}={value}" for name, value in options.items() if value]
        program = Path(request.info.program_directory) / (request.info.entry_point or ".")
        environment = os.environ | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            "PYTHONUNBUFFERED": "1",
        }
        command = [*self._python(request), self.runner, *arguments, str(program), *request.args]
        code = _start(command, context, cwd=request.pwd or None, env=environment).wait()
        if code == SHOWED_THE_ERROR:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(self, request, context):
        """Run a component plugin or a policy pack until it ends or the call does; it has this host's stderr."""
        program = request.program or request.info.program_directory
        command = [*self._python(request), "-u", program, *request.args]
        environment = dict(entry.split("=", 1) for entry in request.env) or None
        process = _start(command, context, cwd=request.pwd or None, env=environment, stdout=subprocess.PIPE)
        for line in process.stdout or ():
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def _python(self, request) -> list[str]:
        """The Python that a program asks for, as the beginning of a command."""
        return self._toolchain("python", request.info) if "virtualenv" in request.info.options else [sys.executable]

    def _toolchain(self, verb: str, info) -> list[str]:
        return [self.toolchain, verb, info.root_directory, info.program_directory, MessageToJson(info.options)]

    def _output(self, verb: str, request, context) -> Iterator[bytes]:
        """The lines that the toolchain prints; the call fails with its error."""
        with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads from would be full at some time
            command = self._toolchain(verb, request.info)
            process = _start(command, context, stdout=subprocess.PIPE, stderr=errors)
            yield from process.stdout or ()
            if process.wait():
                errors.seek(max(0, errors.tell() - ERROR_BYTES))
                context.abort(grpc.StatusCode.UNKNOWN, errors.read().decode(errors="ignore").strip())


def _start(command: list[str], context, **options) -> subprocess.Popen:
    process = plugin.start(command, **options)
    context.add_callback(lambda: plugin.stop(process))  # when the call has ended, or the engine cancels it
    return process


if __name__ == "__main__":
    plugin.serve(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, PythonHost(*sys.argv[1:3], sys.argv[-1]))
