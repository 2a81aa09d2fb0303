# ruff: noqa: ARG002 - gRPC gives every method a request and a context
"""The resource provider that the Pulumi engine loads as the `aws` plugin: translates, and forwards to the bridge."""

import json
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty  # ty: ignore[missing-module-member]
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct  # ty: ignore[missing-module-member]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from localcloud import differences
from localcloud.toolchain import guard, plugin
from localcloud.toolchain.aws_stand_in import overlays, schemas, tokens

# The bridge's own outputs, kept in the state beside the translated ones, so that nothing is lost on the way back.
ORIGINAL = "__bridge"

Properties = dict[str, Any]


def start_bridge(bridge: Path, terraform_provider: Path) -> tuple[subprocess.Popen[bytes], Any]:
    """Start the dynamic bridge on the Terraform AWS provider; the process and a client of it."""
    process = guard.start([str(bridge), "127.0.0.1:0"], stdout=subprocess.PIPE)
    assert process.stdout  # noqa: S101 - it is a pipe
    channel = grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}", options=plugin.LARGE)
    client = provider_pb2_grpc.ResourceProviderStub(channel)
    arguments = provider_pb2.ParameterizeRequest.ParametersArgs(args=[str(terraform_provider)])
    client.Parameterize(provider_pb2.ParameterizeRequest(args=arguments))
    return process, client


class AwsStandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Serves `aws` by the bridge `bridge` on the Terraform provider `terraform_provider`, whose `shapes` are known."""

    def __init__(self, bridge: Path, terraform_provider: Path, shapes: schemas.Shapes) -> None:
        self.programs, self.shapes, self.bridge = (bridge, terraform_provider), shapes, None

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi-aws"))

    def Cancel(self, request, context):
        return self.bridge.Cancel(request) if self.bridge else Empty()

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        return provider_pb2.DiffResponse(changes=_changes(request.old_inputs != request.news))

    def Configure(self, request, context):
        """Start the bridge with the settings that it knows; no secrets: the engine then unwraps and marks them."""
        _, self.bridge = start_bridge(*self.programs)
        settings, forwarded = _dict(request.args), {}
        for key, shape in self.shapes["provider"][""].items():
            value = settings.get(key, settings.get(key.removesuffix("s")))  # `defaultTags` here is `defaultTag` there
            if value is not None:
                value = schemas.to_shape(json.loads(value) if value[:1] in "[{" else value, shape)
                forwarded[key] = value if isinstance(value, str) else json.dumps(value)
        variables = {f"aws:config:{key}": value for key, value in forwarded.items()}
        request = provider_pb2.ConfigureRequest(variables=variables, args=_struct(forwarded))
        self._forward("Configure", request, context)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request, context):
        token, types = tokens.bridge_token(request.tok), schemas.sdk_types(request.tok)
        shapes = self.shapes["functions"].get(token)
        if shapes is None:
            self._refuse(request.tok, context)
        given = overlays.to_bridge(request.tok, _dict(request.args), shapes)
        answer = self._forward("Invoke", provider_pb2.InvokeRequest(tok=token, args=_struct(given)), context)
        result = overlays.from_bridge(request.tok, _dict(getattr(answer, "return")), {}, shapes)
        if "region" in types:
            result.setdefault("region", result.get("name"))
        fields: dict[str, Any] = {"return": _struct(result), "failures": answer.failures}
        return provider_pb2.InvokeResponse(**fields)

    def Check(self, request, context):
        token, shapes = self._known(request, context)
        news, olds = _dict(request.news), _dict(request.olds)
        overlays.autoname(token, request.urn.split("::")[-1], request.randomSeed, news, olds)
        if token in differences.recorded_types():
            return provider_pb2.CheckResponse(inputs=_struct(news))
        remedy = "leave it out, or if it may be kept in the state only, add a `recorded` row for"
        failures = [
            provider_pb2.CheckFailure(
                property=name,
                reason=f"the local cloud's AWS provider has no {name} on {token}: {remedy} {token}#{name} to "
                "localcloud/differences.py",
            )
            for name in overlays.unserved(token, news, shapes)
        ]
        if failures:
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)
        answer = self._translated("Check", request, context, news=news, olds=olds)
        inputs = overlays.from_bridge(token, _dict(answer.inputs), news, shapes)
        return provider_pb2.CheckResponse(inputs=_struct(inputs), failures=answer.failures)

    def Diff(self, request, context):
        """Which properties differ, without those that the differences absorb, and which of them replace."""
        token, shapes = self._known(request, context)
        news, before = _dict(request.news), _dict(request.old_inputs)
        changed = {key for key in news.keys() | before.keys() if news.get(key) != before.get(key)}
        changed -= set(request.ignoreChanges)
        if token in differences.recorded_types():
            differing, replacing = changed, changed & {"name"}
        else:
            answer = self._translated("Diff", request, context, news=news, olds=request.olds, old_inputs=before)
            ours = {theirs: name for name, theirs in overlays.renames(token, shapes).items()}
            noise = differences.emulated_properties(token) - changed
            differing = {ours.get(name, name) for name in answer.diffs} - noise
            differing |= changed & differences.recorded_properties(token)
            replacing = {ours.get(name, name) for name in answer.replaces} - noise
        changes = _changes(bool(differing | replacing))
        return provider_pb2.DiffResponse(changes=changes, diffs=sorted(differing), replaces=sorted(replacing))

    def Create(self, request, context):
        token, _ = self._known(request, context)
        inputs = _dict(request.properties)
        if token in differences.recorded_types():
            known = "" if request.preview else f"{inputs['name']}-{uuid.uuid4().hex[:8]}"
            arn = f"arn:aws:local:::{tokens.terraform_name(token)}/{known}" if known else schemas.UNKNOWNS[0]
            return provider_pb2.CreateResponse(id=known, properties=_struct(inputs | {"arn": arn}))
        answer = self._translated("Create", request, context, properties=inputs)
        return provider_pb2.CreateResponse(id=answer.id, properties=self._outputs(request, answer, inputs))

    def Update(self, request, context):
        token, _ = self._known(request, context)
        inputs, before = _dict(request.news), _dict(request.old_inputs)
        if token in differences.recorded_types():
            return provider_pb2.UpdateResponse(properties=_struct(_dict(request.olds) | inputs))
        answer = self._translated("Update", request, context, news=inputs, olds=request.olds, old_inputs=before)
        return provider_pb2.UpdateResponse(properties=self._outputs(request, answer, inputs))

    def Read(self, request, context):
        """Outputs as they are now; the inputs stay as given, since `Diff` compares with the outputs anyway."""
        token, shapes = self._known(request, context)
        if token in differences.recorded_types():
            return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        inputs = _dict(request.inputs)
        answer = self._translated("Read", request, context, properties=request.properties, inputs=inputs)
        if not answer.id:
            return provider_pb2.ReadResponse()
        outputs = self._outputs(request, answer, inputs)
        if not inputs:  # an import, or a `.get()`
            inputs = overlays.from_bridge(token, _dict(answer.inputs), {}, shapes)
        return provider_pb2.ReadResponse(id=answer.id, properties=outputs, inputs=_struct(inputs))

    def Delete(self, request, context):
        token, _ = self._known(request, context)
        if token in differences.recorded_types():
            return Empty()
        before = _dict(request.old_inputs)
        return self._translated("Delete", request, context, properties=request.properties, old_inputs=before)

    def _known(self, request, context) -> tuple[str, Properties]:
        token = tokens.type_of(request.urn)
        shapes = self.shapes["resources"].get(tokens.bridge_token(token))
        if shapes is None and token not in differences.recorded_types():
            self._refuse(token, context)
        return token, shapes or {}

    def _refuse(self, token: str, context) -> NoReturn:
        raise context.abort(  # which raises by itself
            grpc.StatusCode.UNIMPLEMENTED,
            f"the local cloud can't serve {token}: its AWS provider has no aws_{tokens.terraform_name(token)}. If "
            "Terraform calls it otherwise, add it to localcloud/toolchain/aws_stand_in/tokens.py; if it may be kept in "
            "the state only, add a `recorded` row to localcloud/differences.py.",
        )

    def _translated(self, method: str, request, context, **properties: Any):
        """Forward a request about a resource, with its type and the given property bags in the bridge's terms."""
        token, shapes = self._known(request, context)
        forwarded = type(request)()
        forwarded.CopyFrom(request)
        forwarded.urn, forwarded.type = tokens.bridge_urn(request.urn), tokens.bridge_token(token)
        for name, value in properties.items():
            ours = value if isinstance(value, dict) else _dict(value)
            bag = json.loads(ours[ORIGINAL]) if ORIGINAL in ours else overlays.to_bridge(token, ours, shapes)
            getattr(forwarded, name).CopyFrom(_struct(bag))
        return self._forward(method, forwarded, context)

    def _forward(self, method: str, request, context):
        try:
            return getattr(self.bridge, method)(request)
        except grpc.RpcError as error:
            call: Any = error
            context.set_trailing_metadata([item for item in call.trailing_metadata() if item[0].startswith("grpc-")])
            context.abort(call.code(), call.details())

    def _outputs(self, request, answer, inputs: Properties) -> Struct:
        token, original = tokens.type_of(request.urn), _dict(answer.properties)
        outputs = overlays.from_bridge(token, original, inputs, self.shapes["resources"][tokens.bridge_token(token)])
        overlays.complete(token, outputs)
        return _struct(outputs | {ORIGINAL: json.dumps(original)})


def _changes(some: bool) -> provider_pb2.DiffResponse.DiffChanges:
    return provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE


def _dict(properties: Struct) -> Properties:
    return MessageToDict(properties)


def _struct(properties: Properties) -> Struct:
    return ParseDict(properties, Struct())


if __name__ == "__main__":
    bridge, terraform_provider, shapes = (Path(argument) for argument in sys.argv[1:4])
    stand_in = AwsStandIn(bridge, terraform_provider, json.loads(shapes.read_text()))
    plugin.serve(provider_pb2_grpc.add_ResourceProviderServicer_to_server, stand_in)
