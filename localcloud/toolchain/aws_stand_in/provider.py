# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The resource provider that the Pulumi engine loads as the `aws` plugin: translates, and forwards to the bridge."""

import json
import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2, struct_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from localcloud import differences
from localcloud.toolchain import guard
from localcloud.toolchain.aws_stand_in import overlays, schemas, tokens

OPTIONS = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]
# The bridge's own outputs, kept in the state beside the translated ones, so that nothing is lost on the way back.
ORIGINAL = "__bridge"

Properties = dict[str, Any]


def start_bridge(bridge: Path, terraform_provider: Path) -> tuple[subprocess.Popen[bytes], Any]:
    """Start the dynamic bridge on the Terraform AWS provider; the process and a client of it."""
    process = guard.start([str(bridge), "127.0.0.1:0"], stdout=subprocess.PIPE)
    assert process.stdout  # noqa: S101 - it is a pipe
    port = int(process.stdout.readline())
    client = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS))
    arguments = provider_pb2.ParameterizeRequest.ParametersArgs(args=[str(terraform_provider)])
    client.Parameterize(provider_pb2.ParameterizeRequest(args=arguments))
    return process, client


class AwsStandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `aws` by the bridge `bridge` on the Terraform provider `terraform_provider`, whose `shapes` are known."""

    def __init__(self, bridge: Path, terraform_provider: Path, shapes: schemas.Shapes) -> None:
        self.programs = bridge, terraform_provider
        self.shapes = shapes
        self.bridge: Any = None

    def Handshake(self, request, context):
        # Without secrets: the engine takes the wrapping off, and marks the outputs of secret inputs itself.
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-aws"))

    def GetSchema(self, request, context):
        return provider_pb2.GetSchemaResponse(
            schema=json.dumps({"name": "aws", "version": metadata.version("pulumi-aws")})
        )

    def Attach(self, request, context):
        return empty_pb2.Empty()

    def Cancel(self, request, context):
        return self.bridge.Cancel(request) if self.bridge else empty_pb2.Empty()

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        changed = request.old_inputs != request.news
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes)

    def Configure(self, request, context):
        _, self.bridge = start_bridge(*self.programs)
        settings = {key: _parsed(value) for key, value in MessageToDict(request.args).items()}
        forwarded = {}
        for key, shape in self.shapes["provider"][""].items():
            value = settings.get(key, settings.get(key.removesuffix("s")))
            if value is not None:
                value = schemas.to_shape(value, shape)
                forwarded[key] = value if isinstance(value, str) else json.dumps(value)
        variables = {f"aws:config:{key}": value for key, value in forwarded.items()}
        self._forward("Configure", provider_pb2.ConfigureRequest(variables=variables, args=_struct(forwarded)), context)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request, context):
        token = tokens.bridge_token(request.tok)
        shapes = self.shapes["functions"].get(token)
        if shapes is None:
            self._refuse(request.tok, context)
        given = {key: value for key, value in MessageToDict(request.args).items() if key in shapes or key != "region"}
        arguments = {key: schemas.to_shape(value, shapes.get(key)) for key, value in given.items()}
        answer = self._forward("Invoke", provider_pb2.InvokeRequest(tok=token, args=_struct(arguments)), context)
        types = schemas.sdk_types(request.tok)
        result = {
            key: schemas.to_annotation(value, types.get(key))
            for key, value in MessageToDict(getattr(answer, "return")).items()
        }
        if "region" in types:
            result.setdefault("region", result.get("name") or os.environ.get("AWS_REGION"))
        response = provider_pb2.InvokeResponse(failures=answer.failures)
        getattr(response, "return").CopyFrom(_struct(result))
        return response

    def Check(self, request, context):
        token, shapes = self._known(request.urn, context)
        news, olds = MessageToDict(request.news), MessageToDict(request.olds)
        overlays.autoname(token, request.urn, request.randomSeed, news, olds)
        if token in differences.recorded_types():
            news.setdefault("name", olds.get("name") or f"{request.urn.split('::')[-1]}-{request.randomSeed.hex()[:7]}")
            return provider_pb2.CheckResponse(inputs=_struct(news))
        unserved = [
            provider_pb2.CheckFailure(
                property=name,
                reason=f"the local cloud's AWS provider has no {name} on {token}: leave it out, or if it may be kept "
                f"in the state only, add a `recorded` row for {token}#{name} to localcloud/differences.py",
            )
            for name in overlays.unserved(token, news, shapes)
        ]
        if unserved:
            return provider_pb2.CheckResponse(inputs=request.news, failures=unserved)
        answer = self._translated("Check", request, context, news=news, olds=olds)
        inputs = overlays.from_bridge(token, MessageToDict(answer.inputs), news, shapes)
        return provider_pb2.CheckResponse(inputs=_struct(inputs), failures=answer.failures)

    def Diff(self, request, context):
        token, shapes = self._known(request.urn, context)
        news, before = MessageToDict(request.news), MessageToDict(request.old_inputs)
        changed = {key for key in news.keys() | before.keys() if news.get(key) != before.get(key)}
        changed -= set(request.ignoreChanges)
        if token in differences.recorded_types():
            differing, replaces = {key for key in changed if not key.startswith("__")}, changed & {"name"}
        else:
            answer = self._translated("Diff", request, context, news=news, olds=request.olds, old_inputs=before)
            ours = {theirs: name for name, theirs in overlays.renames(token, shapes).items()}
            noise = differences.emulated_properties(token) - changed
            differing = {ours.get(name, name) for name in answer.diffs} - noise
            differing |= changed & differences.recorded_properties(token)
            replaces = {ours.get(name, name) for name in answer.replaces} - noise
        some = provider_pb2.DiffResponse.DIFF_SOME if differing or replaces else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=sorted(differing), replaces=sorted(replaces))

    def Create(self, request, context):
        token, shapes = self._known(request.urn, context)
        inputs = MessageToDict(request.properties)
        if token in differences.recorded_types():
            known = "" if request.preview else f"{inputs['name']}-{uuid.uuid4().hex[:8]}"
            arn = schemas.UNKNOWNS[0] if request.preview else f"arn:aws:local:::{tokens.terraform_name(token)}/{known}"
            return provider_pb2.CreateResponse(id=known, properties=_struct(inputs | {"arn": arn}))
        answer = self._translated("Create", request, context, properties=inputs)
        outputs = self._outputs(token, answer.properties, inputs, shapes)
        return provider_pb2.CreateResponse(id=answer.id, properties=_struct(outputs))

    def Update(self, request, context):
        token, shapes = self._known(request.urn, context)
        inputs = MessageToDict(request.news)
        if token in differences.recorded_types():
            outputs = inputs | {"arn": MessageToDict(request.olds)["arn"]}
        else:
            before = MessageToDict(request.old_inputs)
            answer = self._translated("Update", request, context, news=inputs, olds=request.olds, old_inputs=before)
            outputs = self._outputs(token, answer.properties, inputs, shapes)
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Read(self, request, context):
        """Outputs as they are now; the inputs stay as given, since `Diff` compares with the outputs anyway."""
        token, shapes = self._known(request.urn, context)
        inputs = MessageToDict(request.inputs)
        if token in differences.recorded_types():
            return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        answer = self._translated("Read", request, context, properties=request.properties, inputs=inputs)
        if not answer.id:
            return provider_pb2.ReadResponse()
        outputs = self._outputs(token, answer.properties, inputs, shapes)
        if not inputs:  # an import or a `.get()`
            inputs = overlays.from_bridge(token, MessageToDict(answer.inputs), {}, shapes)
        return provider_pb2.ReadResponse(id=answer.id, properties=_struct(outputs), inputs=_struct(inputs))

    def Delete(self, request, context):
        token, _ = self._known(request.urn, context)
        if token in differences.recorded_types():
            return empty_pb2.Empty()
        before = MessageToDict(request.old_inputs)
        return self._translated("Delete", request, context, properties=request.properties, old_inputs=before)

    def _known(self, urn: str, context) -> tuple[str, dict[str, Any]]:
        token = tokens.type_of(urn)
        shapes = self.shapes["resources"].get(tokens.bridge_token(token))
        if shapes is None and token not in differences.recorded_types():
            self._refuse(token, context)
        return token, shapes or {}

    def _refuse(self, token: str, context) -> NoReturn:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"the local cloud can't serve {token}: its Terraform provider has no aws_{tokens.terraform_name(token)}. "
            "If Terraform calls it otherwise, add it to localcloud/toolchain/aws_stand_in/tokens.py; if it may be kept "
            "in the state only, add a `recorded` row to localcloud/differences.py.",
        )

    def _translated(self, method: str, request, context, **properties: Any):
        """Forward a request about a resource, its type and the given property bags put into the bridge's terms."""
        token, shapes = self._known(request.urn, context)
        forwarded = type(request)()
        forwarded.CopyFrom(request)
        forwarded.urn = tokens.bridge_urn(request.urn)
        forwarded.type = tokens.bridge_token(token)
        for name, value in properties.items():
            ours = value if isinstance(value, dict) else MessageToDict(value)
            original = ours.get(ORIGINAL)
            bag = json.loads(original) if original else overlays.to_bridge(token, ours, shapes)
            getattr(forwarded, name).CopyFrom(_struct(bag))
        return self._forward(method, forwarded, context)

    def _forward(self, method: str, request, context):
        try:
            return getattr(self.bridge, method)(request)
        except grpc.RpcError as error:
            context.set_trailing_metadata([item for item in error.trailing_metadata() if item[0].startswith("grpc-")])
            context.abort(error.code(), error.details())

    def _outputs(self, token: str, properties: struct_pb2.Struct, inputs: Properties, shapes: dict[str, Any]):
        original = MessageToDict(properties)
        outputs = overlays.from_bridge(token, original, inputs, shapes)
        overlays.complete(token, outputs)
        return outputs | {ORIGINAL: json.dumps(original)}


def _struct(properties: Properties) -> struct_pb2.Struct:
    return ParseDict(properties, struct_pb2.Struct())


def _parsed(value: Any) -> Any:
    """Provider settings arrive as JSON in strings."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value[:1] in "[{tf" else value
    except ValueError:
        return value


def main() -> None:
    """Serve one engine; the arguments are the bridge, the Terraform provider and the file of shapes, then its own."""
    guard.exit_with_parent()
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # how the engine ends its plugins; the guard ends the bridge
    bridge, terraform_provider, shapes = (Path(argument) for argument in sys.argv[1:4])
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=OPTIONS)
    stand_in = AwsStandIn(bridge, terraform_provider, schemas.load(shapes))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(stand_in, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
