"""Every property of the types that `tandem cost` prices or knows to be free, as the locked pulumi-aws has them."""

import importlib
import json
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi_aws
from pulumi import _types

from tandem.cost.pricers import PRICERS, why_free

ROOT = Path(__file__).resolve().parent.parent
PROPERTIES = ROOT / "tests" / "unit" / "cost" / "properties.json"
_MODULES = re.compile(r'resource_modules="""\n(.*?)\n"""', re.DOTALL)


def properties() -> str:
    """Type -> paths of its properties: items of a list as `a[].b`, the values of a map as `a.*`; a line a type."""
    found = {type_: " ".join(_paths(cls)) for type_, cls in _classes()}
    lines = ",\n".join(f" {json.dumps(type_)}: {json.dumps(found[type_])}" for type_ in sorted(found))
    return f"{{\n{lines}\n}}\n"


def _classes() -> Iterator[tuple[str, type]]:
    """The arguments' class of each type that has a pricer or is free; the package has a list of all its types."""
    modules = _MODULES.search(Path(str(pulumi_aws.__file__)).read_text())
    for module in json.loads(modules[1] if modules else "[]"):
        for type_, name in module["classes"].items():
            if type_ in PRICERS or why_free(type_):
                yield type_, getattr(importlib.import_module(module["fqn"]), f"{name}Args")


def _paths(cls: type, at: str = "", within: tuple[type, ...] = ()) -> Iterator[str]:
    for name, kind in sorted(_types.input_type_types(cls).items()):
        yield from _path(kind, f"{at}{name}", (*within, cls))


def _path(kind: Any, at: str, within: tuple[type, ...]) -> Iterator[str]:
    kind = _types.unwrap_type(kind)
    origin, items = typing.get_origin(kind), typing.get_args(kind)
    if _types.is_input_type(kind) and kind not in within:
        yield from _paths(kind, f"{at}.", within)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield f"{at}.*"
    elif isinstance(origin, type) and issubclass(origin, typing.Sequence):
        yield from _path(items[0], f"{at}[]", within)
    else:
        yield at


if __name__ == "__main__":
    PROPERTIES.write_text(properties())
