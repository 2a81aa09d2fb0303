# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The resource provider that the Pulumi engine loads as the `aws` plugin: translates, and forwards to the bridge."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partialmethod
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import grpc
from google.protobuf.empty_pb2 import Empty  # ty: ignore[missing-module-member]
from google.protobuf.json_format import MessageToDict as _dict
from google.protobuf.struct_pb2 import Struct  # ty: ignore[missing-module-member]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

from localcloud import differences
from localcloud.toolchain import plugin, translation

# The bridge's own outputs, kept in the state beside the translated ones, so that nothing is lost on the way back.
ORIGINAL = "__bridge"

# Made here rather than by the Terraform provider, which waits ten minutes before it looks at one.
DOMAIN = "aws:opensearch/domain:Domain"

# Where a request has the inputs that the properties of its answer belong to.
INPUTS = {"Check": "news", "Create": "properties", "Read": "inputs", "Update": "news"}


def start_bridge(
    bridge: str, terraform_provider: str, engine: str = "127.0.0.1:0"
) -> tuple[subprocess.Popen[bytes], Any]:
    """Start the dynamic bridge on the Terraform AWS provider; the process and a client of it.

    Every five minutes it asks whether the engine at this address is alive, and ends if not.

    Raises RpcError, or ValueError where the bridge tells no port.
    """
    process = plugin.start([bridge, engine], stdout=subprocess.PIPE)
    assert process.stdout  # noqa: S101 - it is a pipe
    try:
        channel = grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}", options=plugin.LARGE)
        client = provider_pb2_grpc.ResourceProviderStub(channel)
        arguments = provider_pb2.ParameterizeRequest.ParametersArgs(args=[terraform_provider])
        client.Parameterize(provider_pb2.ParameterizeRequest(args=arguments))
    except (grpc.RpcError, ValueError):
        plugin.stop(process)
        raise
    return process, client


def _name(request) -> str:
    """The property that names a recorded resource."""
    return translation.AUTONAMED[translation.type_of(request.urn)]


def _record(request):
    if translation.type_of(request.urn) == DOMAIN:
        asked = {"DomainName": request.properties["domainName"]}
        made = {} if request.preview else boto3.client("opensearch").create_domain(**asked)["DomainStatus"]
        request.properties.update({"arn": made.get("ARN", UNKNOWN), "endpoint": made.get("Endpoint", UNKNOWN)})
        return provider_pb2.CreateResponse(id=made.get("ARN", ""), properties=request.properties)
    identifier = "" if request.preview else f"{request.properties[_name(request)]}-{uuid.uuid4().hex[:8]}"
    request.properties["arn"] = f"arn:aws:local:::{identifier}" if identifier else UNKNOWN
    return provider_pb2.CreateResponse(id=identifier, properties=request.properties)


def _forget(request):
    if translation.type_of(request.urn) == DOMAIN:
        boto3.client("opensearch").delete_domain(DomainName=request.properties["domainName"])
    return Empty()


# What is answered for the types that are kept in the state and nowhere else.
RECORDER = {
    "Check": lambda asked: provider_pb2.CheckResponse(inputs=asked.news),
    "Diff": lambda asked: provider_pb2.DiffResponse(diffs=_changed(asked), replaces=_changed(asked) & {_name(asked)}),
    "Create": _record,
    "Read": lambda asked: provider_pb2.ReadResponse(id=asked.id, properties=asked.properties, inputs=asked.inputs),
    "Update": lambda asked: provider_pb2.UpdateResponse(properties=_dict(asked.olds) | _dict(asked.news)),
    "Delete": _forget,
}


class AwsStandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `aws` by the bridge `bridge` on the Terraform provider `terraform_provider`, whose `types` are known."""

    def __init__(self, programs: tuple[str, str, str], types: translation.Types) -> None:
        """`programs` are bridge and Terraform provider, and the address of the engine."""
        self.programs, self.types, self.bridge = programs, types, None

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-aws"))

    def Cancel(self, request, context):
        return self.bridge.Cancel(request) if self.bridge else Empty()

    def Configure(self, request, context):
        """Start the bridge with the settings given; no secrets: the engine then unwraps and marks them."""
        _, self.bridge = start_bridge(*self.programs)
        texts = {key: text for key, text in _dict(request.args).items() if key != "version"}  # of this plugin
        given = {key: json.loads(text) if text.startswith(("[", "{")) else text for key, text in texts.items()}
        settings = translation.shaped(given, "provider", self.types, "pulumi:providers:aws")
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
        self._call("Configure", provider_pb2.ConfigureRequest(args=texts), context)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def _forward(self, method: str, request, context):
        """Answer about a resource or function as the bridge does, with each property bag translated there and back."""
        token = request.tok if method == "Invoke" else translation.type_of(request.urn)
        if token in differences.recorded_types():
            return RECORDER[method](request)
        given = _dict(getattr(request, INPUTS[method])) if method in INPUTS else {}
        for _, bag in _bags(request):
            ours = _dict(bag)
            original = json.loads(ours.get(ORIGINAL, "null"))
            _fill(bag, original or translation.to_bridge(token, ours, self.types))
        if method == "Invoke":
            request.tok = translation.bridge_token(token, self.types)
        else:
            request.urn = translation.bridge_urn(request.urn, self.types)
            request.type = translation.type_of(request.urn)
        answer = self._call(method, request, context)
        for name, bag in _bags(answer):
            theirs = _dict(bag)
            ours = translation.from_bridge(token, theirs, given, self.types)
            if name != "inputs":
                translation.complete(token, ours)
            if name == "properties":
                ours[ORIGINAL] = json.dumps(theirs)
            _fill(bag, given if method == "Read" and name == "inputs" and given else ours)
        return answer

    Invoke = partialmethod(_forward, "Invoke")
    Create = partialmethod(_forward, "Create")
    Read = partialmethod(_forward, "Read")
    Update = partialmethod(_forward, "Update")
    Delete = partialmethod(_forward, "Delete")

    def Check(self, request, context):
        token = translation.type_of(request.urn)
        translation.autoname(token, request.name, request.randomSeed, request.news, request.olds)
        try:
            return self._forward("Check", request, context)
        except translation.Unserved as error:
            failure = provider_pb2.CheckFailure(reason=str(error))
            return provider_pb2.CheckResponse(failures=[failure])

    def Diff(self, request, context):
        """Which properties differ, without those that the differences absorb, and which of them replace."""
        token, changed = translation.type_of(request.urn), _changed(request)
        given = [*request.news, *request.old_inputs]
        answer = self._forward("Diff", request, context)
        names = translation.our_names(token, given, self.types) if token not in differences.recorded_types() else {}
        noise = differences.emulated_properties(token) - changed
        differing = {names.get(name, name) for name in answer.diffs} - noise
        differing |= changed & differences.recorded_properties(token)
        replacing = {names.get(name, name) for name in answer.replaces} - noise
        kinds = provider_pb2.DiffResponse.DiffChanges
        changes = kinds.DIFF_SOME if differing | replacing else kinds.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=sorted(differing), replaces=sorted(replacing))

    def _call(self, method: str, request, context):
        try:
            return getattr(self.bridge, method)(request)
        except grpc.RpcError as error:
            call: Any = error
            context.set_trailing_metadata([item for item in call.trailing_metadata() if item[0].startswith("grpc-")])
            context.abort(call.code(), call.details())


def _bags(message) -> Iterator[tuple[str, Struct]]:
    """Name and value of each property bag in a request or an answer."""
    return ((field.name, value) for field, value in message.ListFields() if isinstance(value, Struct))


def _fill(bag: Struct, properties: translation.Properties) -> None:
    bag.Clear()
    bag.update(properties)


def _changed(request) -> set[str]:
    news, olds = _dict(request.news), _dict(request.old_inputs)
    return {key for key in news.keys() | olds.keys() if news.get(key) != olds.get(key)}


if __name__ == "__main__":
    bridge, terraform_provider, types = sys.argv[1:4]
    stand_in = AwsStandIn((bridge, terraform_provider, sys.argv[-1]), json.loads(Path(types).read_text()))
    plugin.serve(provider_pb2_grpc.add_ResourceProviderServicer_to_server, stand_in)
