"""CSV: the delimiter, the encoding and the quotes are found out."""

import pytest

from tandem.rag.documents.section import Rejected, Section

from .files import sections

ROWS = Section("N4 | 18 t\nN5 | 12 t", header="bay | load")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    assert sections("csv", "bay,load\nN4,18 t\nN5,12 t\n".replace(",", delimiter)) == [ROWS]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfbay,load\r\nN4,18 t\r\nN5,12 t\r\n",
        "bay\tload\nN4\t18 t\nN5\t12 t".encode("utf-16"),
        b"sep=;\nbay;load\nN4;18 t\nN5;12 t",
        b'"bay","load"\n"N4","18 t"\n\n,\n"N5","12 t"',
    ],
)
def test_as_spreadsheets_write_it(data):
    assert sections("csv", data) == [ROWS]


def test_quotes_hold_delimiters_quotes_and_line_ends():
    [only] = sections("csv", 'bay;note\nN4;"shut; see\nthe ""board"""\nN5;"1,5 t, 2,5 t"\n')
    assert (only.header, only.text) == ("bay | note", 'N4 | shut; see the "board"\nN5 | 1,5 t, 2,5 t')


def test_decimal_commas_and_sentences_are_not_delimiters():
    [only] = sections("csv", "bay;load\nN4;18,5\nN5;12,25\n")
    assert (only.header, only.text) == ("bay | load", "N4 | 18,5\nN5 | 12,25")


def test_lines_of_one_column_and_a_title_are_text():
    assert sections("csv", "harnfell\nkranich\n") == [Section("harnfell\nkranich")]
    assert sections("csv", "Loads in winter\n\nbay,load\nN4,18 t\nN5,12 t") == [Section("Loads in winter"), ROWS]


def test_an_unclosed_quote_loses_nothing():
    [only] = sections("csv", 'bay,load\nN4,"18 t\nN5,12 t\n')
    assert only.text == "N4 | 18 t N5,12 t"


def test_a_long_file_comes_in_pieces_that_repeat_the_header():
    found = sections("csv", "bay,load\n" + "".join(f"N{at},{at} t\n" for at in range(2500)))
    assert [each.text.count("\n") + 1 for each in found] == [1000, 1000, 500]
    assert {each.header for each in found} == {"bay | load"}


def test_in_a_wide_table_each_value_has_its_name_beside_it():
    names = [f"Column {at}" for at in range(60)]
    [only] = sections("csv", f"{','.join(names)}\n{','.join(f'v{at}' for at in range(60))}\n,,only\n")
    assert only.header == ""
    header, *lines = only.text.split("\n")
    assert header == " | ".join(names)
    assert lines[0].startswith("Column 0: v0 | Column 1: v1 | ")
    assert lines[1].startswith("Column 0: v0 | ")
    assert lines[-1] == "Column 2: only"
    for at in range(60):
        assert f"Column {at}: v{at}" in only.text
    assert max(map(len, lines)) < 350


def test_a_first_row_of_sentences_is_no_header():
    question, answer = "When does it open? " * 8, "At 06:40. " * 20
    [only] = sections("csv", f"{question},{answer}\nN4,18 t\n")
    assert (only.header, only.text) == ("", f"{question.strip()} | {answer.strip()}\nN4 | 18 t")


def test_what_is_no_text_is_refused():
    with pytest.raises(Rejected, match="binary"):
        sections("csv", b"bay,load\n\0\0\0")
