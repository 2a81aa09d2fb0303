"""Markdown: blocks as CommonMark sees them, text as it is written."""

from pathlib import Path

import pytest

from tandem.rag.chunk import chunk
from tandem.rag.documents import extract
from tandem.rag.documents.section import Section

CASES = Path(__file__).parent / "cases"


def sections(markup: str) -> list[Section]:
    return [part for part in extract("a.md", "", markup.encode()) if isinstance(part, Section)]


def case(name: str) -> list[Section]:
    return sections((CASES / name).read_text())


def test_every_heading_is_text():
    assert [(part.text, part.heading) for part in case("head-only.md")] == [
        ("Monday 08:00-17:00", "Opening times"),
        ("Tuesday closed", "Opening times"),
        ("Wednesday 10:00-12:00", "Opening times"),
        ("Ring the bell.", "Contact"),
    ]


def test_a_rule_is_no_front_matter():
    assert case("rule-first.md") == [Section("Never open valve 3.\n\nNext part.")]


@pytest.mark.parametrize(
    "markup",
    ["---\nNever open: valve 3.\n\n---\nNext", "---\n\nNever open valve 3.\n---\nNext", "***\nNever open valve 3."],
)
def test_whatever_follows_a_rule_is_kept(markup):
    assert "valve 3" in " ".join(f"{part.heading} {part.text}" for part in sections(markup))


@pytest.mark.parametrize("fence", ["---", "+++"])
def test_front_matter_can_be_found(fence):
    sign = ":" if fence == "---" else " ="
    front = f"title{sign} Boiler manual\nmodel{sign} HX-300"
    assert sections(f"{fence}\n{front}\n{fence}\nFlush it each May.\n# A\nb") == [
        Section(front),
        Section("Flush it each May."),
        Section("b", heading="A"),
    ]
    assert "HX-300" in case("front-matter.md")[0].text


def test_each_chunk_of_a_table_has_its_header_and_whole_rows():
    chunks = list(chunk(case("table.md")))
    assert len(chunks) > 1
    for piece in chunks:
        header, *rows = piece.text.split("\n")
        assert header == "| Zone | Weight kg | Price EUR | Days |"
        assert all(row.count("|") == 5 for row in rows)
    rows = [row for piece in chunks for row in piece.text.split("\n")[1:]]
    assert rows == [
        row for row in (CASES / "table.md").read_text().split("\n") if row.startswith("| Z") and "Zone" not in row
    ]


def test_data_uris_are_dropped():
    data = "A" * 40_000
    for markup in (
        f"![x](data:image/png;base64,{data})",
        f"[x]: data:image/png;base64,{data}",
        f'<img src="data:;base64,{data}">',
        f"![x](data:;base64,{data})",
    ):
        chunks = list(chunk(sections(f"# T\n\ntext one\n\n{markup}\n\ntail text")))
        assert len(chunks) == 1 and "text one" in chunks[0].text and "tail text" in chunks[0].text


def test_code_keeps_its_indentation():
    markup = "# A\n\n```py\nif x:\n    # not a heading\n    y()\n\n    z()\n```\n\n    indented\n"
    (found,) = sections(markup)
    assert found.text == markup.removeprefix("# A\n\n").rstrip()
    (piece,) = chunk([found])
    assert piece.text == found.text


def test_html_shows_what_a_browser_shows():
    markup = """# Pump <a name="p"></a>

At 10<sup>5</sup> V, see [the manual](http://m) and `<b>`; a < b. <!-- not
this --> <span hidden>nor this</span>

<!-- nor

this -->
<div align="center"><img src="x" alt="Wiring"></div>

- 3 m<sup>2</sup> **wide**

| a | b |
| - | - |
| 1 | 2<br>3 |

<script>nor(this)</script>
"""
    text, table = sections(markup)
    assert text == Section(
        "At 10^5 V, see [the manual](http://m) and `<b>`; a < b.\n\nWiring\n\n- 3 m^2 **wide**", heading="Pump"
    )
    assert table == Section("| 1 | 2 3 |", heading="Pump", header="| a | b |")


def test_cells_that_span_stand_in_their_columns():
    table = "<table><tr><th>Hall<th>Bay<tr><td rowspan=2>North<td>B7<tr><td>B8</table>"
    assert sections(f"One.\n\n{table}\n\nTwo.")[0].text == "One.\n\nHall | Bay\nNorth | B7\nNorth | B8\n\nTwo."


