# ruff: noqa: RUF001 - letters of other scripts are meant
"""HTML: what a browser shows, and nothing else."""

import pytest

from tandem.rag.documents import extract
from tandem.rag.documents.section import Rejected, Section


def sections(markup: str | bytes, name: str = "a.html") -> list[Section]:
    data = markup.encode() if isinstance(markup, str) else markup
    return [part for part in extract(name, "", data) if isinstance(part, Section)]


def text(markup: str | bytes) -> str:
    """The page's text on one line, with tables' headers."""
    return " ".join(" ".join(f"{part.header or ''} {part.text}" for part in sections(markup)).split())


@pytest.mark.parametrize(
    "markup",
    [
        "<title>Plan</title><body><p>The lift holds 9 persons.",
        "<html><head><title>Plan</title><p>The lift holds 9 persons.</html>",
        "<head><meta charset=utf-8><title>Plan</title><link rel=x href=y><body><div>The lift holds 9 persons.",
        "<!doctype html><title>Plan</title>The lift holds 9 persons.",
        "<title>Plan</title><nav><a href=/>Home</a> <ul><li><a href=b>B</a></ul><p>The lift holds 9 persons.</p>",
        "<title>Plan</title><nav><a href=/>Home</a><main>The lift holds <a href=b>9 persons</a>.</main>",
        '<?xml version="1.0"?><html><head><title>Plan</title><script src="x"/></head><body>The lift holds 9 persons.',
    ],
)
def test_tags_may_be_left_out(markup):
    assert sections(markup) == [Section("The lift holds 9 persons.", heading="Plan")]


@pytest.mark.parametrize(
    "links",
    [
        "<nav><a href=/>Home</a> | <a href=/x>Docs</a><br>",
        "<nav><ul><li><a href=/>Home</a><li><a href=/x>Docs</a></ul>",
        "<nav><a href=/>Home</a><!-- </nav> -->",
        "<script>'</nav>'</script><nav><a href=/>Home</a>",
        "<nav><a href=/>Home</a></nav><nav><a href=/x>Docs</a>",
        "<nav><a href=/>Home</a></nav></nav><nav><a href=/x>Docs</a>",
        "<div role=NAVIGATION><a href=/>Home</a>",
        "<div role=navigation><a href=/>Home</a>",
        "<div role='navigation'><div><a href=/>Home</a></div>",
        "<ul role=navigation><li><a href=/>Home</a> ",
    ],
)
@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("Never open valve 3.<p>More.", "Never open valve 3. More."),
        ("<ul><li>Never open valve 3.<li>Close pump 2.</ul>", "Never open valve 3. Close pump 2."),
        ("<strong>Warning:</strong> never open valve 3.", "Warning: never open valve 3."),
        ("<h1>Valves</h1><p>Never <a href=o>open</a> valve 3.", "Never open valve 3."),
        ("<a href=x><h1>Valves</h1>Never open valve 3.", "Never open valve 3."),
    ],
)
def test_navigation_that_nothing_closes_swallows_nothing_but_links(links, rest, words):
    assert text(f"<!doctype html><title>T</title>{links}{rest}").removeprefix("Home ") == words


def test_a_list_to_choose_from_that_nothing_closes_swallows_nothing():
    assert text("<p>Choose <select><option>One<option>Two<p>Never open valve 3.").endswith("Never open valve 3.")


def test_an_unclosed_button_swallows_nothing():
    assert text("<p><button>Start<p>The lift holds 9 persons.") == "Start The lift holds 9 persons."


@pytest.mark.parametrize(
    ("encoding", "declaration", "words"),
    [
        ("cp1252", '<meta charset="windows-1252">', "Die Gebühr beträgt 12 € – fällig"),
        ("cp1252", "<META http-equiv=Content-Type content='text/html; charset=ISO-8859-1'>", "Gebühr – 12 €"),
        ("cp932", "<meta charset=Shift_JIS>", "ポンプ①は停止"),
        ("euc_jp", "<meta charset=euc-jp>", "ポンプは停止"),
        ("gb18030", "<meta charset=gb2312>", "泵已停止"),
        ("koi8_r", '<?xml version="1.0" encoding="koi8-r"?>', "Насос остановлен"),
        ("utf-16", "", "Pumpe öffnen"),
        ("utf-8-sig", "<meta charset=iso-8859-1>", "Pumpe öffnen"),  # the byte order mark counts
        ("utf-8", "<!-- <meta charset=iso-8859-1> --><meta charset=utf-8>", "Pumpe öffnen"),
        ("utf-8", "<meta name=description content='the charset=iso-8859-1'>", "Pumpe öffnen"),
        ("utf-8", "<meta content='text/html; charset=utf-8' http-equiv=Content-Type>", "Pumpe öffnen"),
    ],
)
def test_a_declared_charset_is_read(encoding, declaration, words):
    assert text(f"{declaration}<p>{words}".encode(encoding)) == words


