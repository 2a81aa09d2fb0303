"""Which inputs a price considers. Each module of pricers says of its types which it reads and which cost nothing; any
other that is set, a newer provider's too, is told as not considered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

NAMES = "names, descriptions and labels cost nothing"
PLACE = "where it stands, whom it lets in and what it is connected with cost nothing by themselves"
ACCESS = "permissions, policies and encryption cost nothing by themselves: a key bills where it is"
LIFE = "how it is made, changed, protected and removed costs nothing"
BEHAVIOUR = "how it behaves costs nothing by itself"
USED = "bills where it is used or kept, not here"

_EVERYWHERE = {NAMES: "tags.* tagsAll.*", "where it is decides the prices": "region", LIFE: "timeouts.*"}
_DEEPEST = 30  # levels of an input that is looked into


@dataclass(frozen=True)
class Inputs:
    """What is known of a type's inputs.

    Paths are apart by spaces: `a.b`, of a list's items `a[].b`, `a.*` for `a` with all below it.
    """

    priced: str = ""
    """Those that its pricer reads. `a.*`: it looks whether there is one at all."""
    free: Mapping[str, str] = field(default_factory=dict)
    """Why -> those that cost nothing."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Why -> those that may move the bill, and that the price doesn't consider."""

    def why_ignored(self, path: str) -> str | None:
        """Why the price doesn't consider an input; empty if this program doesn't know it, None if it is considered."""
        return self._known_as(path)[1]

    def not_considered(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Each input that is set and not considered -> why; empty for one that this program doesn't know."""
        found = {name: why for name, why in map(self._known_as, _paths(given)) if why is not None}
        return {name.removesuffix(".*").removesuffix("[]"): why for name, why in sorted(found.items())}

    def _known_as(self, path: str) -> tuple[str, str | None]:
        """What it is declared as, itself if it isn't, and why it is ignored."""
        known = next((name for name in _way(path) if name in self._known), None)
        return (path, self._parts.get(path, "")) if known is None else (known, self._known[known])

    @cached_property
    def _known(self) -> dict[str, str | None]:
        considered = [self.priced, *self.free.values(), *_EVERYWHERE.values()]
        ignored = {path: why for why, paths in self.ignored.items() for path in paths.split()}
        return ignored | dict.fromkeys(" ".join(considered).split())

    @cached_property
    def _parts(self) -> dict[str, str | None]:
        """What a part of the inputs is where the preview hides the whole of it: considered if anything in it is."""
        found: dict[str, str | None] = {}
        for path, why in self._known.items():
            for part in _above(path.removesuffix(".*")):
                found[part] = None if why is None else found.get(part, why)
        return found


def _way(path: str) -> Iterator[str]:
    """What a path may be declared as, the closest first: itself, itself with all below it, what it is in."""
    yield path
    yield f"{path}.*"
    for part in _above(path):
        yield part  # a value that is an object in previews, as a file is
        yield f"{part}.*"
    yield "*"


def _above(path: str) -> Iterator[str]:
    """What a path is in, the closest first: `a[].b`, `a[]` and `a` of `a[].b.c`."""
    while (cut := max(path.rfind("."), path.rfind("[]"))) > 0:
        path = path[:cut]
        yield path


def _paths(value: Any, at: str = "", level: int = 0) -> Iterator[str]:
    if isinstance(value, Mapping) and level < _DEEPEST:
        for key, item in value.items():
            if not key.startswith("__"):  # what Pulumi writes beside the inputs, as `__defaults`
                yield from _paths(item, f"{at}.{key}" if at else key, level + 1)
    elif isinstance(value, list) and level < _DEEPEST:
        for item in value:
            yield from _paths(item, f"{at}[]", level + 1)
    elif value is not None:
        yield at
