"""The digest of a preview: what `pulumi preview --json` prints, or what the engine's events, one a line, say of it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tandem_contract.errors import TandemError

from .model import SECRET

REMEDY = "Give it what `pulumi preview --json --show-sames` prints."
_START = re.compile(r"^\ufeff?(?=\{)", re.MULTILINE)
_SIGNATURE, _OF_A_SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


def digest_of(text: str) -> dict[str, Any]:
    """A preview's digest, whatever form it has. Raises `TandemError` for a text that is none, or not whole."""
    start = _START.search(text)  # the command may print warnings first
    if start is None:
        raise TandemError(f"The preview {'has no JSON object in it' if text.strip() else 'is empty'}. {REMEDY}")
    first, end = _decoded(text, start.end())
    if _is_event(first):
        return _of_events(_events(text))
    if isinstance(first.get("steps"), list) or isinstance(first.get("changeSummary"), dict):
        return first | {"rest": text[end:].strip()}
    if isinstance(first.get("diagnostics"), list):
        return first
    keys = ", ".join(list(first)[:5]) or "none"
    raise TandemError(f"This JSON is neither a preview nor its events: its keys are {keys}. {REMEDY}")


def _decoded(text: str, start: int = 0, before: int = 0) -> tuple[dict[str, Any], int]:
    """The object that starts there, and where it ends; `before`: lines of the preview that came earlier."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"line {before + error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise TandemError(
            f"The preview's JSON is cut off or damaged ({where}). Make the preview again, and keep its output whole."
        ) from error
    return object_in(value), end


def _shown_secret(value: dict[str, Any]) -> Any:
    """Events wrap a secret in an object, a digest doesn't."""
    return SECRET if value.get(_SIGNATURE) == _OF_A_SECRET else value


_DECODER = json.JSONDecoder(object_hook=_shown_secret)


def _is_event(value: Mapping[str, Any]) -> bool:
    return any(key.endswith("Event") for key in value)


def object_in(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _events(text: str) -> Iterator[dict[str, Any]]:
    # Not splitlines: it also splits at characters that JSON strings may hold.
    for number, line in enumerate(text.split("\n")):
        if start := _START.match(line):
            yield _decoded(line, start.end(), before=number)[0]


def _of_events(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Events as the digest that would have said the same."""
    steps, diagnostics, config, summary = [], [], {}, None
    for event in events:
        if "resourcePreEvent" in event:
            metadata = object_in(object_in(event["resourcePreEvent"]).get("metadata"))
            states = {"oldState": metadata.get("old"), "newState": metadata.get("new")}
            steps.append({"op": metadata.get("op"), "urn": metadata.get("urn")} | states)
        elif "diagnosticEvent" in event:
            diagnostics.append(event["diagnosticEvent"])
        elif "preludeEvent" in event:
            config = object_in(event["preludeEvent"]).get("config")
        elif "summaryEvent" in event:
            summary = object_in(event["summaryEvent"])
    if summary is None:
        diagnostics.append({"severity": "error", "message": "its events end before their summary"})
    elif (result := summary.get("result", "succeeded")) != "succeeded":
        diagnostics.append({"severity": "error", "message": f"its result is {result!r}"})
    summary = summary or {}
    return {
        "config": config,
        "steps": steps,
        "diagnostics": diagnostics,
        "changeSummary": summary.get("resourceChanges"),
        "maybeCorrupt": summary.get("maybeCorrupt"),
    }
