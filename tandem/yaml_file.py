"""Reads a YAML or JSON file that a person wrote: a recipe, gates, facts, a form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError


def read(path: Path, what: str) -> Mapping[Any, Any]:
    """The mapping in a file, empty for an empty file; raises `TandemError`, which says that it has to be `what`."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TandemError(f"{path}: can't be read ({error}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that no calendar has
        raise TandemError(f"{path}: is neither YAML nor JSON ({' '.join(str(error).split())}).") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise TandemError(f"{path}: is not {what}.")
    return content
