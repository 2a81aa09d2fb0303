"""Providers that make nothing and answer as `scripts.recorder` does, and whose deletions one can hold.

The engine attaches to them (`PULUMI_DEBUG_PROVIDERS`), so that its own order of deletions is seen in a minute.
"""

import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, resource_pb2, resource_pb2_grpc

from scripts.recorder import Answers

QUIET_SECONDS = 0.4
PROVIDERS = ("aws", "kubernetes")


class SlowProvider(provider_pb2_grpc.ResourceProviderServicer):
    """All providers at once."""

    def __init__(self) -> None:
        self._answers = Answers()
        self.hold("")

    def hold(self, type_: str) -> None:
        """Begin anew, with deletions of this type that end only once no other has begun for a while."""
        self.events: list[tuple[str, str]] = []
        """"begin" or "end" of a deletion, and its URN."""
        self._held, self._last = type_, time.monotonic()

    def is_before(self, first: str, then: str) -> bool:
        """Whether everything whose URN has `first` was gone before the deletion of anything with `then` began."""
        ends = [number for number, (what, urn) in enumerate(self.events) if what == "end" and first in urn]
        begins = [number for number, (what, urn) in enumerate(self.events) if what == "begin" and then in urn]
        assert ends and begins, (first, then)
        return max(ends) < min(begins)

    def Handshake(self, _request, _context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=False)

    def Attach(self, _request, _context):
        return empty_pb2.Empty()

    def Cancel(self, _request, _context):
        return empty_pb2.Empty()

    def GetPluginInfo(self, _request, _context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request, _context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, _request, _context):
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, _request, _context):
        return provider_pb2.ConfigureResponse(acceptSecrets=True)

    def Check(self, request, _context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def Create(self, request, _context):
        type_, name = request.urn.split("::")[2:]
        id_, state = self._answers.new_resource(
            MockResourceArgs(type_.rpartition("$")[2], name, MessageToDict(request.properties))
        )
        return provider_pb2.CreateResponse(id=id_, properties=_struct(state))

    def Delete(self, request, _context):
        self._last = time.monotonic()
        self.events.append(("begin", request.urn))
        if request.urn.split("::")[2].rpartition("$")[2] == self._held:
            while time.monotonic() - self._last < QUIET_SECONDS:
                time.sleep(QUIET_SECONDS / 4)
        self.events.append(("end", request.urn))
        return empty_pb2.Empty()

    def Invoke(self, request, _context):
        answer = self._answers.call(MockCallArgs(request.tok, MessageToDict(request.args), ""))
        return provider_pb2.InvokeResponse(**{"return": _struct(answer)})

    def Construct(self, request, _context):
        """A chart, with one object of those that it makes."""
        with grpc.insecure_channel(request.monitorEndpoint) as channel:
            monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
            chart = monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    dependencies=request.dependencies,
                    providers=request.providers,
                )
            )
            monitor.RegisterResource(
                resource_pb2.RegisterResourceRequest(
                    type="kubernetes:apps/v1:Deployment",
                    name=request.name,
                    parent=chart.urn,
                    custom=True,
                    provider=request.providers["kubernetes"],
                    object=_struct({}),
                )
            )
        return provider_pb2.ConstructResponse(urn=chart.urn)


def _struct(values: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


@contextmanager
def serving(provider: SlowProvider) -> Iterator[dict[str, str]]:
    """The variables with which the engine finds it, while the block runs."""
    server = grpc.server(futures.ThreadPoolExecutor(64))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield {"PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name in PROVIDERS)}
    finally:
        server.stop(None)
