"""Files that are made to do harm: refused or harmless, with little memory and nothing fetched."""

import io
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from time import process_time

import docx
import pptx
import pytest
from openpyxl.workbook import Workbook

from tandem.rag.documents.containers import container
from tandem.rag.documents.section import Rejected

from .files import changed, losses, parts, read, saved, sections, text, zipped
from .test_epub import book, page
from .test_xlsx import with_shared_strings

MEMORY = 60
"""Megabytes that reading may take, imports apart."""


def word() -> bytes:
    made = docx.Document()
    made.add_paragraph("words")
    return saved(made)


def presentation() -> bytes:
    made = pptx.Presentation()
    made.slides.add_slide(made.slide_layouts[5]).shapes.title.text = "words"
    return saved(made)


def workbook() -> bytes:
    made = Workbook()
    made.active.append(["words", "words"])
    return saved(made)


OFFICE: dict[str, tuple[Callable[[], bytes], str]] = {
    "docx": (word, "document"),
    "pptx": (presentation, "slide1"),
    "xlsx": (workbook, "sheet1"),
}

# Not getrusage, whose peak a process takes over from the one that starts it.
MEASURED = """
import importlib, pathlib, re, sys
from tandem.rag.documents.section import Rejected
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
module = importlib.import_module("tandem.rag.documents." + sys.argv[1])
data = sys.stdin.buffer.read()
before = peak()
try:
    said = str(sum(len(getattr(each, "text", "")) for each in module.sections(data)))
except Rejected as error:
    said = str(error)
print((peak() - before) // 1024, said)
"""


def measured(reader: str, data: bytes) -> tuple[int, str]:
    """The megabytes that a reader takes in a process of its own, and its refusal or how many characters it read."""
    process = subprocess.run([sys.executable, "-c", MEASURED, reader], input=data, capture_output=True, check=True)
    memory, _, said = process.stdout.decode().partition(" ")
    return int(memory), said.strip()


@pytest.mark.parametrize("reader", OFFICE)
def test_a_bomb_is_refused_by_what_it_unpacks_to(reader):
    make, part = OFFICE[reader]
    memory, said = measured(reader, changed(make(), **{part: lambda xml: xml + " " * 25_000_000}))
    assert "unpacks to" in said
    assert "split the document" in said
    assert memory < MEMORY


def claiming(data: bytes, name: str, size: int) -> bytes:
    """An archive whose directory claims a size for a file."""
    at = data.rindex(name.encode(), 0, len(data)) - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    return data[: at + 24] + struct.pack("<I", size) + data[at + 28 :]


@pytest.mark.parametrize("reader", OFFICE)
def test_a_claim_of_two_gigabytes_is_refused_unread(reader):
    make, part = OFFICE[reader]
    data = make()
    name = next(each for each in parts(data) if each.endswith(f"/{part}.xml"))
    memory, said = measured(reader, claiming(data, name, 2_000_000_000))
    assert "unpacks to 2,0" in said
    assert memory < MEMORY


def test_a_bomb_that_claims_to_be_small_is_read_no_further_than_it_claims():
    data = changed(word(), document=lambda xml: xml + " " * 25_000_000)
    memory, said = measured("docx", claiming(data, "word/document.xml", 1000))
    assert "damaged" in said
    assert memory < MEMORY


@pytest.mark.parametrize(
    ("reader", "part", "megabytes", "limit"),
    [
        ("docx", "word/styles.xml", 60, 10),
        ("xlsx", "xl/styles.xml", 60, 10),
        ("xlsx", "xl/sharedStrings.xml", 110, 100),
    ],
)
def test_a_large_part_that_is_held_whole_is_refused(reader, part, megabytes, limit):
    noise = random.Random(14).randbytes(2_000_000)  # noqa: S311 - so that the ratio isn't suspicious
    whole = word() if reader == "docx" else with_shared_strings(["Bay", "Load"], ["N4", "18 t"])
    data = claiming(zipped({"noise.bin": noise, **parts(whole)}), part, megabytes * 1_000_000)
    with pytest.raises(Rejected, match=rf"{part} has {megabytes} MB, over the limit of {limit} MB: split"):
        read(reader, data)


def test_too_many_files_are_refused():
    with pytest.raises(Rejected, match="more than 10,000 files"):
        container(zipped({f"{at}": "" for at in range(10_001)}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bounds_are_refused(method):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("[Content_Types].xml", bytes(10_000_000))
    with pytest.raises(Rejected, match="other than deflate"):
        container(target.getvalue())


def test_an_encrypted_archive_is_refused():
    data = bytearray(word())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Rejected, match="without a password"):
        container(bytes(data))


LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>{}]>".format(
    "".join(f"<!ENTITY a{at + 1} '{f'&a{at};' * 10}'>" for at in range(12))
)
BLOWUP = f"<!DOCTYPE x [<!ENTITY a '{'ha' * 50_000}'>]>"


def entity(doctype: str, xml: str) -> str:
    declaration, end, rest = xml.partition("?>")
    return declaration + end + doctype + rest if end else doctype + xml


