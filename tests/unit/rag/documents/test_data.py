"""JSON, XML and reStructuredText: values with their paths, prose under its titles."""

import json

import pytest

from tandem.rag.chunk import chunk
from tandem.rag.documents.section import Loss, Rejected, Section

from .files import read, sections


def test_json_values_have_their_paths():
    assert sections("json", '{"depot": {"opens": "06:40", "gate": "N4"}}') == [
        Section("depot.opens: 06:40\ndepot.gate: N4", header="")
    ]


def test_json_numbers_stay_as_written_and_nothing_is_lost():
    data = '{"id": 12345678901234567890123, "price": 1.10, "shut": null, "cold": true, "a": [1, 2e3], "b": [[1], [2]]}'
    assert sections("json", data)[0].text.split("\n") == [
        "id: 12345678901234567890123",
        "price: 1.10",
        "shut: null",
        "cold: true",
        "a: 1, 2e3",
        "b: 1, 2",
    ]
    assert sections("json", '{"a": 1, "a": 2}')[0].text == "a: 1, 2"
    assert sections("json", '"alone \\ud83d\\ude00 \\ud83d"')[0].text == "alone \U0001f600 \ufffd"


BAYS = [
    {"bay": "N4", "load": {"dry": "18 t"}},
    {"bay": "N5", "load": {"dry": "12 t", "wet": "9 t"}, "tags": ["a", "b"]},
]
TABLE = Section("N4 | 18 t\nN5 | 12 t | 9 t | a, b", header="bay | load.dry | load.wet | tags")


def test_json_like_objects_are_a_table():
    assert sections("json", json.dumps(BAYS)) == [TABLE]
    assert sections("json", json.dumps({"depot": {"bays": BAYS, "gate": 1}})) == [
        TABLE._replace(heading="depot.bays"),
        Section("depot.gate: 1", header=""),
    ]
    assert (
        sections("json", json.dumps([{"a": [{"x": 1}]}, {"a": [{"x": 2}]}]))[0].text == "[0].a[0].x: 1\n[1].a[0].x: 2"
    )


def test_json_keys_with_dots_lose_no_value():
    data = '[{"a.b": 1, "a": {"b": 2}}, {"a.b": 3, "a": {"b": 4}}]'
    assert sections("json", data) == [Section("1, 2\n3, 4", header="a.b")]
    assert sections("json", '[{"": 1}, {"": 2}]') == [Section("1\n2", header="")]


def test_json_a_wide_table_has_the_name_beside_each_value():
    rows = [{f"column {at}": f"v{row}-{at}" for at in range(40)} for row in range(2)]
    [only] = sections("json", json.dumps(rows))
    assert only.header == ""
    assert "column 30: v1-30" in only.text
    assert len(only.text.split("\n")) > 4


@pytest.mark.parametrize("reader", ["json", "xml"])
def test_no_name_is_cut_from_its_value(reader):
    names = [f"depot.bay{at}" for at in range(200)]
    values = {"json": json.dumps({name: "18 tons per axle" for name in names}), "xml": "<d>"}
    values["xml"] += "".join(f"<{name}>18 tons per axle</{name}>" for name in names) + "</d>"
    pieces = list(chunk(sections(reader, values[reader])))
    assert len(pieces) > 10
    assert all(line.endswith(": 18 tons per axle") for piece in pieces for line in piece.text.split("\n"))