@pytest.mark.parametrize(
    ("label", "encoding", "words"),
    [
        ("windows-874", "cp874", "ปิดวาล์ว"),
        ("dos-874", "cp874", "ปิดวาล์ว"),
        ("x-cp1251", "cp1251", "Насос остановлен"),
        ("x-cp1252", "cp1252", "Gebühr – 12 €"),
        ("iso88591", "cp1252", "Gebühr – 12 €"),
        ("ISO_8859-1:1987", "cp1252", "Gebühr – 12 €"),
        ("csISOLatin1", "cp1252", "Gebühr – 12 €"),
        ("cp819", "cp1252", "Gebühr – 12 €"),
        ("ANSI_X3.4-1968", "cp1252", "Gebühr – 12 €"),
        ("iso-8859-15", "iso8859-15", "Gebühr 12 €"),
        ("iso88592", "iso8859-2", "Zażółć"),
        ("logical", "iso8859-8", "שלום"),
        ("windows-949", "cp949", "밸브를 닫다"),
        ("ks_c_5601-1989", "cp949", "밸브를 닫다"),
        ("x-euc-jp", "euc_jp", "ポンプは停止"),
        ("cn-big5", "big5", "關閉閥門"),
        ("x-x-big5", "big5", "關閉閥門"),
        ("x-gbk", "gb18030", "泵已停止"),
        ("x-mac-cyrillic", "mac-cyrillic", "Насос"),
        ("koi8-ru", "koi8-u", "Насос"),
        ("unicode-1-1-utf-8", "utf-8", "Pumpe öffnen"),
        *[
            (none, "utf-8", "Pumpe öffnen")
            for none in (
                "cp037",
                "hex",
                "base64",
                "undefined",
                "idna",
                "zlib",
                "rot13",
                "unicode_escape",
                "utf-7",
                "utf-16",
                "x",
            )
        ],
    ],
)
def test_labels_of_charsets_are_those_of_the_web(label, encoding, words):
    assert text(f"<meta charset={label}><p>{words}".encode(encoding)) == words


def test_a_byte_that_has_no_meaning_in_a_charset_of_windows_is_a_control():
    assert text(b"<meta charset=iso-8859-1><p>4\x81 bar \x96 12") == "4\x81 bar – 12"


def test_what_is_not_in_its_declared_charset_is_refused():
    with pytest.raises(Rejected, match="says that it is EUC_JP, but isn't"):
        text("<meta charset=euc-jp><p>Gebühr".encode("cp1252"))


def test_an_undeclared_charset_is_refused_not_guessed():
    with pytest.raises(Rejected, match=r"doesn't say what else it is.*iconv -f ENCODING"):
        text("<p>Gebühr".encode("cp1252"))


@pytest.mark.parametrize(
    "hidden",
    [
        "<p style='display:none'>x</p>",
        "<p style='color:red; DISPLAY : NONE !important'>x</p>",
        "<div hidden><p>x</div>",
        "<span style=visibility:hidden>x</span>",
        "<template><p>x</template>",
        "<dialog>x</dialog>",
        "<noscript>x</noscript>",
        "<input type=hidden value=x>",
        "<script>x</script><style>x</style><!-- x -->",
        "<div role=navigation>x</div><nav>x</nav>",
        "<h2 hidden>x</h2>",
        "<table hidden><tr><th>x</table>",
        "<select><option>shown<option hidden>x</select>",
        "<select><option hidden selected>x<option>shown</select>",
        "<select><optgroup hidden><option>x</optgroup><option>shown</select>",
        "<p>10<sup>2<span hidden>x</span></sup>",
        "<div popover>x</div>",
        "<svg><text display=none>x</text></svg>",
        "<p style='display:/**/none'>x</p>",
        "<p style='font-size: 0px'>x</p>",
        "<p style='content-visibility:hidden'>x</p>",
    ],
)
def test_what_is_hidden_is_left_out(hidden):
    assert "x" not in text(f"<p>shown</p>{hidden}")


