"""What is made once for all previews: the user's cache."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pulumi


def cache_folder() -> Path:
    """Where packages and zips are kept between previews."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulumi-tandem"


@contextmanager
def drafted(kept: Path) -> Generator[Path]:
    """Gives a place to write what the cache will keep: it is moved there whole, or leaves nothing.

    Raises `pulumi.RunError` if the cache can't be written.
    """
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            draft = Path(folder, kept.name)
            yield draft
            try:
                draft.replace(kept)
            except OSError:  # for a folder: another preview was first, with the same content
                if not kept.exists():
                    raise
    except OSError as error:
        raise pulumi.RunError(
            f"XDG_CACHE_HOME: {kept.parent} can't be written ({error.strerror}). "
            "Set it to a folder with some megabytes of space, or make that one writable."
        ) from None
