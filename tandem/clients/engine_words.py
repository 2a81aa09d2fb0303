"""What the engine says of a preview, in a person's words: what AWS refused first, then the rest, each once."""

import re
from collections.abc import Iterable

from tandem.clients import aws, aws_errors

LEVEL = re.compile(r"^((error|warning|info): |\[ERROR\] *:? *)+")
OWN = "an unhandled error occurred: Program exited with non-zero exit code"
"""The engine's, after every error of a program; it says nothing more."""
INVOKE = re.compile(r"invoke of \S+ failed: invocation of \S+ returned an error: ")
REFUSED = re.compile(
    r"operation error ([\w ]+): (\w+),.*?\b(?:AccessDenied\w*|UnauthorizedOperation|AuthorizationError\w*|Forbidden)\b",
    re.S,
)
CODE = re.compile(r"api error (\w+): ")
PREFIXES = {
    "Bedrock Runtime": "bedrock",
    "CloudControl": "cloudformation",
    "CloudWatch Logs": "logs",
    "Elastic Load Balancing v2": "elasticloadbalancing",
    "EventBridge": "events",
    "OpenSearch": "es",
    "OpenSearchServerless": "aoss",
    "Resource Groups Tagging API": "tag",
    "SFN": "states",
}
"""What IAM calls the services of AWS's SDK for Go, where it isn't their name in small letters."""
CAUSES = {
    "No valid credential sources found": aws.NO_CREDENTIALS,
    "invalid AWS Region: :": aws.NO_REGION,
}
"""How the AWS provider says what the sentence says."""


def refused(text: str) -> str:
    """The action that AWS refused, by its own word or by the operation's name; empty where it is no refusal."""
    if found := aws_errors.REFUSAL.search(text):
        return found[1]
    if found := REFUSED.search(text):
        service, operation = found.groups()
        return f"{PREFIXES.get(service, service.replace(' ', '').lower())}:{operation}"
    return ""


def plain(text: str) -> str:
    """A diagnostic without what says nothing: its level, how it came about, a traceback but for its end."""
    text = LEVEL.sub("", text.strip())
    _, traceback, frames = text.partition("Traceback (most recent call last):\n")
    if traceback:
        lines = frames.splitlines()
        last = max((number for number, line in enumerate(lines) if line.startswith("  ")), default=-1)
        text = "\n".join(lines[last + 1 :])
    return INVOKE.sub("", text).strip()


def told(errors: Iterable[str]) -> str:
    """What a person should know of a preview's errors: one cause for all where there is one, else what AWS refused, and
    the rest with its line breaks."""
    whole = [each.strip() for each in errors if OWN not in each]
    causes = list(dict.fromkeys(cause for each in whole for cause in _causes(each)))
    if causes:
        return "\n".join(causes)
    actions = list(dict.fromkeys(filter(None, map(refused, whole))))
    lines = [f"not allowed: {', '.join(actions)}: {aws_errors.NOT_ALLOWED}"] if actions else []
    lines += [plain(each) for each in whole if not refused(each)]
    return "\n".join(dict.fromkeys(filter(None, lines)))


def _causes(text: str) -> Iterable[str]:
    yield from (sentence for words, sentence in CAUSES.items() if words in text)
    for code in CODE.findall(text):
        if isinstance(meaning := aws_errors.MEANINGS.get(code), aws_errors.Explained):
            yield str(meaning)
