"""How an XML document begins, found out without reading the rest of it."""

from typing import IO, NamedTuple
from xml.parsers import expat

PIECE = 64 * 1024


class Prolog(NamedTuple):
    """How a document begins."""

    has_doctype: bool
    root: str
    """Name of the root element, as `namespace}name` if it has a namespace; empty if there is none."""


class _Root(Exception):
    pass


def prolog(stream: IO[bytes]) -> Prolog:
    """Read a document up to its root element; bytes that are no XML have none."""
    doctypes: list[str] = []
    roots: list[str] = []

    def root(tag: str, _: object) -> None:
        roots.append(tag)
        raise _Root

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartDoctypeDeclHandler = lambda kind, *_: doctypes.append(kind)
    parser.StartElementHandler = root
    try:
        while piece := stream.read(PIECE):
            parser.Parse(piece)
    except (_Root, expat.ExpatError, LookupError, ValueError):
        pass
    return Prolog(bool(doctypes), "".join(roots))
