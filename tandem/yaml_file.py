"""Reads a YAML or JSON file that a person wrote: a recipe, gates, facts, a form."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_contract.checks import Checks, shown
from tandem_contract.errors import TandemError

# What YAML 1.1 and 1.2 read differently, by the tag of 1.1, which the library speaks. A person means neither by it.
TAG = "tag:yaml.org,2002:"
OLD = {
    "int": (re.compile(r"[-+]?(0[\d_]+|0b.*|.*[:_].*)"), "no plain number", "Write it in digits, or a text in quotes."),
    "float": (re.compile(r".*[:_].*"), "no plain number", "Write it in digits, or a text in quotes."),
    "bool": (re.compile("yes|no|on|off", re.IGNORECASE), "neither true nor false", "Write that, or a text in quotes."),
}
SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")  # a text in 1.1, where it has no point or no sign


def read(path: Path, what: str) -> Mapping[Any, Any]:
    """The mapping in a file, empty for an empty file; raises `TandemError`, which says that it has to be `what`.

    A key that stands twice, and what one YAML reads as another thing than the other (`016`, `1:30`, `no`), are
    `Mistakes`, all at once.
    """
    import yaml

    checks = Checks()
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _check(node, str(path), checks, set())
        content = None if node is None or checks.mistakes else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise TandemError(f"{path}: can't be read ({error}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TandemError(f"{path}: is neither YAML nor JSON ({' '.join(str(error).split())}).") from error
    checks.finish(str(path))
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise TandemError(f"{path}: is not {what}.")
    return content


def _check(node: Any, path: str, checks: Checks, seen: set[int], key: str = "") -> None:
    """Add what is wrong with a node and what it holds; numbers with an exponent become numbers."""
    import yaml

    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for name, value in node.value:
            inner = f"{key}.{name.value}" if key else str(name.value)
            _check(name, path, checks, seen, inner)
            _check(value, path, checks, seen, inner)
            line = name.start_mark.line + 1
            first = lines.get((name.tag, name.value)) if isinstance(name, yaml.ScalarNode) else None
            if first:
                checks.at(f"{path}:{line}").add(inner, f"stands twice, in line {first} too", "Leave one of them out.")
            lines[name.tag, str(name.value)] = line
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _check(value, path, checks, seen, f"{key}[{at}]")
    elif isinstance(node, yaml.ScalarNode) and node.style is None:
        if node.tag == f"{TAG}timestamp":
            try:
                yaml.SafeLoader("").construct_yaml_timestamp(node)
            except ValueError as error:
                where = checks.at(f"{path}:{node.start_mark.line + 1}")
                where.add(key, f"{shown(node.value)} is no day of a calendar: {error}", "Write it as 2027-05-31.")
        if node.tag == f"{TAG}str" and SCIENTIFIC.fullmatch(node.value):
            node.tag = f"{TAG}float"
        pattern, problem, remedy = OLD.get(node.tag.removeprefix(TAG), (None, "", ""))
        if pattern and pattern.fullmatch(node.value):
            line = node.start_mark.line + 1
            checks.at(f"{path}:{line}").add(key, f"{shown(node.value)} is {problem}", remedy)
