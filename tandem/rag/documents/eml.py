"""Sections of a mail: who wrote what to whom, its text, and the attachments that a reader exists for."""

import base64
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import Message
from itertools import pairwise

from .archive import readable
from .charsets import codec, errors
from .outline import below
from .section import BOM, Loss, Rejected, Section

HEADERS = ("From", "To", "Cc", "Date")
MAX_DEPTH = 5
"""Of mails attached to mails."""
MAX_ATTACHMENTS = 100
MBOX = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d\d:\d\d[^\n]*\n")
"""Before each mail of a mailbox."""
SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the mail below its subject; an attachment below its name. Of alternatives, HTML keeps most structure."""
    with readable("mail", "save it again as .eml, and upload it again"):
        starts = [each.start() for each in MBOX.finditer(data)] if data.startswith(b"From ") else []
        for start, end in pairwise([*(starts or [0]), len(data)]):
            yield from _Mail().message(message_from_bytes(data[start:end], policy=policy.default), 0)


class _Mail:
    attachments = 0

    def message(self, message: Message, depth: int) -> Iterator[Section | Loss]:
        if depth > MAX_DEPTH:
            yield Loss("mail attached too deeply to be read")
            return
        subject = " ".join(_header(message, "Subject").split()) or None
        lines = [f"{name}: {value}" for name in HEADERS if (value := " ".join(_header(message, name).split()))]
        if lines or subject:
            yield Section("\n".join(lines) or subject or "", heading=subject if lines else None)
        yield from below(subject or "", self.part(message, depth))

    def part(self, part: Message, depth: int) -> Iterator[Section | Loss]:
        kind = part.get_content_type()
        name = part.get_filename() or ""
        if kind == "multipart/alternative":
            yield from self.alternative(part, depth)
        elif kind == "message/rfc822" or kind == "message/global":
            for inner in _parts(part):
                yield from self.message(_unpacked(inner, part), depth + 1)
        elif part.is_multipart():
            for inner in _parts(part):
                yield from self.part(inner, depth)
        elif part.get_content_disposition() == "attachment" or name or part.get_content_maintype() != "text":
            if kind not in SIGNATURES:
                yield from self.attachment(part, name or kind)
        elif kind == "text/html":
            from . import html

            yield from html.sections((BOM + _text(part)).encode(errors="replace"))
        else:
            yield Section(_text(part))

    def alternative(self, part: Message, depth: int) -> Iterator[Section | Loss]:
        """The first of the alternatives that has text, HTML before plain text."""
        choices = sorted(_parts(part), key=lambda each: not any(_is_html(inner) for inner in each.walk()))
        for choice in choices:
            found = list(self.part(choice, depth))
            if any(isinstance(each, Section) and each.text.strip() for each in found):
                yield from found
                return

    def attachment(self, part: Message, name: str) -> Iterator[Section | Loss]:
        from . import extract

        self.attachments += 1
        try:
            if self.attachments > MAX_ATTACHMENTS:
                raise Rejected(f"the mail has more than {MAX_ATTACHMENTS}")
            yield from below(name, extract(name, part.get_content_type(), _content(part)))
        except Rejected as error:
            problem, _, _remedy = str(error).partition(": ")  # which is nothing for who wrote the mail
            yield Loss("attachment that isn't read", name=f"{name} ({problem})")


def _header(message: Message, name: str) -> str:
    raw = str(next((value for key, value in message.raw_items() if key.lower() == name.lower()), ""))
    written = "".join(_guessed(raw.encode("ascii", "surrogateescape")).splitlines())
    try:
        return str(policy.default.header_factory(name, written))
    except MemoryError:
        raise
    except Exception:  # the library's parser fails on some malformed ones, with any exception
        return written


def _unpacked(message: Message, part: Message) -> Message:
    """A mail attached in an encoding, which the library takes for its text."""
    decode = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}.get(
        str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    )
    return message_from_bytes(decode(message.as_bytes().lstrip()), policy=policy.default) if decode else message


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _is_html(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _text(part: Message) -> str:
    """A part's text in the encoding that it declares, or the one that it must have been written in."""
    data = _content(part)
    if charset := codec(part.get_content_charset() or "utf-8"):
        with suppress(UnicodeDecodeError):
            return data.decode(charset, errors(charset)).replace("\r\n", "\n")
    return _guessed(data).replace("\r\n", "\n")


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _guessed(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
