"""Rows of strangers for tests, and how they are read."""

import json
from pathlib import Path
from typing import Any

import pytest
from tandem_contract.errors import Mistakes

from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import Row, messages

USER, ANSWER = {"role": "user", "content": "Hut?"}, {"role": "assistant", "content": "Open."}
CHAT = {"messages": [USER, ANSWER]}
DEPTH = {"type": "function", "function": {"name": "depth", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "depth", "arguments": '{"shelf": 4}'}}


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(tmp_path: Path, *rows: Any, **options: Any) -> list[Row]:
    """The rows; raises `Mistakes`."""
    reader = Reader(**options)
    found = reader.read(written(tmp_path / "rows.jsonl", *rows))
    reader.checks.finish("The rows")
    return found


def said(tmp_path: Path, row: Any, **options: Any) -> list[dict[str, Any]]:
    (found,) = read(tmp_path, row, **options)
    return messages(found)


def refused(tmp_path: Path, *rows: Any, **options: Any) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        read(tmp_path, *rows, **options)
    return [str(mistake).partition("rows.jsonl:")[2] for mistake in caught.value.mistakes]
