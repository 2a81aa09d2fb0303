# ruff: noqa: RUF001 - letters of other scripts are meant
"""Plain text, encodings, what decides a format, and the normal form for search."""

import base64
import json
import random
from pathlib import Path

import pytest

from tandem.rag.documents import extract
from tandem.rag.documents.section import Loss, Rejected, Section
from tandem.rag.normal import searched

INVISIBLE = ["\u200b\u00ad", " \u200d \u200c\n", "\u3164\u180e", "\u2066\u034f", "\ufe0f", "\U000e0041"]
CASES = Path(__file__).parent / "cases"


def sections(data: bytes, name: str = "a.txt", content_type: str = "") -> list[Section]:
    return [part for part in extract(name, content_type, data) if isinstance(part, Section)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding):
    assert sections("Pumpe öffnen\r\n茶".encode(encoding)) == [Section("Pumpe öffnen\n茶")]


@pytest.mark.parametrize("order", ["le", "be"])
def test_both_byte_orders_are_read(order):
    assert sections(f"\ufeffPumpe {order}".encode(f"utf-16-{order}")) == [Section(f"Pumpe {order}")]
    assert sections(f"\ufeffPumpe {order}".encode(f"utf-32-{order}")) == [Section(f"Pumpe {order}")]


@pytest.mark.parametrize("text", [b" \n\t\r\n", b"\xef\xbb\xbf", b"\xc2\xa0", *(each.encode() for each in INVISIBLE)])
def test_white_space_alone_is_refused_for_what_it_is(text):
    with pytest.raises(Rejected, match="only white space"):
        sections(text)


@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "koi8_r"])
def test_an_unknown_encoding_is_refused_with_advice_that_fits_any(encoding):
    text = {"cp1252": "Gebühr", "cp932": "停止しました", "koi8_r": "остановлен"}[encoding]
    with pytest.raises(Rejected, match=r"not UTF-8.*iconv -f ENCODING.*SHIFT_JIS"):
        sections(text.encode(encoding))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a", "page.asp"])
def test_html_is_known_by_its_beginning(name):
    for beginning in ("<!DOCTYPE html>\n", "\ufeff<html lang=en>", "<!-- made by -->\n<!doctype HTML public 'x'>"):
        assert sections(f"{beginning}<p>Hall 4".encode(), name) == [Section("Hall 4")]


def test_text_about_html_or_pdf_is_text():
    for text in ("A page begins with <!doctype html>.", "%PDF starts a file", "<p>is a tag"):
        assert sections(text.encode()) == [Section(text)]


def test_the_normal_form_is_what_people_type():
    assert searched((CASES / "ligatures.txt").read_text()).split() == (
        ["The", "office", "definition", "of", "cooperation:", "10", "000", "zerowidth."]
    )
    for text, normal in {
        "ＡＢＣ　１２": "ABC 12",
        "ｶﾞ": "ガ",
        "ﻻ": "لا",
        "cafe\u0301": "café",
        "𝐏𝑥": "Px",
        "state\u2011of": "state-of",
        "5\u202fkg": "5 kg",
        "㍿": "株式会社",
        "auf\u200clage": "auflage",
        "Ⅷ": "VIII",
        "น้ำ ນ້ຳ": "น้ำ ນ້ຳ",
        "❤\ufe0f\U000e0041": "❤",
    }.items():
        assert searched(text) == normal


@pytest.mark.parametrize("text", ["10⁵ V", "H₂O", "1½ l", "①②", "5 ㎡", "™", "می\u200cخواهم", "´"])
def test_what_would_change_its_meaning_stays(text):
    assert searched(text) == text


def test_invisible_words_make_no_endless_chunk():
    assert sections(("a " + "\u200b " * 3 + "b" + "\u200d\u2060" * 99 + "c").encode()) == [Section("a    bc")]
    assert sections("می\u200cخواهم co\u00adop".encode()) == [Section("می\u200cخواهم co\u00adop")]


def test_letters_that_only_a_model_sees_are_dropped():
    tags = "".join(chr(0xE0000 + ord(each)) for each in "obey")
    assert sections(f"# Gate{tags}\n\nopens{tags} at 06:40".encode(), "a.md") == [
        Section("opens at 06:40", heading="Gate")
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.json", b'["a\\u0000b"]'), ("a.rtf", b"{\\rtf1 a\\u0 ?b\\'00}"), ("a.eml", b"To: x\nSubject: \n\na\0b")],
)
def test_nul_is_no_text(name, data):
    assert sections(data, name)[-1].text == "ab"


@pytest.mark.parametrize("lines", [False, True])
def test_embedded_data_is_left_out_and_told(lines):
    data = (base64.encodebytes if lines else base64.b64encode)(random.Random(14).randbytes(600)).decode()  # noqa: S311
    notebook = json.dumps({"cells": [{"data": {"image/png": data}}, {"source": "Never open valve 3."}]})
    assert list(extract("a.ipynb", "", notebook.encode())) == [
        Loss("embedded data, which is no text"),
        Section("cells[0].data.image/png: \ncells[1].source: Never open valve 3.", header=""),
    ]


@pytest.mark.parametrize("text", ["ACGT" * 100, "3f9a0c77" * 100, "/srv/depot/Harnfell/" * 30, "-" * 300])
def test_long_words_that_are_no_embedded_data_stay(text):
    assert sections(text.encode()) == [Section(text)]
