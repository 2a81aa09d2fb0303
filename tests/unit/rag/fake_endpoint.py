"""A SageMaker endpoint in memory, and what it answers."""

import io
import json

from tests.support.aws_requests import AwsService


class FakeEndpoint(AwsService):
    """A SageMaker endpoint that gives the answers in turn, the last one for ever: raises, calls or returns each."""

    services = ("sagemaker-runtime",)

    def __init__(self, *answers):
        self.answers, self.asked, self.component = list(answers), 0, None

    def invoke_endpoint(self, EndpointName, ContentType, Accept, Body, InferenceComponentName=None):
        self.asked, self.component = self.asked + 1, InferenceComponentName
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Body": io.BytesIO((answer() if callable(answer) else answer).encode())}


def chat(text: str | None, **more) -> str:
    """An answer of OpenAI's chat completions."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}], **more})
