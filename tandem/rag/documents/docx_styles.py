"""Styles and numbering of docx: which paragraphs are headings, and the labels that Word counts out."""

import re
from collections import defaultdict
from typing import NamedTuple

from .xml_text import Element, attribute, child, children, name

BODY_LEVEL = 9
BULLET = "- "
STYLED_HEADING = re.compile(r"heading ?([1-9])", re.IGNORECASE)  # built-in styles have English names in every language
CONTENTS = re.compile(r"toc [1-9]", re.IGNORECASE)


class Style(NamedTuple):
    """What a style says about a paragraph, with what it inherits."""

    level: int | None
    """Of a heading: 0 for the title, 1 to 9; None for text."""
    number: tuple[str, int] | None
    """List and level in it."""
    hidden: bool
    is_contents: bool
    """Whether it is for a table of contents, which repeats the headings."""


NO_STYLE = Style(None, None, False, False)


def is_on(properties: Element | None, wanted: str) -> bool:
    """Whether a switch such as `vanish` is there and not turned off."""
    switch = child(properties, wanted)
    return switch is not None and attribute(switch, "val") not in ("0", "false", "off")


def heading_level(properties: Element | None) -> int | None:
    """The level of a heading that a paragraph's or style's properties give: 1 to 9, 10 for text, None for nothing."""
    level = attribute(child(properties, "outlineLvl"), "val")
    return int(level) + 1 if level and level.isdigit() else None


def list_place(properties: Element | None) -> tuple[str, int] | None:
    """The list that a paragraph's or style's properties put it into, and the level in it."""
    number = child(properties, "numPr")
    list_id = attribute(child(number, "numId"), "val")
    level = attribute(child(number, "ilvl"), "val") or "0"
    return (list_id, int(level)) if list_id is not None and level.isdigit() else None


class Styles:
    """Styles by their id, each with what it is based on."""

    def __init__(self, root: Element | None) -> None:
        self._elements = {attribute(each, "styleId"): each for each in children(root) if name(each) == "style"}
        self._found: dict[str | None, Style] = {None: NO_STYLE}
        default = [
            key
            for key, each in self._elements.items()
            if attribute(each, "default") in ("1", "true") and attribute(each, "type") == "paragraph"
        ]
        self._default = default[0] if default else None

    def paragraph(self, properties: Element | None) -> Style:
        """The style of a paragraph."""
        return self.style(attribute(child(properties, "pStyle"), "val") or self._default)

    def style(self, key: str | None, seen: tuple[str | None, ...] = ()) -> Style:
        """A style by its id."""
        if key not in self._found:
            element = self._elements.get(key)
            if element is None:  # some programs name the built-in ones without defining them
                named = STYLED_HEADING.fullmatch(key or "")
                return NO_STYLE._replace(level=int(named[1])) if named else NO_STYLE
            if key in seen:
                return NO_STYLE
            base = self.style(attribute(child(element, "basedOn"), "val"), (*seen, key))
            properties = child(element, "pPr")
            title = attribute(child(element, "name"), "val") or ""
            level = heading_level(properties)
            if level is None and (named := STYLED_HEADING.fullmatch(title)):
                level = int(named[1])
            if level is None:
                level = 0 if title.lower() == "title" else base.level
            place = list_place(properties) or base.number
            self._found[key] = Style(
                None if level is None or level > BODY_LEVEL else level,
                place,
                is_on(child(element, "rPr"), "vanish") or base.hidden,
                bool(CONTENTS.match(title)) or base.is_contents,
            )
        return self._found[key]


class Numbering:
    """The lists of a document, counted as its paragraphs come."""

    def __init__(self, root: Element | None) -> None:
        definitions: dict[str | None, dict[int, Element]] = {}
        self._levels: dict[str | None, dict[int, Element]] = {}
        self._counter: dict[str | None, str] = {}
        for each in children(root):
            if name(each) == "abstractNum":
                definitions[attribute(each, "abstractNumId")] = _levels(each)
            elif name(each) == "num":
                abstract = attribute(child(each, "abstractNumId"), "val")
                overrides = {
                    at: level for over in each.iterfind("{*}lvlOverride") for at, level in _levels(over).items()
                }
                key = attribute(each, "numId")
                self._levels[key] = definitions.get(abstract, {}) | overrides
                # Lists of one definition go on counting, unless told to start again.
                starts = next(each.iter("{*}startOverride"), None) is not None
                self._counter[key] = f"own {key}" if starts else f"of {abstract}"
        self._counts: dict[str | None, dict[int, int]] = defaultdict(dict)

    def label(self, place: tuple[str, int]) -> str:
        """The label of the next paragraph at this place: `- `, `3.2 ` and so on; empty if it has none."""
        key, depth = place
        levels = self._levels.get(key, {})
        if depth not in levels:
            return ""
        counts = self._counts[self._counter[key]]
        for deeper in [at for at in counts if at > depth]:
            del counts[deeper]
        for at in range(depth + 1):
            start = attribute(child(levels.get(at), "start"), "val") or "1"
            if at not in counts or at == depth:
                counts[at] = counts[at] + 1 if at in counts else int(start)
        kind = attribute(child(levels[depth], "numFmt"), "val") or "decimal"
        if kind == "bullet":
            return BULLET
        pattern = attribute(child(levels[depth], "lvlText"), "val") or ""
        if kind == "none" or not pattern.strip():
            return ""

        def number(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            form = attribute(child(levels.get(at), "numFmt"), "val") or "decimal"
            return _written(counts.get(at, 1), form)

        return re.sub(r"%([1-9])", number, pattern).strip() + " "


def _levels(element: Element) -> dict[int, Element]:
    found = {attribute(each, "ilvl") or "": each for each in element.iterfind("{*}lvl")}
    return {int(at): each for at, each in found.items() if at.isdigit()}


def _written(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter"):
        text = chr(ord("a") + (number - 1) % 26) * (1 + (number - 1) // 26)
    elif form in ("lowerRoman", "upperRoman"):
        text = _roman(number)
    else:
        return f"{number:02}" if form == "decimalZero" else str(number)
    return text.upper() if form.startswith("upper") else text


def _roman(number: int) -> str:
    text = ""
    for value, letters in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ["m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"],
        strict=True,
    ):
        text += letters * (number // value)
        number %= value
    return text