@pytest.mark.parametrize("doctype", [LAUGHS, '<!DOCTYPE x SYSTEM "http://203.0.113.1/x.dtd">'])
@pytest.mark.parametrize("reader", OFFICE)
def test_office_files_with_document_types_are_refused(reader, doctype):
    make, part = OFFICE[reader]
    with pytest.raises(Rejected, match="declares a document type"):
        read(reader, changed(make(), **{part: lambda xml: entity(doctype, xml)}))


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        ("xml", LAUGHS + "<x>&a12;</x>"),
        ("xml", BLOWUP + f"<x>{'&a;' * 10_000}</x>"),
        ("xml", BLOWUP + f"<x>{'<y>&a;</y>' * 10_000}</x>"),
        ("xml", BLOWUP + "<x>" + '<y z="&a;"/>' * 10_000 + "</x>"),
        ("html", LAUGHS + "<html><p>&a12;</p></html>"),
        ("epub", book({"a.xhtml": page("x")}, ["a.xhtml"], **{"OPS/book.opf": LAUGHS + "<x>&a12;</x>"})),
    ],
)
def test_entities_that_grow_take_no_memory(reader, data):
    memory, said = measured(reader, data if isinstance(data, bytes) else data.encode())
    assert memory < MEMORY
    assert "damaged" in said or int(said) < 100_000


@pytest.mark.parametrize("reader", ["xml", "html"])
def test_nothing_from_elsewhere_is_put_in(reader, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the gate code")
    for document in (
        f'<!DOCTYPE html [<!ENTITY a SYSTEM "{secret.as_uri()}">]><html><p>words &a;</p></html>',
        f'<!DOCTYPE html [<!ENTITY % a SYSTEM "{secret.as_uri()}"> %a;]><html><p>words</p></html>',
        '<html xmlns:x="http://www.w3.org/2001/XInclude"><p>words</p>'
        f'<x:include href="{secret.as_uri()}" parse="text"/></html>',
    ):
        try:
            assert "the gate code" not in text(reader, document)
        except Rejected as error:
            assert "the gate code" not in str(error)


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        ("xml", "<a>" * 100_000),
        ("xml", "<a>" * 100_000 + "</a>" * 100_000),
        ("docx", changed(word(), document=lambda xml: xml.replace("<w:body>", "<w:body>" + "<w:sdt>" * 100_000))),
        ("xlsx", changed(workbook(), sheet1=lambda xml: xml.replace("<row", "<a>" * 10_000 + "<row"))),
        ("rst", "".join("  " * at + "* a\n\n" for at in range(400))),
        ("rst", "words ``" + "*" * 5000),
        ("rtf", r"{\rtf1 " + r"\s1" * 20_000),
        ("json", "[" * 100_000),
    ],
)
def test_deep_nesting_ends_in_text_or_a_refusal(reader, data):
    memory, said = measured(reader, data if isinstance(data, bytes) else data.encode())
    assert said
    assert memory < 2 * MEMORY


def test_multipart_mails_nested_too_deeply():
    nested = "words"
    for at in range(1000):
        nested = f"Content-Type: multipart/mixed; boundary=b{at}\n\n--b{at}\n{nested}\n--b{at}--\n"
    memory, said = measured("eml", nested.encode())
    assert said
    assert memory < 4 * MEMORY


def test_archives_attached_to_a_mail_are_told_and_not_opened():
    made = EmailMessage()
    made.set_content("words")
    inner = zipped({"0": bytes(1_000_000)})
    for _ in range(5):
        inner = zipped({"inner.zip": inner})
    made.add_attachment(inner, "application", "zip", filename="deep.zip")
    assert [each.name for each in losses("eml", bytes(made))] == ["deep.zip (the file is an archive (zip))"]


@pytest.mark.parametrize("reader", OFFICE)
def test_every_damage_is_a_refusal_or_text(reader):
    make, _ = OFFICE[reader]
    whole = make()
    chance = random.Random(14)  # noqa: S311 - the same damage in each run
    for _ in range(30):
        at = chance.randrange(len(whole))
        damaged = whole[:at] + bytes(byte ^ 0x5A for byte in whole[at : at + 20]) + whole[at + 20 :]
        try:
            read(reader, damaged)
        except Rejected as error:
            assert ": " in str(error)
    for at in range(0, len(whole), len(whole) // 20):
        with pytest.raises(Rejected):
            read(reader, whole[:at])


@pytest.mark.parametrize("mark", ["*a ", "`a ", "|a ", "``a "])
def test_marks_that_nobody_closes_take_little_time(mark):
    started = process_time()
    assert sections("rst", mark * 30_000)[0].text.count("a") == 30_000
    assert process_time() - started < 5


@pytest.mark.parametrize("stored", [(), ("[Content_Types].xml",)])
def test_a_damaged_first_part_is_a_refusal_too(stored):
    data = bytearray(zipped(parts(word()), stored))
    at = data.index(b"[Content_Types].xml") + len("[Content_Types].xml")
    data[at : at + 20] = bytes(byte ^ 0x5A for byte in data[at : at + 20])
    with pytest.raises(Rejected, match=r"the archive is damaged.*save the document again"):
        container(bytes(data))
    with pytest.raises(Rejected, match="the archive is damaged"):
        container(claiming(word(), "[Content_Types].xml", 10))


@pytest.mark.parametrize("reader", ["csv", "json", "xml", "html", "rst", "rtf", "eml", "epub"])
def test_random_bytes_are_a_refusal_or_text(reader):
    chance = random.Random(14)  # noqa: S311 - the same bytes in each run
    for starts in (b"", b"{\\rtf1 ", b"[", b"<a>", b"Subject: a\n", b"PK\x03\x04"):
        data = starts + chance.randbytes(2000)
        try:
            read(reader, data)
        except Rejected as error:
            assert str(error)


def test_what_is_measured_is_memory():
    memory, said = measured("json", b'"' + b"x" * 20_000_000 + b'"')
    assert memory > 2 * 20
    assert said == "20000000"
