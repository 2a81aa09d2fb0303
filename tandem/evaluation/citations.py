"""Whether answers cite the documents that they should."""

from collections.abc import Collection

from .retrieval import labelled


def citation_precision(cited: Collection[str], relevant: Collection[str]) -> float:
    """The share of the cited documents that are relevant, each counted once; 0 where nothing is cited.

    Nothing cited would be 0/0; as 1 it would reward answers without sources. Raises `ValueError` where no document is
    relevant, as `citation_recall` does.
    """
    wanted = labelled(relevant)
    given = set(cited)
    return len(given & wanted) / len(given) if given else 0.0


def citation_recall(cited: Collection[str], relevant: Collection[str]) -> float:
    """The share of the relevant documents that are cited."""
    wanted = labelled(relevant)
    return len(wanted.intersection(cited)) / len(wanted)
