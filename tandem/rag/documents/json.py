"""Sections of JSON: a line for each value, with the path to it; an array of like objects is a table."""

import json
from collections.abc import Iterator
from typing import Any

from .outline import Outline, below, filled
from .section import Loss, Rejected, Section, decode

MAX_COLUMNS = 50
LINE = 200
"""Characters of a list of values that stands on one line."""

Flat = dict[str, str]


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the values of a document, or of one a line (JSON Lines). Numbers stay as they are written."""
    outline = Outline(is_data=True)
    try:
        yield from _values(_load(decode(data)), "", outline)
    except RecursionError as error:
        raise Rejected("the JSON is nested too deeply: flatten it, and upload it again") from error
    yield from outline.end()


def _load(text: str) -> Any:
    """A document, or a list of those of JSON Lines."""
    try:
        return _parsed(text)
    except ValueError as error:
        problem = str(error)
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            found += [_parsed(line)] if line.strip() else []
        except ValueError as error:
            if found:  # what came before were lines of JSON
                problem = f"line {number}: {error}"
            raise Rejected(f"the JSON is damaged ({problem}): mend it there, and upload it again") from error
    return found


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that it has twice has both values."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = [found[key], value] if key in found else value
    return found


def _values(value: Any, path: str, outline: Outline) -> Iterator[Section | Loss]:
    written = _written(value)
    if written is not None and not (isinstance(value, list) and len(written) > LINE):
        outline.text(f"{path}: {written}" if path else written, item=True)
        yield from outline.overflow()
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, f"{path}.{key}" if path else key, outline)
    elif rows := _table(value):
        columns = list(dict.fromkeys(key for each in rows for key in each))
        lines = (filled(each.get(column, "") for column in columns) for each in rows)
        yield from outline.flush()
        yield from below(path, Outline().columns(filled(columns), filter(None, lines)))
    else:
        for at, inner in enumerate(value):
            yield from _values(inner, f"{path}[{at}]", outline)


def _written(value: Any) -> str | None:
    """A value or a list of values as text, None for what holds objects."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half a pair can't be sent
    if isinstance(value, list):
        parts = [_written(each) for each in value]
        return None if None in parts else ", ".join(part for part in parts if part)
    return None


def _table(value: list[Any]) -> list[Flat]:
    """Rows of a list of objects that have keys in common and no lists of objects; empty for anything else."""
    rows: list[Flat] = []
    for each in value:
        flat = _flat(each) if isinstance(each, dict) else None
        if not flat:
            return []
        rows.append(flat)
    keys = {key for each in rows for key in each}
    common = set.intersection(*(set(each) for each in rows)) if rows else set()
    return rows if len(rows) > 1 and common and len(keys) <= MAX_COLUMNS else []


def _flat(value: dict[str, Any], path: str = "") -> Flat | None:
    """An object's values by their paths, None if it holds lists of objects."""
    found: Flat = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            part = _flat(inner, f"{path}{key}.")
            if part is None:
                return None
            for place, written in part.items():
                _add(found, place, written)
        elif (written := _written(inner)) is not None:
            _add(found, path + key, written)
        else:
            return None
    return found


def _add(found: Flat, place: str, written: str) -> None:
    """Add a value; a path that is there already, as a key with a dot may be, has both."""
    found[place] = f"{found[place]}, {written}" if place in found else written
