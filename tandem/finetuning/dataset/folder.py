"""A data set as a folder: `manifest.json` and a file a split. It is written once, whole, and never changed."""

import contextlib
import hashlib
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from tandem_contract.checks import Checks
from tandem_contract.errors import TandemError

from . import leaks
from . import manifest as manifests
from .importers import Reader
from .lengths import estimated, statistics
from .rows import encoded
from .splits import SPLITS, SUBJECT, Splits, without_duplicates


@contextlib.contextmanager
def staged(folder: Path) -> Generator[Path]:
    """Give an empty folder that becomes `folder` when the block ends well; `folder` may exist if it is empty."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            inside = Path(temporary, "data-set")
            inside.mkdir()
            yield inside
            inside.rename(folder)
    except OSError as error:
        raise TandemError(f"{folder} can't be written: {error}.") from error


def write(
    folder: Path, splits: Splits, name: str, licence: str, source: str, record: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], bool]:
    """Write a checked data set; return its manifest and whether it is new (False: the same one is there already).

    `record` is what the manifest says of the import besides (`collect.Collected`). Raises `TandemError` if the folder
    has anything else in it.
    """
    files = {split: encoded(splits[split]) for split in SPLITS}
    described = {
        split: {
            "file": f"{split}.jsonl",
            "rows": len(splits[split]),
            "sha256": hashlib.sha256(files[split]).hexdigest(),
            "tokens": statistics(estimated(splits[split])),
        }
        for split in SPLITS
    }
    manifest = manifests.make(name, licence, source, described, record)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (folder / manifests.FILE).is_file():
            raise TandemError(f"{folder} is not empty: name a new or an empty folder.")
        there = verify(folder)
        if there["digest"] != manifest["digest"]:
            held = f"{there['name']}@{manifests.version(there)}"
            raise TandemError(
                f"{folder} holds {held}: a data set never changes, and this one is {manifests.version(manifest)}; name "
                "another folder."
            )
        return manifest, False
    with staged(folder) as inside:
        for split, data in files.items():
            (inside / f"{split}.jsonl").write_bytes(data)
        (inside / manifests.FILE).write_bytes(manifests.encoded(manifest))
    return manifest, True


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest after comparing its digest and every file's; raises `TandemError` where one differs."""
    path = folder / manifests.FILE
    if not path.is_file():
        raise TandemError(f"{folder} has no {manifests.FILE}: name the folder of a data set.")
    manifest = manifests.parse(path.read_bytes())
    checks = Checks()
    for split in manifest["splits"].values():
        file = folder / split["file"]
        if not file.is_file():
            checks.missing(split["file"], "Import again, or fetch it again.")
            continue
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != split["sha256"]:
            problem = f"its SHA-256 is {found}, not {split['sha256']} as the manifest says: the file was changed"
            checks.add(split["file"], problem, "Import again, or fetch it again.")
    checks.finish(SUBJECT)
    return manifest


def read(folder: Path) -> tuple[dict[str, Any], Splits, list[str]]:
    """Verify a folder and check its rows as on import; return the manifest, the rows of each split, and warnings.

    Raises `Mistakes` with every one.
    """
    manifest = verify(folder)
    reader, splits, warnings = Reader("chat"), {}, []
    for name in SPLITS:
        rows = splits[name] = reader.read(folder / f"{name}.jsonl", f"{name}.jsonl")
        if again := len(rows) - len(without_duplicates(rows)):
            warnings.append(f"{name}: {again} rows are there twice")
    leaks.check(splits, reader.checks)
    for name in SPLITS if not reader.checks.mistakes else ():
        if len(splits[name]) != (said := manifest["splits"][name]["rows"]):
            problem = f"it has {len(splits[name])} rows, and the manifest says {said}"
            reader.checks.add(f"{name}.jsonl", problem, "Import again.")
    reader.checks.finish(SUBJECT)
    return manifest, splits, warnings + leaks.near(splits) + leaks.tails(splits) + leaks.conflicts(splits)
