"""Sections of PDF: one a page."""

import logging
from collections.abc import Iterator
from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError

from .section import Rejected, Section

ENCRYPTED = "the PDF is encrypted: save it without a password (`qpdf --decrypt IN.pdf OUT.pdf`) and upload it again"

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns line by line about what is then rejected once


def sections(data: bytes) -> Iterator[Section]:
    """Yield the text of each page; raise `Rejected` for an encrypted or corrupt file."""
    try:
        reader = PdfReader(BytesIO(data))
        # Many files are encrypted with an empty password, only to forbid printing or copying.
        if reader.is_encrypted and not reader.decrypt(""):
            raise Rejected(ENCRYPTED)
        for number, page in enumerate(reader.pages, start=1):
            # Some fonts give lone surrogates, which are no text and can't be sent.
            text = page.extract_text().encode("utf-8", "replace").decode()
            yield Section(text.replace("\0", ""), page=number)
    except (Rejected, MemoryError):
        raise
    except (FileNotDecryptedError, DependencyError) as error:
        raise Rejected(ENCRYPTED) from error
    except Exception as error:  # a damaged file fails anywhere in the parser, with any exception
        raise Rejected(
            f"the PDF is corrupt ({type(error).__name__}: {error}): "
            "repair it (`qpdf IN.pdf OUT.pdf`) or export it again, and upload it again"
        ) from error
