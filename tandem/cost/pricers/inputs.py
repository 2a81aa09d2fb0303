"""Reading inputs as numbers."""

from decimal import Decimal, InvalidOperation

from ..model import Resource
from ..prices import NotPriced


def number(resource: Resource, path: str, default: Decimal | int | None = None) -> Decimal:
    """The number at a path; raises `NotPriced` where the preview has none."""
    value = resource.get(path, default)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise NotPriced(f"{path} is missing" if value is None else f"{path} is {value!r}, not a number")
    return found


def text(resource: Resource, path: str, default: str | None = None) -> str:
    """The text at a path; raises `NotPriced` where the preview has none."""
    value = resource.get(path, default)
    if not isinstance(value, str):
        raise NotPriced(f"{path} is missing" if value is None else f"{path} is {value!r}, not a text")
    return value


def count(resource: Resource, path: str) -> int:
    """How many items the list at a path has; 0 where there is none."""
    value = resource.get(path, [])
    if not isinstance(value, list):
        raise NotPriced(f"{path} is {value!r}, not a list")
    return len(value)
