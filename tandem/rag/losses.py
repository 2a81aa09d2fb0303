"""Losses: what readers couldn't read or left out, as a few lines that a person can act on."""

from collections.abc import Iterable, Sequence

from .documents.section import Loss

MOST_KINDS, MOST_RANGES, MOST_NAMES = 20, 20, 3  # they stand in a row of the ledger
LONGEST_NAME = 80


class Losses:
    """Collects losses by what they are."""

    def __init__(self) -> None:
        self._found: dict[str, list[Loss]] = {}

    def add(self, loss: Loss) -> None:
        """Count a loss."""
        self._found.setdefault(loss.what, []).append(loss)

    def warnings(self) -> list[str]:
        """A line for each kind, with its pages, or how often, and a few names."""
        lines = [_line(what, losses) for what, losses in self._found.items()]
        more = len(lines) - MOST_KINDS
        return [*lines[:MOST_KINDS], f"and {more} kinds more"] if more > 0 else lines


def _line(what: str, losses: Sequence[Loss]) -> str:
    line = what
    if names := list(dict.fromkeys(loss.name for loss in losses if loss.name)):
        line += f": {_some([name[:LONGEST_NAME] for name in names], MOST_NAMES)}"
    if pages := sorted({loss.page for loss in losses if loss.page is not None}):
        return f"page{'s' if len(pages) > 1 else ''} {_some(_ranges(pages), MOST_RANGES)}: {line}"
    return f"{line} ({len(losses)} times)" if len(losses) > max(1, len(names)) else line


def _some(words: Sequence[str], most: int) -> str:
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")


def _ranges(numbers: Iterable[int]) -> list[str]:
    """Sorted numbers as `2-10` and `12`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return [f"{first}-{last}" if last > first else str(first) for first, last in ranges]