def test_what_has_a_size_of_its_own_is_shown():
    assert (
        text("<ul style='font-size:0'><li style='font-size:14px'>One</ul><p style='font-size:0.9em'>Two") == "One Two"
    )


def test_what_is_shown_on_demand_is_text():
    assert (
        text("<details><summary>How?</summary>By hand.</details><p hidden=until-found>found") == "How? By hand. found"
    )


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("10<sup>5</sup> V", "10^5 V"),
        ("10<sup>-3</sup> m<sup>2</sup>", "10^-3 m^2"),
        ("(a+b)<sup>n</sup>", "(a+b)^n"),
        ("4 bar<sup>2</sup>.", "4 bar 2."),
        ("in 2019<sup>3</sup>", "in 2019 3"),
        ("4 V<sup><a href=#n1>1</a></sup>", "4 V 1"),
        ("the 3<sup>rd</sup> floor", "the 3rd floor"),
        ("CO<sub>2</sub>", "CO2"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", "漢(kan)"),
        ("<ruby>東京<rt>とうきょう</ruby>へ", "東京(とうきょう)へ"),
        ("<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>です", "漢(kan)字(ji)です"),
        ("10<sup>5.5</sup> V", "10^5.5 V"),
        ("x<sup>n+1</sup>", "x^n+1"),
        ("Ca<sup>2+</sup>", "Ca^2+"),
        ("1<sup>1</sup>/<sub>2</sub> inch", "1 1/2 inch"),
        ("<math><msup>\n<mn>10</mn> <mn>5</mn></msup></math> V", "10^5 V"),
        ("<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math> bar", "1/2 bar"),
        (
            "<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac><mo>=</mo>"
            "<msub><mi>x</mi><mn>1</mn></msub><msqrt><mi>y</mi><mo>-</mo><mn>2</mn></msqrt></math>",
            "(a+b)/c=x_1√(y-2)",
        ),
        (
            "<math><munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover></math>",
            "∑_(i=1)^n",
        ),
        ("<img alt='blue to terminal 4' src=x>", "blue to terminal 4"),
        ("see<img alt='figure 2'>below", "see figure 2 below"),
        ("<label>Model</label><select><option>Kranich 7<option>Reiher 2</select>", "Model Kranich 7"),
        ("<select><option>Kranich 7<option selected>Reiher 2</select>", "Reiher 2"),
        ("<label>Volume</label><input value='4 l'><input type=password value=p>", "Volume 4 l"),
        ("press<button>Start</button>now", "press Start now"),
        ("wa<wbr>ter <b>ta</b>p", "water tap"),
        ("a<br>b", "a b"),
    ],
)
def test_what_a_page_says_within_a_line(markup, shown):
    assert text(f"<p>{markup}</p>") == shown


def test_the_title_is_the_pages_own():
    markup = "<body><svg><title>Icon</title><text>blue</text><text>red</text></svg><p>tea"
    assert sections(markup) == [Section("blue red\n\ntea")]
    assert sections(f"<title>Shop</title>{markup}")[0].heading == "Shop"


def test_a_title_alone_is_no_text():
    with pytest.raises(Rejected, match="no text could be extracted"):
        sections("<title>App</title><body><div id=root></div><script src=app.js></script>")


def test_a_heading_without_text_is_text():
    found = sections("<h1>Opening times</h1><h2>Monday 08:00</h2><h2>Tuesday closed</h2><h1>Contact</h1>Ring.")
    assert [(part.text, part.heading) for part in found] == [
        ("Monday 08:00", "Opening times"),
        ("Tuesday closed", "Opening times"),
        ("Ring.", "Contact"),
    ]


