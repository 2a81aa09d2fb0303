"""Lambda deployment packages: one zip for each group of functions, and how such zips are made.

A zip holds the rooms of `tandem` that its functions need and the packages that are locked for them, in wheels that are
built for Lambda: it is the same bytes whatever machine makes it, and needs no Docker (docs/adr/0012, 0018).
"""

import functools
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pulumi
import tandem_contract

from .cache import cache_folder, drafted
from .function_packages import SHIPPED, function_packages, package_files


class Group(NamedTuple):
    """Functions that run from the same zip."""

    name: str
    handlers: str
    """How the paths of their handlers begin."""
    rooms: tuple[str, ...]
    """Sub-packages of `tandem`."""
    without: tuple[str, ...] = ()
    """What stays out: how paths below `tandem` begin, and below `contract/` for those of the contract."""
    lock: str = ""
    """The packages that it carries: a lock file below `tandem`."""


READING = (
    "rag/documents/",
    "rag/chunk.py",
    "rag/losses.py",
    "rag/reading.py",
    "rag/reader_process.py",
    "rag/lease.py",
    "rag/ingest.py",
    "rag/functions/ingest.py",
)
# What tuning and the program alone read.
OTHERS = (
    "contract/envelope.py",
    "contract/run_record.py",
    "contract/usage.py",
    "contract/bedrock_models.py",
    "contract/rerankers.py",
)
TRAINING = ("finetuning/training/", "finetuning/backends/", "finetuning/measure.py", "finetuning/promotion.py")
# A handler's group is the first that fits.
GROUPS = (
    Group("ingest", "tandem.rag.functions.ingest.", ("runtime", "models", "rag"), lock="rag/requirements.lock"),
    Group("retrieval", "tandem.rag.functions.", ("runtime", "models", "rag"), without=(*READING, *OTHERS)),
    Group("tuning", "tandem.finetuning.functions.", ("runtime", "finetuning"), without=TRAINING),
)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


def runtime_folder() -> Path:
    """The package `tandem`: beside this one where both are installed, else beside `components/` in a clone.

    Never by import: a user's program may have a `tandem` of its own. Raises `pulumi.RunError` where it isn't there.
    """
    installed = Path(__file__).parents[2]
    for here in (installed, Path(__file__).resolve().parents[2]):  # an installer may link files to its cache
        for folder in (here / "tandem", here.parent / "tandem"):
            if (folder / "rag" / "requirements.lock").is_file():
                return folder
    raise pulumi.RunError(
        f"What the functions run, the package `tandem`, is neither in {installed} nor beside it: "
        "use the whole repository of pulumi-tandem or its wheel, not a copy of components/ alone."
    )


def function_code(handler: str) -> pulumi.FileArchive:
    """The zip of the group that a handler belongs to, made when first needed.

    Raises `pulumi.RunError` if its packages can't be fetched, or the cache can't be written.
    """
    return _zip(next(group for group in GROUPS if handler.startswith(group.handlers)))


@functools.cache
def _zip(group: Group) -> pulumi.FileArchive:
    content = {name: path.read_bytes() for name, path in runtime_files(*group.rooms, without=group.without).items()}
    if group.lock:
        content |= package_files(function_packages(runtime_folder() / group.lock))
    return pulumi.FileArchive(str(archive(f"functions-{group.name}", ".zip", content)))


def runtime_files(*rooms: str, without: tuple[str, ...] = ()) -> dict[str, Path]:
    """Name in a zip -> file, of these sub-packages of `tandem` and of the contract.

    `without` is what stays out: how paths below `tandem` begin, and below `contract/` for those of the contract.
    """
    runtime = runtime_folder()
    contract = Path(tandem_contract.__file__).parent
    names = {path.relative_to(contract).as_posix(): path for path in contract.rglob("*.py")}
    files = {
        f"tandem_contract/{name}": path for name, path in names.items() if not f"contract/{name}".startswith(without)
    }
    files["tandem/__init__.py"] = runtime / "__init__.py"
    for path in (path for room in rooms for path in (runtime / room).rglob("*.py")):
        name = path.relative_to(runtime).as_posix()
        # A wheel has a group's packages inside a room.
        if not name.startswith(without) and f"/{SHIPPED}/" not in name:
            files[f"tandem/{name}"] = path
    return files


def archive(name: str, suffix: str, content: Mapping[str, bytes]) -> Path:
    """A zip in the cache, named by the digest of its content: unchanged content is an unchanged input."""
    digest = hashlib.sha256()
    for entry in sorted(content):
        digest.update(f"{entry}\0{len(content[entry])}\0".encode() + content[entry])
    made = cache_folder() / f"{name}-{digest.hexdigest()[:16]}{suffix}"
    if not made.exists():
        with drafted(made) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as bundle:
            for entry in sorted(content):
                info = zipfile.ZipInfo(entry, EPOCH)
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                bundle.writestr(info, content[entry])
    return made
