"""The plugin as an engine runs it: a process, asked by gRPC to construct components, which asks the engine back."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    errors_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
    status_pb2,
)

from scripts.recorder import ANSWERS, ROOT

DETAILS = "grpc-status-details-bin"
# As much as the engine takes (grpc-go's default); fifty mistakes are more than Python's 8 KB.
OPTIONS = [("grpc.max_metadata_size", 16 << 20), ("grpc.absolute_max_metadata_size", 16 << 20)]


class Refused(NamedTuple):
    """What the engine is told of a component that can't be made."""

    message: str
    mistakes: list[tuple[str, str]]
    """The path of each property, and what is wrong with it."""


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """What the plugin asks the engine before it registers anything."""

    def GetDeploymentInfo(self, request, context):
        return resource_pb2.DeploymentInfo()

    def Invoke(self, request, context):
        answer = ANSWERS[request.tok]
        found = answer(MessageToDict(request.args)) if callable(answer) else answer
        return provider_pb2.InvokeResponse(**{"return": ParseDict(found, Struct())})


class Engine(engine_pb2_grpc.EngineServicer):
    """What it tells the engine."""

    def Log(self, request, context):
        return Empty()


class HostedPlugin:
    def __init__(self, channel: grpc.Channel, monitor: str):
        self._provider, self._monitor = provider_pb2_grpc.ResourceProviderStub(channel), monitor

    def refusal(self, kind: str, inputs: Mapping[str, Any], name: str = "handbook") -> Refused:
        """How it refuses to construct `tandem:index:<kind>` with these properties, as YAML and JSON have them."""
        request = provider_pb2.ConstructRequest(
            project="project",
            stack="test",
            dryRun=True,
            monitorEndpoint=self._monitor,
            type=f"tandem:index:{kind}",
            name=name,
            inputs=ParseDict(dict(inputs), Struct()),
        )
        try:
            self._provider.Construct(request, timeout=60)
        except grpc.RpcError as error:
            return _refused(error)
        raise AssertionError(f"{inputs} was accepted.")


def _refused(error: Any) -> Refused:
    details = dict(error.trailing_metadata() or ()).get(DETAILS)
    mistakes = []
    for each in status_pb2.Status.FromString(details).details if details else ():
        properties = errors_pb2.InputPropertiesError()
        each.Unpack(properties)
        mistakes += [(it.property_path, it.reason) for it in properties.errors]
    return Refused(error.details(), mistakes)


@contextmanager
def hosted_plugin() -> Iterator[HostedPlugin]:
    server = grpc.server(ThreadPoolExecutor(2))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
    engine = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    command = [sys.executable, str(ROOT / "components"), engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plugin:
        try:
            port = next(iter(plugin.stdout or ()), "").strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}", OPTIONS) as channel:
                yield HostedPlugin(channel, engine)
        finally:
            plugin.kill()
            server.stop(None).wait()
