"""Whether answers cite the documents that they should, and refuse the questions that no document answers."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Refusals:
    """What was answered and what refused; a call that failed did neither, and is wrong for either kind of question."""

    answerable_answered: int = 0
    answerable_refused: int = 0
    answerable_failed: int = 0
    unanswerable_answered: int = 0
    unanswerable_refused: int = 0
    unanswerable_failed: int = 0

    @property
    def answerable(self) -> int:
        """How many questions have an answer."""
        return self.answerable_answered + self.answerable_refused + self.answerable_failed

    @property
    def unanswerable(self) -> int:
        """How many have none."""
        return self.unanswerable_answered + self.unanswerable_refused + self.unanswerable_failed

    @property
    def accuracy(self) -> float | None:
        """The share of all questions that were answered or refused as they should; None without questions."""
        return _share(self.answerable_answered + self.unanswerable_refused, self.answerable + self.unanswerable)

    @property
    def accuracy_on_answerable(self) -> float | None:
        """The share of the answerable questions that were answered, rightly or not; None if there are none."""
        return _share(self.answerable_answered, self.answerable)

    @property
    def accuracy_on_unanswerable(self) -> float | None:
        """The share of the unanswerable questions that were refused; None if there are none."""
        return _share(self.unanswerable_refused, self.unanswerable)


def refusals(outcomes: Iterable[tuple[bool, bool | None]]) -> Refusals:
    """Count pairs: whether a question is answerable, and whether it was refused, None where the call failed."""
    did = {True: "refused", False: "answered", None: "failed"}
    counts = Counter(f"{'' if answerable else 'un'}answerable_{did[refused]}" for answerable, refused in outcomes)
    return Refusals(**counts)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
