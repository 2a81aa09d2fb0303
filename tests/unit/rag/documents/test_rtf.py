"""RTF: encodings, headings, tables, and what isn't shown."""

import pytest

from tandem.rag.documents.section import Loss, Rejected, Section

from .files import read, sections


def rtf(body: str, head: str = r"\ansi\ansicpg1252") -> bytes:
    return ("{\\rtf1" + head + " " + body + "}").encode("latin-1")


def test_paragraphs():
    assert sections("rtf", r"{\rtf1\ansi The winter depot opens at 06:40.\par}") == [
        Section("The winter depot opens at 06:40.")
    ]
    assert sections("rtf", rtf("one\\par\r\ntwo\\line three\\tab four")) == [Section("one\n\ntwo\nthree\tfour")]


@pytest.mark.parametrize(
    ("body", "head", "text"),
    [
        (r"ge\'f6ffnet \'80", r"\ansi\ansicpg1252", "geöffnet €"),
        (r"\'ef\'f0\'e8\'e2\'e5\'f2", r"\ansi\ansicpg1251", "привет"),
        (r"{\f1 \'ef\'f0\'e8} \'f6", r"\ansi{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}}", "при ö"),
        (r"\'93\'fa\'96\'7b", r"\ansi\ansicpg932", "日本"),
        (r"\u1087?\u1088\'3f\u1080 ?", r"\ansi\uc1", "при"),
        (r"\uc2\u8364\'80\'80 x", r"\ansi", "€ x"),
        (r"\u-10179?\u-8704?", r"\ansi", "\U0001f600"),
        (r"a\~b\emdash c\{d\}", r"\ansi", "a\u00a0b\u2014c{d}"),
        ("gef\u00f6hrt", r"\ansi", "geföhrt"),
    ],
)
def test_encodings(body, head, text):
    assert sections("rtf", rtf(body, head))[0].text.strip() == text


def test_what_is_not_shown_is_left_out():
    body = (
        r"{\info{\title no}}{\header no\par}{\footer no}{\stylesheet{\s0 no;}}{\*\generator no}"
        r"shown {\v no}\v no\v0 {\deleted no}{\field{\*\fldinst HYPERLINK no}{\fldrslt link}}{\*\unknown no}"
    )
    assert sections("rtf", rtf(body)) == [Section("shown link")]


def test_headings_by_style_or_level():
    body = r"{\stylesheet{\s1\b heading 1;}}\pard\s1 Depot\par\pard words\par\pard\outlinelevel1 Gate\par\pard open\par"
    assert sections("rtf", rtf(body)) == [Section("words", heading="Depot"), Section("open", heading="Depot > Gate")]


def test_a_table_has_its_rows_and_header():
    row = r"\trowd{0}\pard\intbl {1}\cell {2}\cell\row "
    body = (
        "before\\par "
        + row.format(r"\trhdr", "Bay", "Load")
        + row.format("", r"N4\par cold", "18 t")
        + r"\pard after\par"
    )
    assert sections("rtf", rtf(body)) == [
        Section("before"),
        Section("N4 cold | 18 t", header="Bay | Load"),
        Section("after"),
    ]


def test_footnotes_text_boxes_and_exponents_are_kept_and_pictures_told():
    body = (
        r"4 bar{\footnote\pard Measured cold.} at 10{\super 5} V{\pict\pngblip 89504e47}\par"
        r"{\shp{\*\shpinst{\sp{\sn no}{\sv no}}{\shptxt in a box\par}}{\shprslt no}}"
    )
    assert read("rtf", rtf(body)) == [
        Section("4 bar[^1] at 10^5 V\n\n[^1]: Measured cold.\n\nin a box"),
        Loss("picture without a description"),
    ]


def test_binary_data_is_stepped_over():
    assert sections("rtf", rtf(r"a{\pict\bin6 }}}\par}b")) == [Section("ab")]


@pytest.mark.parametrize(
    ("data", "reason"), [("words", "is no RTF"), (r"{\rtf1" + "{" * 5000, "nested over 1000 deep")]
)
def test_what_cannot_be_read(data, reason):
    with pytest.raises(Rejected, match=reason):
        read("rtf", data)


def test_a_file_that_is_cut_off_gives_what_it_has():
    assert sections("rtf", r"{\rtf1\ansi {\b whole} and ha") == [Section("whole and ha")]


def test_characters_of_symbol_fonts_are_what_they_show():
    fonts = r"{\fonttbl{\f0 Arial;}{\f1\fnil\fcharset2 Wingdings;}{\f2\froman\fcharset2{\*\panose 05} Symbol;}}"
    data = r"{\rtf1\ansi\deff0" + fonts + r"\f1\'fc{\f2 m\u-3983 ?}\f0 m}"
    assert sections("rtf", data) == [Section("\u2713\u03bc\u03b8m")]