def test_headings_of_several_lines_and_in_quotes():
    assert sections("Long\ntitle\n===\ntext\n> # no heading\n\n- item\n\n  # nor this\n") == [
        Section("text\n\n> # no heading\n\n- item\n\n  # nor this", heading="Long title")
    ]


def test_a_long_heading_loses_nothing():
    first, second = "alpha " * 60 + "omega", "beta " * 30 + "end"
    words = " ".join(f"{part.heading} {part.text}" for part in sections(f"# {first}\n## {second}\n### {second}\ntext"))
    assert words.count("alpha") >= 60 and "omega" in words and words.count("beta") >= 30
    chunks = list(chunk(sections(f"# {first}\ntext")))
    assert sum(piece.embedded.count("alpha") for piece in chunks) >= 60


def test_a_long_document_is_read_in_parts_without_a_seam():
    body = "\n".join(f"- item {number}\n\n  more {number}" for number in range(1500))
    fence = "```\n" + "\n".join(f"# {number}" for number in range(5000)) + "\n```"
    found = sections(f"# A\n{body}\n\n{fence}\n# B\nend")
    assert {part.heading for part in found} == {"A", "B"}
    words = " ".join(part.text for part in found).split()
    assert words.count("more") == 1500 and words.count("#") == 5000


def test_a_long_table_is_read_in_parts_without_a_seam():
    rows = [f"| Z{number} | {number} |" for number in range(5000)]
    found = sections("\n".join(["# T", "", "| Zone | Price |", "|---|---|", *rows, "", "after"]))
    assert {part.header for part in found[:-1]} == {"| Zone | Price |"}
    assert "\n".join(part.text for part in found[:-1]).split("\n") == rows
    assert found[-1].text == "after"


@pytest.mark.parametrize(
    "words",
    [
        "Use the type List<String> here.",
        "Use List<T extends Pump> or Option<Button>.",
        "replace <serial> and <title> by yours",
        "SELECT bay FROM <table> WHERE load > 3",
        "call <Tabs>x</Tabs>",
        "if a<b and c>d, stop",
        "<title> by yours, then the rest",
        "a \\<b>",
    ],
)
def test_what_only_looks_like_a_tag_is_text(words):
    shown = words.replace("\\", "")
    for markup in (words, f"- {words}", f"| a |\n| - |\n| {words} |", f"# {words}"):
        assert shown in " ".join(each.text for each in sections(markup)).replace("\\", "")


def test_a_code_in_a_heading_is_of_it():
    assert sections("# The `<b>` tag <a name=x></a>\ntext")[0].heading == "The <b> tag"


@pytest.mark.parametrize(
    "opening",
    [
        '<div style="display:none">',
        "<div hidden>",
        "<div><div hidden>",
        "<dialog>",
        "<div\n  popover>",
        "<nav>",
        "<template>",
    ],
)
def test_what_a_hidden_element_has_between_its_tags_is_hidden(opening):
    end = "</div>" * opening.count("<div") or opening.replace("<", "</")
    markup = f"Shown.\n\n{opening}\n\n# secret\n\n<div>\n\nsecret\n\n</div>\n\n- secret\n\n{end}\nvisible\n\nend"
    words = " ".join(f"{part.heading} {part.text}" for part in sections(markup)).split()
    assert "secret" not in words and "Shown." in words and "end" in words
    assert "visible" in words


@pytest.mark.parametrize("indent", ["  ", "> "])
def test_a_hidden_element_may_be_within_a_list_or_quote(indent):
    lines = ["- shown", "", "<div hidden>", "", "secret", "", "    secret", "", "</div>", "", "shown too"]
    text = sections("\n".join(indent + line if at else line for at, line in enumerate(lines)) + "\n\nend")[0].text
    assert "secret" not in text and text.count("shown") == 2 and text.endswith("end")


def test_a_hidden_element_that_nothing_closes_hides_nothing_that_follows():
    assert sections("<div hidden>\n\nNever open valve 3.")[0].text == "Never open valve 3."


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", ["<div hidden>\n\n", "<title>\n", "a <title> ", "</div>\n\n", "<a b='", "List<T>"])
def test_what_strangers_may_send_takes_no_longer_than_other_texts(piece):
    assert sections("valve\n\n" + piece * 20_000)
