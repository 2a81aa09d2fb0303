# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The Python language host: runs programs, component plugins and policy packs for the Pulumi engine.

The official host can't be built from Go modules; this one runs programs by the same `pulumi-language-python-exec`
(`build.py` takes it from Pulumi's Go SDK), so their errors look as they do everywhere. The engine does without the
methods that are missing here, such as those that install packages, which is the toolchain's business.
"""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from localcloud.toolchain import plugin

SHOWED_THE_ERROR = 32  # how that script says that the user has been told what is wrong


class PythonHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the engine at the address `engine`, and runs programs by the script `runner`."""

    def __init__(self, runner: str, engine: str) -> None:
        self.runner, self.engine = runner, engine

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

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
        command = [self.runner, *arguments, str(program), *request.args]
        code = self._start(command, request, context, env=environment).wait()
        if code == SHOWED_THE_ERROR:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(self, request, context):
        """Run a component plugin or a policy pack until it ends or the call does; it has this host's stderr."""
        command = ["-u", request.program or request.info.program_directory, *request.args]
        environment = dict(entry.split("=", 1) for entry in request.env) or None
        process = self._start(command, request, context, env=environment, stdout=subprocess.PIPE)
        for line in process.stdout or ():
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def _start(self, command: list[str], request, context, **options) -> subprocess.Popen:
        process = plugin.start([sys.executable, *command], cwd=request.pwd or None, **options)
        context.add_callback(lambda: plugin.stop(process))  # when the call has ended, or the engine cancels it
        return process


if __name__ == "__main__":
    plugin.serve(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, PythonHost(sys.argv[1], sys.argv[-1]))
