"""The manifest of a data set: what is in it, under which licence, from where; its digest is the data set's version."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .mistakes import MISSING, DataSetError, Mistake
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


def make(name: str, licence: str, source: str, splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a manifest with its digest; `splits` has `file`, `rows`, `sha256` and `tokens` of each."""
    content = {"format": FORMAT, "name": name, "schema": SCHEMA, "licence": licence, "source": source, "splits": splits}
    return content | {"digest": digest(content)}


def parse(data: bytes, place: str = FILE) -> dict[str, Any]:
    """Return the manifest in `data`; raises `DataSetError` if it has another shape or its digest doesn't fit."""
    try:
        manifest = json.loads(data)
    except ValueError as error:
        text = data.decode("utf-8", "backslashreplace")
        raise DataSetError(
            [Mistake(place, 0, "the manifest", text, f"it is no JSON ({error}): import again")]
        ) from None
    mistakes = [Mistake(place, 0, *found) for found in _found(manifest, RULES)]
    if not mistakes and manifest["digest"] != (found := digest(manifest)):
        remedy = f"its content has the digest {found}, so it was changed: import again, or fetch it again"
        mistakes.append(Mistake(place, 0, "digest", manifest["digest"], remedy))
    if mistakes:
        raise DataSetError(mistakes)
    return manifest


def text_mistakes(content: Mapping[str, Any], place: str = FILE) -> list[Mistake]:
    """Return what is wrong with `name`, `licence` and `source`."""
    return [Mistake(place, 0, *found) for found in _found(content, TEXTS)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.encode(errors="ignore").decode()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{64}", value))


def _is_statistics(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), int | float) for key in ("mean", "p95", "max"))


Rules = dict[str, tuple[Callable[[Any], bool], str]]  # field (dots lead inside): what holds for it, the remedy
TEXTS: Rules = {
    "name": (
        lambda value: isinstance(value, str) and bool(NAME.fullmatch(value)),
        "lower-case letters, digits and hyphens, at most 63",
    ),
    "licence": (_is_text, "name the licence that lets you train on the rows, e.g. CC-BY-4.0 or proprietary"),
    "source": (_is_text, "say where the rows come from"),
}
RULES: Rules = TEXTS | {
    "format": (lambda value: value == FORMAT, f"this Tandem reads format {FORMAT}"),
    "schema": (lambda value: value == SCHEMA, f"this Tandem reads {SCHEMA!r}"),
    "digest": (_is_digest, "a SHA-256 in hexadecimal"),
}
for _name in SPLITS:
    RULES |= {
        f"splits.{_name}.file": (f"{_name}.jsonl".__eq__, f"'{_name}.jsonl'"),
        f"splits.{_name}.rows": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
        f"splits.{_name}.sha256": (_is_digest, "a SHA-256 in hexadecimal"),
        f"splits.{_name}.tokens": (_is_statistics, "an object with mean, p95 and max"),
    }


def _found(content: Any, rules: Rules) -> list[tuple[str, Any, str]]:
    found = []
    for field, (holds, remedy) in rules.items():
        value = content
        for key in field.split("."):
            value = value.get(key, MISSING) if isinstance(value, Mapping) else MISSING
        if holds(value) is not True:
            found.append((field, value, remedy))
    return found
