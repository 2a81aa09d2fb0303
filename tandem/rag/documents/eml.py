"""Sections of a mail: who wrote what to whom, its text, and the attachments that a reader exists for."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message

from .archive import readable
from .outline import below
from .section import BOM, Loss, Rejected, Section

HEADERS = ("From", "To", "Cc", "Date")
MAX_DEPTH = 5
"""Of mails attached to mails."""
MAX_ATTACHMENTS = 100
SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the mail below its subject; an attachment below its name. Of alternatives, HTML keeps most structure."""
    with readable("mail", "save it again as .eml, and upload it again"):
        yield from _Mail().message(message_from_bytes(data, policy=policy.default), 0)


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
                yield from self.message(inner, depth + 1)
        elif part.is_multipart():
            for inner in _parts(part):
                yield from self.part(inner, depth)
        elif part.get_content_disposition() == "attachment" or name or part.get_content_maintype() != "text":
            if kind not in SIGNATURES:
                yield from self.attachment(part, name or kind)
        elif kind == "text/html":
            from . import html

            yield from html.sections((BOM + _text(part)).encode())
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
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        try:
            if self.attachments > MAX_ATTACHMENTS:
                raise Rejected(f"the mail has more than {MAX_ATTACHMENTS}")
            yield from below(name, extract(name, part.get_content_type(), data))
        except Rejected as error:
            problem, _, _remedy = str(error).partition(": ")  # which is nothing for who wrote the mail
            yield Loss("attachment that isn't read", name=f"{name} ({problem})")


def _header(message: Message, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except MemoryError:
        raise
    except Exception:  # the library's parser fails on some malformed ones, with any exception
        return next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")


def _parts(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _is_html(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _text(part: Message) -> str:
    """A part's text in the encoding that it declares, or the one that it must have been written in."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    for charset in (part.get_content_charset() or "utf-8", "utf-8"):
        try:
            return data.decode(charset).replace("\r\n", "\n")
        except (LookupError, UnicodeDecodeError):
            pass
    return data.decode("cp1252", "replace").replace("\r\n", "\n")
