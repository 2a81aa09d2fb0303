"""What the ingest function's zip carries besides Python of ours: native code that runs in Lambda, and only there."""

import base64
import csv
import hashlib
import importlib.util
import io
import os
import re
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from pulumi_tandem.foundation import function_code
from pulumi_tandem.foundation.function_platform import GLIBC, PYTHON, UV_OPTIONS

from scripts.recorder import ROOT

HANDLER = "tandem.rag.functions.ingest.handler"
LOCK = ROOT / "tandem" / "rag" / "requirements.lock"
# Of https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, for a zip that is sent directly.
ZIPPED, UNZIPPED = 50 << 20, 250 << 20
# What is in Amazon Linux 2023's minimal image.
SYSTEM = re.compile(r"lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.\d|ld-linux-aarch64\.so\.1")


@pytest.fixture(scope="module")
def bundle():
    with zipfile.ZipFile(str(function_code.function_code(HANDLER).path)) as bundle:
        yield bundle


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock.read_text(), re.MULTILINE))


def test_native_code_is_for_the_functions_processor_python_and_glibc(bundle):
    libraries = [name for name in bundle.namelist() if re.search(r"\.so(\.\d+)*$", name)]
    assert {name.split("/")[0] for name in libraries} == {"lxml", "pypdfium2_raw", "selectolax"}
    for name in libraries:
        elf = ELFFile(io.BytesIO(bundle.read(name)))
        assert (elf.get_machine_arch(), elf.elfclass, elf.little_endian) == ("AArch64", 64, True), name
        if extension := re.search(r"\.cpython-(\d)(\d+)-", name):
            assert ".".join(extension.groups()) == PYTHON
        dynamic = elf.get_section_by_name(".dynamic")
        needed = [tag.needed for tag in dynamic.iter_tags("DT_NEEDED")]
        assert all(SYSTEM.fullmatch(library) for library in needed), (name, needed)
        versions = [
            tuple(map(int, version.name.removeprefix("GLIBC_").split(".")))
            for section in elf.iter_sections()
            if isinstance(section, GNUVerNeedSection)
            for _, auxiliaries in section.iter_versions()
            for version in auxiliaries
            if version.name.startswith("GLIBC_")
        ]
        print(f"{name}: glibc {max(versions)}, {needed}")
        assert versions and max(versions) <= GLIBC, name


def test_every_file_of_every_locked_package_is_there_and_whole(bundle):
    records = [name for name in bundle.namelist() if name.endswith(".dist-info/RECORD")]
    found = [record.removesuffix(".dist-info/RECORD").rpartition("-") for record in records]
    assert {name.replace("_", "-"): version for name, _, version in found} == pinned(LOCK)
    listed = set()
    for record in records:
        for name, digest, size in csv.reader(bundle.read(record).decode().splitlines()):
            content = bundle.read(name)  # or it isn't there
            hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert name == record or (digest, int(size)) == (f"sha256={hashed}", len(content)), name
            listed.add(name)
    assert {name for name in bundle.namelist() if not name.startswith(("tandem/", "tandem_contract/"))} == listed


def test_the_zip_is_within_lambdas_limits(bundle):
    zipped, unzipped = Path(bundle.filename).stat().st_size, sum(entry.file_size for entry in bundle.infolist())
    print(f"{zipped / 1e6:.1f} MB, {unzipped / 1e6:.1f} MB unpacked")
    assert zipped < ZIPPED and unzipped < UNZIPPED


def test_another_cache_and_another_installer_make_the_same_bytes(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "pip" else find(name, *more))
    group = next(group for group in function_code.GROUPS if HANDLER.startswith(group.handlers))
    again = Path(str(function_code._zip.__wrapped__(group).path))
    assert again.is_relative_to(tmp_path)
    assert again.name == Path(bundle.filename).name and again.read_bytes() == Path(bundle.filename).read_bytes()


def test_locks_agree():
    """So the local cloud's functions read with the versions that AWS's do; and one lock is made for their platform."""
    whole = pinned(ROOT / "requirements.lock")
    assert pinned(LOCK).items() <= whole.items()
    options = dict(pairwise(UV_OPTIONS))
    makefile = (ROOT / "Makefile").read_text()
    for option in ("--python-version", "--python-platform"):
        assert re.search(rf"requirements\.in .*?{option} {options[option]} ", makefile, re.DOTALL), option
