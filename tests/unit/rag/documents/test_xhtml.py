"""XHTML: the text of the page that XML makes of it, and what isn't well-formed as HTML."""

import pytest

from tandem.rag.documents.section import Section

from .files import sections, text

NAMESPACE = 'xmlns="http://www.w3.org/1999/xhtml"'
STARTS = {
    "declared": f'<?xml version="1.0"?><html {NAMESPACE}>',
    "document type": '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://203.0.113.1/x.dtd"><html>',
    "namespace": f"<html {NAMESPACE}>",
}


@pytest.fixture(params=STARTS)
def start(request):
    return STARTS[request.param]


@pytest.mark.parametrize("end", ["</body></html>", "<p>unclosed</body>"])
@pytest.mark.parametrize(
    "empty",
    [
        *["script src='x'", 'script type="a>b" src="x"', "style", "textarea", "select", "template", "dialog", "aside"],
        *['div hidden="hidden"', 'div role="navigation"', 'p style="display:none"', "nav", "button", "xmp", "noembed"],
        *["iframe src='x'", "noscript", "h2", "title", "ruby", "svg", "math", "table", "pre"],
    ],
)
def test_what_is_closed_at_once_swallows_nothing(start, empty, end):
    page = f"{start}<head><title/></head><body><p>One.</p><{empty}/><p>Never open valve 3.</p><p>Two.</p>{end}"
    assert [line for each in sections("html", page) for line in each.text.split("\n\n")][:3] == [
        "One.",
        "Never open valve 3.",
        "Two.",
    ]


@pytest.mark.parametrize("end", ["</body></html>", "<p>unclosed</body>"])
def test_cdata_is_text(start, end):
    page = (
        f"{start}<head><script>//<![CDATA[\nif (a<b) x()//]]></script></head><body><p><![CDATA[open <v> 3 & 4]]>.{end}"
    )
    assert sections("html", page.replace(".</body>", ".</p></body>"))[0].text.startswith("open <v> 3 & 4.")


def test_entities_that_a_page_defines_are_put_in_and_none_from_elsewhere():
    types = '[<!ENTITY prod "Kranich 7"><!ENTITY file SYSTEM "file:///etc/passwd">]'
    words = "&prod; lifts&nbsp;9 t &lt; 10; &file; &none;"
    page = f"<!DOCTYPE html {types}><html {NAMESPACE}><body><p>{words}</p></body></html>"
    assert sections("html", page) == [Section("Kranich 7 lifts 9 t < 10; &file; &none;")]


def test_a_document_type_that_is_not_read_is_no_text():
    types = '[<!ENTITY % all SYSTEM "x.dtd">%all;<!ENTITY prod "]>">]'
    page = f"<?xml version='1.0'?><!-- x --><!DOCTYPE html {types}><html {NAMESPACE}><body><p>valve</p></body></html>"
    assert sections("html", page) == [Section("valve")]


@pytest.mark.timeout(20)
def test_entities_of_entities_do_not_grow_without_bound():
    types = '<!ENTITY e0 "lol">' + "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10}">' for at in range(1, 12))
    assert len(text("html", f"<!DOCTYPE html [{types}]><html {NAMESPACE}><p>&e11; valve</p></html>")) < 10_000


def test_prefixes_make_no_difference():
    page = (
        '<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:head><h:title>P</h:title></h:head><h:body>'
        "<h:h1>Valves</h1></h:h1><h:p>One.<h:br/>Two.</h:p><h:div hidden='hidden'>no</h:div></h:body></h:html>"
    ).replace("</h1>", "")
    assert sections("html", page) == [Section("One.\nTwo.", heading="P > Valves")]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece",
    [
        "<![CDATA[",
        "<!--",
        '<a b="c" ',
        "<a b='",
        "&nbsp",
        "<!ENTITY a '",
        "<x/",
        "]]",
        "<!DOCTYPE x [",
        "<!DOCTYPE x ['",
    ],
)
def test_what_strangers_may_send_takes_no_longer_than_other_pages(piece):
    assert sections("html", f"<html {NAMESPACE}><body><p>valve</p>{piece * 200_000}")


def test_a_well_formed_page_need_not_say_that_it_is_xhtml():
    page = "<html><head><title/><script src='x'/></head><body><p>Never open valve 3.</p></body></html>"
    assert sections("html", page) == [Section("Never open valve 3.")]
    assert sections("html", "<p>Never<div/>open <b>valve 3.")[0].text.split() == ["Never", "open", "valve", "3."]
