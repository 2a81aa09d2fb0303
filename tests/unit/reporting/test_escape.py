"""What is shown in Markdown is text: a parser of Markdown finds no markup in it, whatever it is."""

import random
import re

import pytest
from markdown_it import MarkdownIt

from tandem.reporting.escape import clipped, code, inert
from tandem.reporting.tables import Table

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PIECES = (
    "`",
    "``",
    "\\",
    "*",
    "**",
    "_",
    "[a](b)",
    "![",
    "](",
    "<b>",
    "</details>",
    "&lt;",
    "&",
    "|",
    "~~",
    "@team",
    "#",
)
PIECES += ("#", "\n", "\n\n", " ", "x", "1. ", "- ", "<!--", "-->", "http://x", "\x00", "\ud800", "é")


def tags(text):
    return set(re.findall(r"</?(\w+)", MARKDOWN.render(text)))


@pytest.mark.faults
def test_nothing_is_markup():
    draw = random.Random(12)  # noqa: S311 - not a secret
    for _ in range(3000):
        text = "".join(draw.choices(PIECES, k=draw.randint(1, 9)))
        row = Table(("what", "name"), [(text, text)], names=(1,)).markdown()
        assert tags(row) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}, text
        assert MARKDOWN.render(row).count("<td>") == 2, text
        assert not re.search("@team", re.sub("<code>.*?</code>", "", MARKDOWN.render(row))), text
        assert tags(Table(("",), [(text,)]).markdown()) <= {"ul", "li", "code"}, text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("set `endpointMode: zero`", "set `endpointMode: zero`"),
        ("a `b|c` d", r"a `b\|c` d"),
        ("5' 6` tall", r"5' 6\` tall"),
        ("two\nlines", "two lines"),
        ("1. -$2.00", r"1\. -$2.00"),
        ("me@example.org", "me@\u200bexample.org"),
        ("https://a.b WWW.a.b", "https:\u200b//a.b WWW\u200b.a.b"),
        ("a/b#1, GH-2, C#, #a", "a/b#\u200b1, GH-\u200b2, C#, #a"),
    ],
)
def test_code_stays_code_and_the_rest_is_text(text, shown):
    assert inert(text) == shown


def test_a_name_is_code():
    assert (code("a`b|c"), code(" "), clipped("one two three", 8)) == (r"`a'b\|c`", "", "one two…")
