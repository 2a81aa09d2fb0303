"""What a file is by its content: packages, and formats with a mark of their own; what can't be read is refused."""

import json
import re
from contextlib import suppress
from io import BytesIO

from .archive import open_zip, read, readable
from .prolog import prolog
from .section import BOM, Rejected

OFFICE = {
    "wordprocessingml": "docx",
    "ms-word": "docx",
    "spreadsheetml": "xlsx",
    "ms-excel": "xlsx",
    "presentationml": "pptx",
    "ms-powerpoint": "pptx",
}
MAIN_PART = re.compile(
    rb'ContentType\s*=\s*["\']application/vnd\.(?:openxmlformats-officedocument\.)?([a-z\-]+)\.'
    rb"(?:document|template|sheet|presentation|slideshow|addin)[.a-z]*\.?main\+xml",
    re.IGNORECASE,
)
XHTML = "http://www.w3.org/1999/xhtml}html"

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Names of streams within an OLE file, of which the first that is found says what the file is.
OLE_STREAMS = {
    "EncryptedPackage": "is encrypted: save it without a password",
    "WordDocument": "is a Word document of before 2007 (.doc): save it as .docx",
    "PowerPoint Document": "is a presentation of before 2007 (.ppt): save it as .pptx",
    "Workbook": "is a workbook of before 2007 (.xls): save it as .xlsx",
    "Book": "is a workbook of before 1997 (.xls): save it as .xlsx",
    "__properties_version1.0": "is an Outlook message (.msg): save it as .eml",
}
OPEN_DOCUMENTS = {"text": ".docx", "spreadsheet": ".xlsx", "presentation": ".pptx"}
ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x8b\x08": "gzip",
    b"BZh91AY&SY": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"MSCF\0\0\0\0": "cab",
}
TAR = slice(257, 262), b"ustar"
MAIL_HEADER = re.compile(rb"(?:From |[!-9;-~]+:[ \t])")
MAIL_NAMES = re.compile(rb"(?im)^(?:received|from|to|subject|date|message-id|mime-version|return-path):")

# A page may begin with these, since HTML's own tag may be left out.
OF_A_PAGE = re.compile(
    rb"<(?:base|body|center|div|font|h[1-6r]|head|link|main|meta|nav|ol|p|pre|script|span|style|title|ul)[\s/>]", re.I
)


def container(data: bytes) -> str:
    """The reader of a file whose content leaves no doubt; empty for a text of which the name must say what it is.

    Raises `Rejected` for a kind of file that no reader exists for.
    """
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _zip(data)
    if data.startswith(OLE):
        kinds = (says for stream, says in OLE_STREAMS.items() if stream.encode("utf-16-le") in data)
        raise Rejected(
            f"the file {next(kinds, 'is of an old office format: save it in a present one')}, and upload it again"
        )
    for mark, kind in ARCHIVES.items():
        if data.startswith(mark):
            raise Rejected(_archive(kind))
    if data[TAR[0]] == TAR[1]:
        raise Rejected(_archive("tar"))
    text = data.removeprefix(BOM.encode()).lstrip()
    if text.startswith(b"{\\rtf"):
        return "rtf"
    if text.startswith(b"<?xml") or data.startswith((b"\xff\xfe<\0?\0", b"\xfe\xff\0<\0?")):
        return "html" if prolog(BytesIO(data)).root in (XHTML, "html") else "xml"
    return ""


def guess(data: bytes) -> str:
    """The likely reader of a text whose name and type say nothing: JSON, a mail, HTML or XML; else empty."""
    text = data.removeprefix(BOM.encode()).lstrip()
    if text[:1] in (b"{", b"["):
        for piece in (text, text.partition(b"\n")[0]):  # the second for JSON Lines
            with suppress(ValueError, RecursionError):
                json.loads(piece)
                return "json"
    if MAIL_HEADER.match(text) and len(MAIL_NAMES.findall(text[:8192].partition(b"\n\n")[0])) > 1:
        return "eml"
    if OF_A_PAGE.match(text):
        return "html"
    return "xml" if text.startswith(b"<") and prolog(BytesIO(text)).root else ""


@readable("archive", "save the document again, and upload it again")
def _zip(data: bytes) -> str:
    archive = open_zip(data)
    names = set(archive.namelist())
    if "[Content_Types].xml" in names:
        types = read(archive, "[Content_Types].xml")
        if b"sheet.binary" in types:
            raise Rejected("the file is a binary workbook (.xlsb): save it as .xlsx, and upload it again")
        found = MAIN_PART.search(types)
        kind = OFFICE.get(found[1].decode().lower()) if found else None
        if kind is None:
            raise Rejected("the file is an office format that isn't read: save it as .docx, .xlsx or .pptx")
        return kind
    mimetype = read(archive, "mimetype").decode("ascii", "replace").strip() if "mimetype" in names else ""
    if mimetype == "application/epub+zip" or "META-INF/container.xml" in names:
        return "epub"
    if mimetype.startswith("application/vnd.oasis.opendocument."):
        kind = OPEN_DOCUMENTS.get(
            mimetype.removeprefix("application/vnd.oasis.opendocument.").removesuffix("-template")
        )
        raise Rejected(f"the file is an OpenDocument: save it as {kind or '.pdf'}, and upload it again")
    if any(name.endswith(".iwa") for name in names) or "Index.zip" in names:
        raise Rejected("the file is of Pages, Numbers or Keynote: export it as .docx, .xlsx or .pptx, and upload that")
    raise Rejected(_archive("zip"))


def _archive(kind: str) -> str:
    return f"the file is an archive ({kind}): unpack it and upload the documents in it"
