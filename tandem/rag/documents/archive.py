"""Zip archives of strangers: opened within limits, so that a bomb costs neither memory nor time."""

from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from .section import Rejected

MAX_FILES = 10_000
MAX_UNPACKED = 500_000_000
MAX_RATIO = 100
"""Text packs 5 to 20 times, a sheet of like rows up to 50; a bomb 1,000 times."""
UNSUSPICIOUS = 20_000_000
"""Up to so many bytes the ratio doesn't matter: a small file may hold a large empty template."""
MAX_HELD = 10_000_000
"""Of a part that is held in memory as a tree, which takes up to 30 times as much."""

ENTRY = b"PK\x01\x02"  # before each entry of an archive's directory


@contextmanager
def readable(kind: str, remedy: str) -> Generator[None]:
    """Turn whatever a parser raises for damaged bytes into `Rejected`, with the remedy."""
    try:
        yield
    except (Rejected, MemoryError):
        raise
    except RecursionError as error:
        raise Rejected(f"the {kind} is nested too deeply: {remedy}") from error
    except Exception as error:
        raise Rejected(f"the {kind} is damaged ({type(error).__name__}: {error}): {remedy}") from error


def open_zip(data: bytes) -> ZipFile:
    """Open an archive; raise `Rejected` for one that is damaged, or that would unpack to too much.

    What the directory claims is an upper bound: `ZipFile` reads no more of a file than the size claimed for it.
    """
    if data.count(ENTRY) > MAX_FILES:  # before they are parsed, which takes half a kilobyte each
        raise Rejected(f"the archive has more than {MAX_FILES:,} files: split the document")
    try:
        archive = ZipFile(BytesIO(data))
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise Rejected(f"the archive is damaged ({error}): save the document again, and upload it again") from error
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_UNPACKED or unpacked > max(UNSUSPICIOUS, MAX_RATIO * len(data)):
        raise Rejected(
            f"the file says that it unpacks to {unpacked / 1_000_000:,.0f} MB from {len(data) / 1_000_000:.1f} MB, "
            f"over the limits of {MAX_UNPACKED // 1_000_000} MB and {MAX_RATIO} times: split the document"
        )
    for entry in archive.infolist():
        if entry.flag_bits & 1:
            raise Rejected("the archive is encrypted: save the document without a password and upload it again")
        if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # others unpack a block of any size at once
            raise Rejected("the archive is packed by a method other than deflate: save the document again")
    return archive


def read(archive: ZipFile, name: str, limit: int = MAX_HELD) -> bytes:
    """Read a part whole; raise `Rejected` for one that is too large to be held, and KeyError for none."""
    check_held(archive, name, limit)
    return archive.read(name)


def check_held(archive: ZipFile, name: str, limit: int = MAX_HELD) -> None:
    """Raise `Rejected` for a part that is too large to be held."""
    if (size := archive.getinfo(name).file_size) > limit:
        raise Rejected(
            f"its part {name} has {size / 1_000_000:,.0f} MB, over the limit of {limit // 1_000_000} MB: "
            "split the document"
        )
