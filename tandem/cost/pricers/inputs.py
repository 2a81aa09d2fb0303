"""Reading inputs as numbers."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from ..model import SECRET, UNKNOWN, Resource
from ..prices import NotPriced
from ..units import MOST


def number(resource: Resource, path: str, default: Decimal | int | None = None) -> Decimal:
    """The number at a path; raises `NotPriced` where the preview has none, or one that AWS refuses."""
    value = resource.get(path, default)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise NotPriced(f"{path} is missing" if value is None else f"{path} is {value!r}, not a number")
    if found < 0:
        raise NotPriced(f"{path} is {found:f}, less than none")
    if found > MOST:
        raise NotPriced(f"{path} is {found:.0e}, more than there is")
    return found


def text(resource: Resource, path: str, default: str | None = None) -> str:
    """The text at a path; raises `NotPriced` where the preview has none."""
    value = resource.get(path, default)
    if not isinstance(value, str):
        raise NotPriced(f"{path} is missing" if value is None else f"{path} is {value!r}, not a text")
    return value


_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(m|k|[MGTPE]|[KMGTPE]i)?")
_SUFFIXES = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_SUFFIXES |= {letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", 2)}
_SUFFIXES |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}


def quantity(name: str, value: Any) -> Decimal:
    """What Kubernetes writes as 8, 500m or 16Gi; raises `NotPriced` where it is something else."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        hidden = {UNKNOWN: "known only once it is deployed", SECRET: "a secret, which a preview doesn't show"}
        raise NotPriced(f"{name} is {hidden.get(value, f'{value!r}, not a quantity as 8, 500m or 16Gi')}")
    amount = Decimal(found[1]) * _SUFFIXES[found[2] or ""]
    if amount > MOST * 2**30:
        raise NotPriced(f"{name} is {amount:.0e}, more than there is")
    return amount


def count(resource: Resource, path: str) -> int:
    """How many items the list at a path has; 0 where there is none."""
    value = resource.get(path, [])
    if not isinstance(value, list):
        raise NotPriced(f"{path} is {value!r}, not a list")
    return len(value)