def test_json_a_long_list_has_a_line_for_each():
    notes = ["Never open valve 3. " * 6, "Ask first. " * 10]
    assert sections("json", json.dumps({"notes": notes}))[0].text == f"notes[0]: {notes[0]}\nnotes[1]: {notes[1]}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_lines(encoding):
    assert sections("json", "\n".join(json.dumps(each) for each in BAYS).encode(encoding)) == [TABLE]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('{"a": 1', "damaged.*line 1 column"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_json_that_cannot_be_read(data, reason):
    with pytest.raises(Rejected, match=reason):
        read("json", data)


def test_xml_data_has_paths_and_attributes():
    assert sections("xml", '<?xml version="1.0"?><depot><opens>06:40</opens></depot>') == [
        Section("depot.opens: 06:40", header="")
    ]
    about = 'xml:lang="en" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:x x.xsd"'
    data = (
        f'<d xmlns="urn:x" {about}><bay id="N4"><load unit="t">18</load></bay><bay id="N5" shut="yes"/><!-- no --></d>'
    )
    assert (
        sections("xml", data)[0].text
        == "d.bay@id: N4\nd.bay.load@unit: t\nd.bay.load: 18\n\nd.bay@id: N5\nd.bay@shut: yes"
    )


def test_xml_data_with_text_beside_elements_keeps_its_attributes():
    bays = '<bay id="N4" load="18 t"/><bay id="N5" load="12 t"/>'
    values = "bays.bay@id: N4\nbays.bay@load: 18 t\nbays.bay@id: N5\nbays.bay@load: 12 t\n"
    for note in ("<note>Never <b>open</b> valve 3.</note>", "<note>Never open <b>valve 3.</b></note>"):
        assert sections("xml", f"<bays>{bays}{note}</bays>")[0].text == f"{values}bays.note: Never open valve 3."
    assert (
        values + "bays.remark: Ask Ann"
        in sections("xml", f"<bays>{bays}<remark>Ask <b>Ann</b></remark></bays>")[0].text
    )
    note = "<p>Ask Ann first.</p>"
    assert "bay@id: N4\nbay@load: 18 t" in sections("xml", f"<bays>{bays}{note}</bays>")[0].text
    loads = "".join(f'<bay id="N{at}" load="{at} t"><p>Ask Ann first of all.</p></bay>' for at in range(9))
    assert "d.bay@load: 8 t\nd.bay.p: Ask Ann first of all." in sections("xml", f"<d>{loads}</d>")[0].text


def test_xml_data_with_text_beside_records_keeps_their_values():
    data = "<d>Loads <bay><id>N4</id><load>18 t</load></bay>of winter<bay><id>N5</id></bay> end</d>"
    assert [each for each in sections("xml", data)[0].text.split("\n") if each] == [
        "d: Loads", "d.bay.id: N4", "d.bay.load: 18 t", "d: of winter", "d.bay.id: N5", "d: end",
    ]  # fmt: skip
    data = "<d>" + "<x>a<i>b</i>c</x>" * 3 + "end<y k='v'/></d>"
    assert sections("xml", data)[0].text == "d.y@k: v\nd: abcabcabcend"


def test_xml_prose_keeps_apart_what_is_apart_and_raises_what_is_raised():
    data = (
        "<doc><head>H</head><p>Two<br/>Three 10<sup>5</sup> V<note>foot</note></p><P><b>N</b><i>4</i></P>"
        "<table><tr><th>Bay</th></tr><tr><td><p>N4</p><p>cold</p></td></tr></table><bay id='N5' load='9 t'/></doc>"
    )
    assert sections("xml", data) == [
        Section("Two\nThree 10^5 V foot\n\nN4", heading="H"),
        Section("N4 cold", heading="H", header="Bay"),
        Section("bay@id: N5\nbay@load: 9 t", heading="H"),
    ]


def test_xml_entities_that_html_has_are_known_and_others_are_told():
    kept = "<b><![CDATA[a &nbsp; b]]></b>"
    data = f'<!DOCTYPE d SYSTEM "d.dtd" [<!ENTITY deg "mine">]><d><a>4&nbsp;bar &mdash; &deg; &lt;</a>{kept}</d>'
    assert sections("xml", data)[0].text == "d.a: 4\u00a0bar \u2014 mine <\nd.b: a &nbsp; b"
    with pytest.raises(Rejected, match="refers to &chapter1;, which is defined elsewhere"):
        read("xml", '<!DOCTYPE d [<!ENTITY chapter1 SYSTEM "c.xml">]><d>&chapter1;</d>')


DOCBOOK = """<?xml version="1.0"?>
<!DOCTYPE book PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "http://203.0.113.1/docbookx.dtd" [<!ENTITY p "HX-300">]>
<book id="b"><bookinfo><title>Handbook of the &p;</title></bookinfo>
<chapter><title>Valves</title><para>Never <emphasis role="strong">open</emphasis> valve 3<indexterm>
<primary>valve</primary></indexterm>.</para>
<section><title>Limits</title><para>See:<itemizedlist><listitem><para>4 bar</para></listitem><listitem><para>20 C</para>
</listitem></itemizedlist>and below.</para><programlisting>open 3
  shut 3</programlisting>
<table><title>Bays</title><tgroup><thead><row><entry>Bay</entry><entry>Load</entry></row></thead>
<tbody><row><entry>N4</entry><entry>18 t</entry></row></tbody></tgroup></table></section>
<section><title>Nothing</title></section></chapter></book>"""


def test_docbook_is_prose_under_its_titles():
    assert sections("xml", DOCBOOK) == [
        Section("Never open valve 3.", heading="Handbook of the HX-300 > Valves"),
        Section(
            "See:\n\n4 bar\n\n20 C\n\nand below.\n\nopen 3\n  shut 3\n\nBays",
            heading="Handbook of the HX-300 > Valves > Limits",
        ),
        Section("N4 | 18 t", heading="Handbook of the HX-300 > Valves > Limits", header="Bay | Load"),
        Section("Nothing", heading="Handbook of the HX-300 > Valves"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_in_the_encoding_it_declares(encoding):
    assert (
        sections("xml", f'<?xml version="1.0" encoding="{encoding}"?><a>öffnet</a>'.encode(encoding))[0].text
        == "a: öffnet"
    )


@pytest.mark.parametrize("data", ["<a><b></a>", "", "<a/><b/>", "<a>\x01</a>"])
def test_xml_that_is_damaged(data):
    with pytest.raises(Rejected, match=r"XML is damaged.*mend it"):
        read("xml", data)


RST = """
Guide
=====

Depot
-----

Opens at 06:40 [1]_, at 10\\ :sup:`5` V. See :ref:`gate`.

.. [1] Not on Sunday.

* one
* two

1. first

term
   what it means

.. note:: Never open valve 3.

.. versionadded:: 1.2
   In a directive of another tool.

.. code-block:: python

   def f():
       return 1

.. list-table::
   :header-rows: 1

   * - Bay
     - Load
   * - N4
     - 18 t

.. a comment
.. |sub| replace:: substituted
.. image:: plan.png
.. image:: gate.png
   :alt: the gate

Kept |sub|

Nothing
-------
"""


def test_rst_titles_lists_notes_code_and_tables():
    found = read("rst", RST)
    assert found[0] == Section(
        "Opens at 06:40 [^1], at 10^5 V. See :ref:`gate`.\n\n[^1]: Not on Sunday.\n\n- one\n- two\n1. first\n\nterm\n\n"
        "what it means\n\nNote:\n\nNever open valve 3.\n\n.. versionadded:: 1.2\n   In a directive of another tool.\n\n"
        "def f():\n    return 1",
        heading="Guide > Depot",
    )
    assert found[1:] == [
        Section("N4 | 18 t", heading="Guide > Depot", header="Bay | Load"),
        Section("the gate\n\nKept substituted", heading="Guide > Depot"),
        Section("Nothing", heading="Guide"),
        Loss("picture without a description", name="plan.png"),
    ]


@pytest.mark.parametrize(
    "directive",
    [".. include:: {}", ".. literalinclude:: {}", ".. raw:: html\n   :file: {}", ".. csv-table:: t\n   :file: {}"],
)
def test_rst_includes_nothing_from_files(tmp_path, directive):
    secret = tmp_path / "secret.txt"
    secret.write_text("the gate code")
    assert "the gate code" not in str(read("rst", f"words\n\n{directive.format(secret)}\n"))
