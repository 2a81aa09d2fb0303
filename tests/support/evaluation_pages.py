"""Reads the page that `tandem eval report` writes."""

from xml.etree import ElementTree

from tandem.evaluation.reports import html
from tests.support.evaluation_runs import compared


def page(runs, differences=None):
    """The page, by default with the differences of the runs."""
    return html.render(runs, compared(runs) if differences is None else differences)


def parsed(runs, differences=None):
    """The page as XML, which is stricter than HTML: an answer that were markup would be an element, or break it."""
    return ElementTree.fromstring(page(runs, differences).removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own


def text(element):
    """All text in an element."""
    return "".join(element.itertext())


def section(tree, title):
    """The section whose title begins so."""
    (found,) = [part for part in tree.iter("section") if text(part.find("h2")).startswith(title)]
    return found


def rows(table):
    """The texts of the cells of each row."""
    return [[text(cell) for cell in row] for row in table.iter("tr")]


def chart(tree):
    """The two-by-two, or None."""
    return next((found for found in tree.iter("svg") if found.get("class") == "chart"), None)


def answer_rows(tree):
    """Question's number -> cells of each run's answer."""
    bodies = [body for body in tree.iter("tbody") if (body.get("id") or "").startswith("q")]
    return {body.get("id"): [list(row) for row in body.findall("tr")[1:]] for body in bodies}
