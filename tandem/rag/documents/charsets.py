"""Charsets that a text may say it is in: their labels as browsers read them (the Encoding Standard)."""

import codecs
import re

# Python's codecs are more than charsets: base64, zlib, idna and the like.
CHARSETS = re.compile(r"big5|cp\d|euc_|gb|hz|iso|johab|koi8|kz1048|mac-|ptcp154|shift_jis|tis-620|utf-(?:8|16|32)")
ISO_8859 = re.compile(r"iso8859(1[0-6]|[2-9])")
# Without signs and a leading x: what Python lacks, or takes literally where the Web means a larger charset.
LABELS = {
    label: charset
    for charset, labels in {
        "cp1252": "ansix341968 ascii cp819 csisolatin1 ibm819 iso88591 iso885911987 isoir100 l1 latin1 usascii",
        "cp1254": "csisolatin5 iso88599 iso885991989 isoir148 l5 latin5",
        "cp874": "dos874 iso885911 tis620 windows874",
        "iso8859-6": "csiso88596e csiso88596i iso88596e iso88596i",
        "iso8859-7": "suneugreek",
        "iso8859-8": "csiso88598e csiso88598i iso88598e iso88598i logical visual",
        "iso8859-15": "csisolatin9",
        "koi8-r": "koi koi8",
        "koi8-u": "koi8ru",
        "mac-cyrillic": "macukrainian",
        "mac-roman": "csmacintosh mac",
        "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb231280 gbk isoir58",
        "big5hkscs": "big5 cnbig5 csbig5",
        "euc_jp": "cseucpkdfmtjapanese",
        "cp932": "csshiftjis mskanji shiftjis sjis windows31j",
        "cp949": "cseuckr csksc56011987 euckr isoir149 korean ksc5601 ksc56011987 ksc56011989 windows949",
        "utf-8": "unicode11utf8 unicode20utf8",
    }.items()
    for label in labels.split()
}
ONE_BYTE = re.compile(r"cp125\d|cp874")
AS_CONTROL = "tandem-as-control"


def codec(label: str) -> str:
    """The name of Python's codec for a charset, empty for what is none."""
    label = label.strip().lower().removeprefix("x-")
    key = re.sub(r"[^a-z\d]|^x+", "", label)
    iso = ISO_8859.fullmatch(key)
    try:
        found = codecs.lookup(LABELS.get(key) or (f"iso8859-{iso[1]}" if iso else label)).name
    except (LookupError, ValueError):
        return ""
    if found.startswith("cp") and "<".encode(found) != b"<":  # what declares itself in ASCII isn't EBCDIC
        return ""
    return found if CHARSETS.match(found) else ""


def errors(charset: str) -> str:
    """How bytes that have no meaning are decoded: on the Web, in those of Windows, as the control of their number."""
    return AS_CONTROL if ONE_BYTE.fullmatch(charset) else "strict"


def _as_control(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and 0x80 <= error.object[error.start] < 0xA0:
        return chr(error.object[error.start]), error.start + 1
    raise error


codecs.register_error(AS_CONTROL, _as_control)
