# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The Python language host: runs programs, component plugins and policy packs for the Pulumi engine.

The official host can't be built from Go modules; this one runs the same `pulumi-language-python-exec` as it does
(`build.py` takes that script from Pulumi's Go SDK), so errors of a program look as they do everywhere.
"""

import contextlib
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.toolchain import guard

SHOWED_THE_ERROR = 32  # how that script says that the user has been told what is wrong


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the engine at the address `engine`, and runs programs by the script `runner`."""

    def __init__(self, runner: str, engine: str) -> None:
        self.runner = runner
        self.engine = engine
        self.running: set[subprocess.Popen[bytes]] = set()

    def Handshake(self, request, context):
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(self, request, context):
        return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())

    def GetRequiredPlugins(self, request, context):
        # None: each resource names its plugin's version itself, and installing is the toolchain's business.
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request, context):
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, request, context):
        installed = {item.metadata["Name"]: item.version for item in metadata.distributions()}
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=installed[name]) for name in sorted(installed)]
        )

    def RuntimeOptionsPrompts(self, request, context):
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request, context) -> Iterator[language_pb2.InstallDependenciesResponse]:
        yield language_pb2.InstallDependenciesResponse(stdout=b"make installs the Python packages into .venv\n")

    def Run(self, request, context):
        """Run a program to its end; `bail` tells the engine that the program's error has been shown."""
        program = Path(request.info.program_directory) / (request.info.entry_point or ".")
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
        arguments = [part for name, value in options.items() if value for part in (f"--{name}", value)]
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

    def RunPlugin(self, request, context) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a component plugin or a policy pack, passing on what it writes, until it ends or the call does."""
        environment = dict(entry.split("=", 1) for entry in request.env) or dict(os.environ)
        command = [sys.executable, "-u", request.program or request.info.program_directory, *request.args]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self._child(command, cwd=request.pwd or None, env=environment, **pipes) as process:
            context.add_callback(lambda: guard.stop(process))
            written: queue.Queue[tuple[str, bytes]] = queue.Queue()

            def pump(name: str) -> None:
                stream = getattr(process, name)
                while block := stream.read1(65536):
                    written.put((name, block))
                written.put((name, b""))

            for name in pipes:
                threading.Thread(target=pump, args=(name,), daemon=True).start()
            open_streams = len(pipes)
            while open_streams:
                name, block = written.get()
                if block:
                    yield language_pb2.RunPluginResponse(**{name: block})
                else:
                    open_streams -= 1
            yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request, context):
        for process in list(self.running):
            guard.stop(process)
        return empty_pb2.Empty()

    @contextlib.contextmanager
    def _child(self, command: list[str], **options) -> Iterator[subprocess.Popen[bytes]]:
        process = guard.start(command, **options)
        self.running.add(process)
        try:
            yield process
        finally:
            self.running.discard(process)
            guard.stop(process)


def main() -> None:
    """Serve the engine whose address is the last argument, with the runner that is the first; print the port."""
    guard.exit_with_parent()
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # how the engine ends its plugins; guards end the children
    server = grpc.server(ThreadPoolExecutor(max_workers=32), options=[("grpc.max_receive_message_length", 400 << 20)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(sys.argv[1], sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
