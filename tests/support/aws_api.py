"""The calls to AWS that an evaluation makes, on loopback: a bucket's listing, an endpoint, models of Bedrock."""

import contextlib
import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.chat_api import completion
from tests.support.loopback import JsonHandler, serving


@dataclass
class Aws:
    """What there is: documents with their ETags, an endpoint, and what models say."""

    url: str = ""
    documents: dict[str, str] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    component_model: str = "model-1"
    say: Callable[[str], str] = lambda question: "34 francs"
    embed: Callable[[str], list[float]] = lambda text: [1.0, 0.0]
    asked: list[str] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)


@contextlib.contextmanager
def serve() -> Generator[Aws]:
    """Serve until the block ends; point AWS_ENDPOINT_URL at `url`."""
    state = Aws()

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            items = "".join(
                f"<Contents><Key>{key}</Key><ETag>&quot;{tag}&quot;</ETag></Contents>"
                for key, tag in state.documents.items()
            )
            page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.requests.append(request)
            self.reply(200, self.content(unquote(self.path), request), {})

        def content(self, path: str, request: dict[str, Any]) -> Any:
            if target := self.headers.get("x-amz-target"):
                described = {
                    "SageMaker.DescribeEndpoint": state.endpoint,
                    "SageMaker.DescribeEndpointConfig": state.configuration,
                    "SageMaker.DescribeInferenceComponent": {"Specification": {"ModelName": state.component_model}},
                }
                return described[target]
            if re.fullmatch(r"/model/.+/converse", path):
                text = request["messages"][-1]["content"][0]["text"]
                state.asked.append(text)
                message = {"role": "assistant", "content": [{"text": state.say(text)}]}
                usage = {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100}
                return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
            if re.fullmatch(r"/model/.+/invoke", path):
                state.embedded.append(request["inputText"])
                return {"embedding": state.embed(request["inputText"])}
            text = request["messages"][-1]["content"]
            state.asked.append(text)
            return completion(state.say(text))

    with serving(Handler) as url:
        state.url = url
        yield state
