"""The manifest of a data set: what is in it, under which licence, from where; its digest is the data set's version."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tandem_contract.checks import Checks

from .splits import SPLITS

FILE = "manifest.json"
FORMAT = 1
SCHEMA = "chat"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
VERSION_LENGTH = 12  # hexadecimal digits of the digest that name a version


def canonical(content: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a mapping, in UTF-8: keys sorted, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of everything in a manifest but its own `digest`."""
    return hashlib.sha256(canonical({key: manifest[key] for key in manifest if key != "digest"})).hexdigest()


def encoded(manifest: Mapping[str, Any]) -> bytes:
    """Return the content of `manifest.json`."""
    return canonical(manifest) + b"\n"


def version(manifest: Mapping[str, Any]) -> str:
    """Return the short digest that names the version in folders and in `name@version`."""
    return manifest["digest"][:VERSION_LENGTH]


def make(
    name: str,
    licence: str,
    source: str,
    splits: Mapping[str, Mapping[str, Any]],
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a manifest with its digest.

    `splits` has `file`, `rows`, `sha256` and `tokens` of each, `record` what is said of the import: `left_out` (fields,
    and in how many rows), `skipped` rows, `group_by`; each where there is any.
    """
    content = {"format": FORMAT, "name": name, "schema": SCHEMA, "licence": licence, "source": source, "splits": splits}
    content |= record or {}
    return content | {"digest": digest(content)}


def parse(data: bytes, place: str = FILE) -> dict[str, Any]:
    """Return the manifest in `data`; raises `Mistakes` if it has another shape or its digest doesn't fit."""
    checks = Checks(place)
    manifest: dict[str, Any] = {}
    try:
        manifest = json.loads(data)
    except ValueError as error:
        checks.refuse("", data.decode("utf-8", "backslashreplace"), f"JSON: {error}", "Import again.")
    else:
        _check(manifest, RULES, checks)
    if not checks.mistakes and manifest["digest"] != (found := digest(manifest)):
        problem = f"{manifest['digest']} is not the content's, {found}: it was changed"
        checks.add("digest", problem, "Import again, or fetch it again.")
    checks.finish("The manifest")
    return manifest


def check_texts(content: Mapping[str, Any], checks: Checks) -> None:
    """Check `name`, `licence` and `source`."""
    _check(content, TEXTS, checks)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.encode(errors="ignore").decode()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{64}", value))


def _is_statistics(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), int | float) for key in ("mean", "p95", "max"))


# Field (dots lead inside): what holds for it, what is allowed, the remedy.
Rules = dict[str, tuple[Callable[[Any], bool], str, str]]
TEXTS: Rules = {
    "name": (
        lambda value: isinstance(value, str) and bool(NAME.fullmatch(value)),
        "lower-case letters, digits and hyphens, at most 63",
        "For example support-faq.",
    ),
    "licence": (_is_text, "a text", "Name the licence that lets you train on the rows: CC-BY-4.0, or proprietary."),
    "source": (_is_text, "a text", "Say where the rows come from."),
}
RULES: Rules = TEXTS | {
    "format": (lambda value: value == FORMAT, str(FORMAT), "This Tandem reads no other."),
    "schema": (lambda value: value == SCHEMA, SCHEMA, "This Tandem reads no other."),
    "digest": (_is_digest, "a SHA-256 in hexadecimal", "Import again."),
}
for _name in SPLITS:
    RULES |= {
        f"splits.{_name}.{key}": (holds, allowed, "Import again.")
        for key, holds, allowed in (
            ("file", f"{_name}.jsonl".__eq__, f"{_name}.jsonl"),
            ("rows", lambda value: type(value) is int and value > 0, "a whole number above 0"),
            ("sha256", _is_digest, "a SHA-256 in hexadecimal"),
            ("tokens", _is_statistics, "an object with mean, p95 and max"),
        )
    }


def _check(content: Any, rules: Rules, checks: Checks) -> None:
    for field, (holds, allowed, remedy) in rules.items():
        value = content
        for key in field.split("."):
            value = value.get(key, ...) if isinstance(value, Mapping) else ...
        if value is ...:
            checks.missing(field, remedy)
        elif holds(value) is not True:
            checks.refuse(field, value, allowed, remedy)
