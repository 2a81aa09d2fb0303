"""An AWS account on loopback, as `tandem doctor` asks it: who one is, and which models of Bedrock it may use."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.loopback import JsonHandler, serving

IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"""
# As recorded on 2025-10-19 from Bedrock's GetFoundationModelAvailability.
AUTHORIZED = {
    "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}

NO_FORM = "You have not filled out the request form. Fill out the form before getting access."


@dataclass
class Account:
    """What it says; `refusal` is code and message of an error of STS, a model's answer may be status and content."""

    url: str = ""
    refusal: tuple[str, str] | None = None
    models: dict[str, dict[str, Any] | tuple[int, dict[str, str]]] = field(default_factory=dict)
    profiles: set[str] = field(default_factory=set)
    behind: str = "amazon.nova-pro-v1:0"
    """The model of its profiles; empty if it doesn't say."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What GetFoundationModel says of a model, where it isn't a text model that is served on demand."""
    form: bool = True
    """Whether Anthropic's form about the use case was given."""
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve() -> Generator[Account]:
    """Serve until the block ends; point AWS_ENDPOINT_URL at `url`."""
    state = Account()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            state.requests.append(self.rfile.read(int(self.headers["content-length"])).decode())
            code, message = state.refusal or ("", "")
            data = (REFUSAL.format(code=code, message=message) if code else IDENTITY).encode()
            self.send_response(403 if code else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            state.requests.append(unquote(self.path))
            kind, _, name = unquote(self.path).strip("/").partition("/")
            found: Any = state.models.get(name, AUTHORIZED)
            if kind == "foundation-models":
                details = {"outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]}
                found = {"modelDetails": details | state.details.get(name, {})}
            if kind == "use-case-for-model-access":
                found = {"formData": ""} if state.form else (404, {"message": NO_FORM})
            if kind == "inference-profiles":
                models = [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{state.behind}"}]
                models = models if state.behind else []
                found = {"inferenceProfileId": name, "models": models}
                found = found if name in state.profiles else (404, {"message": "no such"})
            status, content = found if isinstance(found, tuple) else (200, {"modelId": name, **found})
            code = content.get("__type") or {403: "AccessDeniedException", 404: "ResourceNotFoundException"}.get(status)
            self.reply(status, content, {"x-amzn-errortype": code} if code else {})

    with serving(Handler) as url:
        state.url = url
        yield state
