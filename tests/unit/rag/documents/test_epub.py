"""Books: the pages in the order of the spine."""

import pytest

from tandem.rag.documents.section import Loss, Rejected, Section

from .files import parts, read, sections, zipped

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def page(body: str, title: str = "") -> str:
    return (
        '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" '
        '"http://203.0.113.1/xhtml11.dtd"><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{title}</title><script/></head><body>{body}</body></html>"
    )


def book(pages: dict[str, str], spine: list[str], **more: str) -> bytes:
    items = "".join(f'<item id="i{at}" href="{name}" media-type="{kind(name)}"/>' for at, name in enumerate(pages))
    items = items.replace('href="nav.xhtml"', 'href="nav.xhtml" properties="nav"')
    order = "".join(f'<itemref idref="i{list(pages).index(name)}"/>' for name in spine)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>Depot\n handbook</dc:title></metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    )
    files = {f"OPS/{name.replace('%20', ' ')}": content for name, content in pages.items() if content}
    return zipped(
        {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OPS/book.opf": package}
        | files
        | more,
        stored=("mimetype",),
    )


def kind(name: str) -> str:
    return "image/svg+xml" if name.endswith(".svg") else "application/xhtml+xml"


def test_pages_come_in_the_order_of_the_spine_below_the_title():
    pages = {
        "b.xhtml": page("<h1>Gate</h1><p>opens&nbsp;at <a id='x'/>06:40</p>"),
        "text/a%20a.xhtml": page("<p>first</p>", "Start"),
        "nav.xhtml": page("<p>contents</p>"),
    }
    found = read("epub", book(pages, ["nav.xhtml", "text/a%20a.xhtml", "b.xhtml"]))
    assert [(each.heading, each.text.split()) for each in found if each.text.strip()] == [
        ("Depot handbook > Start", ["first"]),
        ("Depot handbook > Gate", ["opens", "at", "06:40"]),
    ]


def test_pages_that_are_missing_or_drawings_are_told():
    found = read("epub", book({"gone.xhtml": "", "plan.svg": "<svg/>"}, ["gone.xhtml", "plan.svg"]))
    assert found == [
        Loss("page that is missing from the book", name="OPS/gone.xhtml"),
        Loss("page that isn't text", name="OPS/plan.svg"),
    ]


def encryption(algorithm: str) -> dict[str, str]:
    method = f'<EncryptedData><EncryptionMethod Algorithm="{algorithm}"/></EncryptedData>'
    return {"META-INF/encryption.xml": f"<encryption>{method}</encryption>"}


def test_a_protected_book_is_refused_but_not_one_with_obfuscated_fonts():
    pages = {"a.xhtml": page("<p>first</p>")}
    with pytest.raises(Rejected, match=r"encrypted \(DRM\)"):
        read("epub", book(pages, ["a.xhtml"], **encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")))
    fonts = encryption("http://www.idpf.org/2008/embedding")
    assert sections("epub", book(pages, ["a.xhtml"], **fonts))[0].text.strip() == "first"


@pytest.mark.parametrize("missing", ["META-INF/container.xml", "OPS/book.opf"])
def test_a_book_without_its_parts_is_refused(missing):
    data = book({"a.xhtml": page("<p>first</p>")}, ["a.xhtml"])
    with pytest.raises(Rejected, match=r"book is damaged.*export it again"):
        read("epub", zipped({name: content for name, content in parts(data).items() if name != missing}))


def test_xhtml_with_empty_elements_loses_nothing():
    [only] = sections("html", page("<p>one</p><p/><div/>two<br/>three <i/>four"))
    assert only.text.split() == ["one", "two", "three", "four"]


def test_a_page_that_is_not_well_formed_is_read_as_html():
    assert "four" in sections("html", page("<p>unclosed <b>four"))[0].text


def test_xhtml_is_read_as_the_same_page_in_html():
    assert [each.text.strip() for each in sections("html", page("<p>10<sup>5</sup> V</p>"))] == [
        each.text.strip() for each in sections("html", "<p>10<sup>5</sup> V</p>")
    ]


def test_the_title_of_a_page_is_its_heading():
    assert sections("html", page("<p>words</p>", "Depot"))[0]._replace(text="") == Section("", heading="Depot")
