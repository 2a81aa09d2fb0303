"""Mails: their text, their parts, and what is attached."""

import base64
from email.message import EmailMessage

import pytest

from tandem.rag.documents.section import Loss, Section

from .files import losses, read, sections, text

DEPOT = "The winter depot in Harnfell opens at 06:40."
HEAD = Section("From: a@example.org\nTo: b@example.org", heading="Depot hours")


def mail(content: str | None = DEPOT, **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in {"From": "a@example.org", "To": "b@example.org", "Subject": "Depot hours", **headers}.items():
        made[name] = value
    if content is not None:
        made.set_content(content)
    return made


def test_subject_people_date_and_text():
    date = "Sun, 29 Nov 2026 06:40:00 +0100"
    head, body = sections("eml", bytes(mail(Date=date, Cc="c@example.org")))
    assert head == HEAD._replace(text=f"{HEAD.text}\nCc: c@example.org\nDate: {date}")
    assert body == Section(f"{DEPOT}\n", heading="Depot hours")


def test_encoded_headers_and_quoted_printable():
    data = (
        b"From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\r\n"
        b"Subject: =?iso-8859-1?q?=D6ffnung?=\r\n =?iso-8859-1?q?szeit?=\r\n"
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"ge=F6ffnet um=\r\n 06:40\r\n"
    )
    head, body = sections("eml", data)
    assert (head.text, head.heading) == ("From: Jörg <a@example.org>", "Öffnungszeit")
    assert body.text == "geöffnet um 06:40\n"


@pytest.mark.parametrize("charset", ["x-unknown", "us-ascii", "utf-8"])
def test_a_wrong_charset_loses_no_text(charset):
    data = f"Subject: s\nContent-Type: text/plain; charset={charset}\n\n".encode() + "geöffnet".encode("cp1252")
    assert sections("eml", data)[-1].text == "geöffnet"


def test_of_alternatives_the_html_is_read_and_only_once():
    made = mail("plain words")
    made.add_alternative("<h1>Gate</h1><p>rich words</p>", subtype="html")
    head, body = sections("eml", bytes(made))
    assert head == HEAD
    assert (body.heading, body.text.strip()) == ("Depot hours > Gate", "rich words")


def test_plain_text_is_read_where_the_html_says_nothing():
    made = mail("plain words")
    made.add_alternative("<p></p>", subtype="html")
    assert "plain words" in text("eml", bytes(made))


def test_attachments_are_read_if_a_reader_exists_and_told_if_not():
    made = mail()
    made.add_attachment("# Bays\nN4 holds 18 t", subtype="markdown", filename="bays.md")
    made.add_attachment(b"\x89PNG", "image", "png", filename="plan.png")
    made.add_attachment(b"%PDF-broken", "application", "pdf", filename="broken.pdf")
    found = read("eml", bytes(made))
    assert Section("N4 holds 18 t", heading="Depot hours > bays.md > Bays") in found
    told = losses("eml", bytes(made))
    assert [(each.what, each.name.partition(" ")[0]) for each in told] == [
        ("attachment that isn't read", "plan.png"),
        ("attachment that isn't read", "broken.pdf"),
    ]


def test_a_mail_attached_to_a_mail_is_read_below_it():
    inner = mail("inner words", Subject="Gate")
    outer = mail("outer words")
    outer.add_attachment(inner)
    assert [(each.heading, each.text.strip()) for each in sections("eml", bytes(outer))] == [
        ("Depot hours", HEAD.text),
        ("Depot hours", "outer words"),
        ("Depot hours > Gate", HEAD.text),
        ("Depot hours > Gate", "inner words"),
    ]


def test_mails_attached_too_deeply_are_told():
    made = mail("innermost")
    for _ in range(20):
        outer = mail("around")
        outer.add_attachment(made)
        made = outer
    assert losses("eml", bytes(made)) == [Loss("mail attached too deeply to be read")]


def test_a_mail_without_a_subject_or_text():
    assert sections("eml", b"From: a@example.org\n\nwords") == [Section("From: a@example.org"), Section("words")]
    assert sections("eml", bytes(mail(None)))[0] == HEAD


def test_a_mail_attached_in_an_encoding_is_read():
    inner = base64.encodebytes(b"Subject: in\nFrom: c@example.org\n\nInner words.\n").decode()
    data = (
        "Subject: out\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n"
        f"Content-Transfer-Encoding: base64\n\n{inner}\n--b--\n"
    )
    assert sections("eml", data)[1:] == [
        Section("From: c@example.org", heading="out > in"),
        Section("Inner words.\n", heading="out > in"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_mail_of_a_mailbox_is_read(end):
    second = base64.b64encode(b"Second words.").decode()
    lines = [
        "From a@x Sun Nov 29 10:00:00 2026", "Subject: One", "", "First words.", "From here on it is quiet.", "",
        "From b@x Sun Nov 29 11:00:00 2026", "Subject: Two", "Content-Transfer-Encoding: base64", "", second, "",
    ]  # fmt: skip
    found = [(each.heading, each.text.strip().split("\n")) for each in sections("eml", end.join(lines)) if each.heading]
    assert found == [
        ("One", ["First words.", "From here on it is quiet."]),
        ("Two", ["Second words."]),
    ]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_headers_that_are_not_encoded_are_read(encoding):
    data = "From: Jörg <a@example.org>\nSubject: Größe\n\nwords".encode(encoding)
    assert sections("eml", data)[0] == Section("From: Jörg <a@example.org>", heading="Größe")


@pytest.mark.parametrize("charset", ["undefined", "unicode_escape", "idna", "hex"])
@pytest.mark.parametrize("kind", ["plain", "html"])
def test_what_is_no_charset_of_mails_is_not_one(kind, charset):
    data = f"Subject: s\nContent-Type: text/{kind}; charset={charset}\n\nC:\\new \\ud800 words"
    assert sections("eml", data)[-1].text.strip() == "C:\\new \\ud800 words"
