"""Plain text: one section."""

from collections.abc import Iterator

from .section import Section, decode


def sections(data: bytes) -> Iterator[Section]:
    """Yield the text as it is."""
    yield Section(decode(data))
