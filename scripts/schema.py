"""What is made from declared fields: typed arguments, Pulumi.yaml's keys, the schema (`make schema` writes them)."""

import json
import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import grpc
import yaml
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pulumi_tandem.components import COMPONENTS
from pulumi_tandem.configuration import ENVIRONMENTS, KIND, keys
from pulumi_tandem.spelling import spelled
from tandem_contract.fields import Field, Table

ROOT = Path(__file__).resolve().parent.parent
ARGUMENTS = ROOT / "components" / "pulumi_tandem" / "arguments.py"
PROJECT = ROOT / "Pulumi.yaml"
SCHEMA = ROOT / "components" / "schema.json"
HEAD = '''"""Arguments of the components. Written by `make schema` from the tables of fields: change those."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi

'''


def arguments() -> str:
    """The typed arguments as a module: Pulumi's analyzer reads literal classes and the texts below their entries."""
    tables = {table.name: table for each in COMPONENTS.values() for table in each.within()}.values()
    enums = {enum.__name__ for table in tables for field in table.fields.values() if (enum := _enum(field))}
    return f"{HEAD}from .choices import {', '.join(sorted(enums))}\n" + "".join(map(_class, tables))


def project() -> str:
    """Pulumi.yaml with every configuration key."""
    declared = {"environment": {"type": "string", "description": KIND.help}}
    for part in ENVIRONMENTS["hybrid"].values():
        declared |= {key: _key(field) for key, field in keys(part).items() if key not in declared}
    head = PROJECT.read_text().partition("\nconfig:\n")[0]
    text = yaml.safe_dump({"config": declared}, sort_keys=False, width=10_000, allow_unicode=True)
    return f"{head}\n{text}"


def schema() -> str:
    """The components' schema as the plugin itself answers it, started as the engine starts it."""
    command = [sys.executable, str(ROOT / "components"), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plugin:
        try:
            port = next(iter(plugin.stdout or ()), "").strip()
            stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
            answer = stub.GetSchema(provider_pb2.GetSchemaRequest(), timeout=30)
        finally:
            plugin.kill()
    return json.dumps(json.loads(answer.schema), indent=2) + "\n"


def _class(table: Table) -> str:
    entries = "".join(
        f"    {name}: {_given(field)}\n{_wrapped(argument_description(field))}" for name, field in table.fields.items()
    )
    return f'\n\nclass {table.name}(TypedDict):\n    """{table.help}"""\n\n{entries}'


def _given(field: Field) -> str:
    return annotation(field) if field.required else f"NotRequired[{annotation(field)}]"


def annotation(field: Field) -> str:
    if field.table:
        return field.table.name
    if isinstance(field.default, list):
        return f"Sequence[{field.items.name if field.items else _text(field)}]"
    if isinstance(field.default, dict):
        return f"Mapping[str, {_text(field)}]"
    if enum := _enum(field):
        return enum.__name__
    if field.low is not None:
        return "float" if isinstance(field.low, float) else "int"
    return _text(field) if isinstance(field.default, str) else type(field.default).__name__


def _text(field: Field) -> str:
    return "pulumi.Input[str]" if field.output else "str"


def argument_description(field: Field) -> str:
    """All that is said of an argument: of a text that could be an output, and must not be one, that too."""
    plain = isinstance(field.default, str | list) and not (
        field.choices or field.items or field.output or field.low is not None
    )
    return description(field) + (" No output: it is read before anything is made." if plain else "")


def description(field: Field) -> str:
    """All that is said of a key: help, limits, default, cost."""
    facts = [limits(field)] if limits(field) else []
    if isinstance(field.default, bool | int | float):
        facts.append(f"{_figure(field.default)} by default")
    elif isinstance(field.default, str) and field.default:
        facts.append(f"`{field.default}` by default")
    return " ".join(part for part in (field.help, "; ".join(facts) + "." if facts else "", field.cost) if part)


def limits(field: Field) -> str:
    """From where to where a number may be, with its unit; empty where there are no such limits."""
    if field.low is None or field.high is None or field.high == math.inf:
        return ""
    return f"{_figure(field.low)} to {_figure(field.high)} {field.unit}".strip()


def _figure(value: float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{int(value):,}" if value == int(value) else str(value)


def _enum(field: Field) -> type | None:
    return field.enum or (field.choices if isinstance(field.choices, type) else None)


def _wrapped(text: str) -> str:
    return textwrap.indent(textwrap.fill(f'"""{text}"""', 116, break_on_hyphens=False), "    ") + "\n"


def _key(field: Field) -> dict[str, Any]:
    """A key as Pulumi.yaml declares it; a number with a point and a table are texts there."""
    default = json.dumps(field.default) if isinstance(field.default, float | dict | list) else field.default
    kind = {bool: "boolean", int: "integer"}.get(type(default), "string")
    return {"type": kind, "default": default, "description": spelled(description(field))}


if __name__ == "__main__":
    ARGUMENTS.write_text(arguments())
    PROJECT.write_text(project())
    SCHEMA.write_text(schema())