def test_a_table_has_its_header():
    markup = """<h1>Tariffs</h1><p>Before<table><caption>By zone</caption>
      <thead><tr><th>Zone<th>Price <br> EUR</thead><tr><td>Z0<td>7<tr><th>Z1<td><p>10</p><p>net</p>
      <tr hidden><td>Z2<td>9
      </table>after"""
    assert sections(markup) == [
        Section("Before", heading="Tariffs"),
        Section("Z0 | 7\nZ1 | 10 net", heading="Tariffs", header="By zone\nZone | Price EUR"),
        Section("after", heading="Tariffs"),
    ]


def test_a_cell_that_goes_on_is_in_each_of_its_rows_and_the_first_of_its_columns():
    markup = """<table><tr><th rowspan=2>Hall<th colspan=2>Load<th rowspan=2>Note<tr><th>dry<th>wet
      <tbody><tr><td rowspan=2>North<td>18 t<td>9 t<tr><td colspan=2>7 t<td>iced
      <tr><td rowspan=0>South<td>1 t<td>2 t<td rowspan=9><tr><td>3 t<td>4 t
      <tbody><tr><td>West<td rowspan=x>5 t<td colspan=-1>6 t</table>"""
    assert sections(markup) == [
        Section(
            "North | 18 t | 9 t\nNorth | 7 t |  | iced\nSouth | 1 t | 2 t\nSouth | 3 t | 4 t\nWest | 5 t | 6 t",
            header="Hall | Load |  | Note\nHall | dry | wet | Note",
        )
    ]


def test_a_table_without_a_header_is_one_of_rows():
    assert sections("<table><tr><td>Bay<td>Load<tr><td>B7<td>18 t</table>") == [
        Section("Bay | Load\nB7 | 18 t", header="")
    ]


@pytest.mark.parametrize(
    "header",
    ["<th>Bay<th>Load", "<td><b>Bay</b><td><strong>Load</strong>", "<td><p><b>Bay</b></p><th>Load"],
)
def test_a_row_of_headers_by_tag_or_in_bold_is_the_header(header):
    assert sections(f"<table><tr>{header}<tr><td><b>B7</b><td>18 t<tr><th>B8<th>9 t</table>") == [
        Section("B7 | 18 t\nB8 | 9 t", header="Bay | Load")
    ]


def test_the_corner_of_a_table_may_be_empty():
    assert sections("<table><tr><td><th>Mon<th>Tue<tr><th>B7<td>shut<td>open</table>") == [
        Section("B7 | shut | open", header=" | Mon | Tue")
    ]


def test_a_table_for_the_layout_is_text():
    markup = "<table><tr><td><a>x</a><td><h2>Pump</h2><p>One.<p>Two.<tr><td>c<td>d</table>"
    assert [(part.heading, part.text) for part in sections(markup)] == [
        (None, "x |"),
        ("Pump", "One.\n\nTwo.\n\nc | d"),
    ]


def test_preformatted_text_keeps_its_spaces():
    assert sections("<pre>\n  a\n    b  c\n</pre>")[0].text == "  a\n    b  c"


@pytest.mark.parametrize("tag", ["div", "table", "sup", "nav", "select", "h1", "b", "ul><li"])
def test_deep_nesting_is_read_without_recursion(tag):
    name = tag.partition(">")[0]
    data = f"<p>first</p>{f'<{tag}>' * 5000}deep{f'</{name}>' * 5000}".encode()
    assert [part for part in extract("a.html", "", data) if isinstance(part, Section)]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "markup",
    [
        "<pre>a" + " " * 2_000_000 + "b",
        "<p>a" + " " * 2_000_000 + "b",
        "<p>" + "<table><tr><td>" * 3000 + "deep",
        "<p>4" + "<sup>2</sup>" * 100_000,
        "<p>x" + "<title " * 100_000,
        "<table><tr><td>x<td rowspan=65534 colspan=1000>" + "long " * 1000 + "<tr><td>y" * 50_000,
        "<table><tr>" + "<td rowspan=65534 colspan=1000>x" * 20_000 + "<tr><td>y" * 20_000,
        "<p><ruby>x" + "<rt>y</rt>" * 50_000,
        "<nav>" + "<a>x</a>" * 100_000 + "y",
        "<p>x<math>" + "<msup><mi>x</mi>" * 2000,
        "<p>x<math><msup>" + "<!-- --><mi>x</mi>" * 50_000,
    ],
)
def test_what_strangers_may_send_takes_no_longer_than_other_pages(markup):
    assert sections(markup)
