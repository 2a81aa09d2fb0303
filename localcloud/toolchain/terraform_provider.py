"""The Terraform AWS provider, on which the stand-in for pulumi-aws works: found on this machine, or downloaded."""

import base64
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud import files, network, paths
from localcloud.toolchain import download
from localcloud.toolchain.go_programs import Report

# No other is taken, be it newer: names and shapes are translated for this one, and all tests ran on it.
VERSION = "5.100.0"
# What Python calls a machine -> what Terraform calls it. onnxruntime has no wheels for Macs with Intel processors.
PLATFORMS = {
    ("Linux", "x86_64"): "linux_amd64",
    ("Linux", "aarch64"): "linux_arm64",
    ("Darwin", "arm64"): "darwin_arm64",
}
HASHES = Path(__file__).with_name("terraform-provider-aws.hashes")
PACKAGE = "registry.terraform.io/hashicorp/aws"
OWN = paths.TOOLS / "terraform"  # laid out as a mirror too
UNPACKED_BYTES = 1 << 30  # at most; it is 700 MB
OPT = Path("/opt")
LINK = paths.BIN / "terraform-provider-aws"
RELEASES = "TANDEM_LOCAL_TERRAFORM_RELEASES"
SITE = "https://releases.hashicorp.com"
OTHER_WAYS = (
    f"set {RELEASES} to a mirror of {SITE}, or run `terraform providers mirror ~/.terraform.d/plugins` in a folder "
    f"that requires hashicorp/aws {VERSION}"
)
# Settings of Terraform's CLI configuration, in its own syntax or in JSON: a mirror's `path` is the only one so called.
FOLDER_SETTING = re.compile(r'\b(?:path|plugin_cache_dir)"?\s*[=:]\s*"([^"]+)"')
COMMENT = re.compile(r"^\s*(#|//).*$", re.MULTILINE)


def ensure(report: Report) -> Path:
    """A link, named as the bridge expects it, to the provider; where none is found, it is downloaded (150 MB).

    Raises TandemError where it can't be had, or an archive of it isn't the publisher's.
    """
    machine = this_platform()
    provider = _find(f"{VERSION}/{machine}/terraform-provider-aws*")
    if not provider:
        name = f"terraform-provider-aws_{VERSION}_{machine}.zip"
        provider = _unpack(_find(name) or _download(name, report), machine)
    if LINK.resolve() != provider.resolve():
        LINK.unlink(missing_ok=True)
        LINK.symlink_to(provider)
        report(f"the Terraform AWS provider is {provider}")
    return LINK


def this_platform() -> str:
    """Terraform's name for this machine."""
    machine = platform.system(), platform.machine()
    if machine not in PLATFORMS:
        known = ", ".join(" ".join(each) for each in PLATFORMS)
        raise TandemError(f"The local cloud doesn't run on {' '.join(machine)}: use one of {known}.")
    return PLATFORMS[machine]


def mirrors() -> Iterator[Path]:
    """The folders that may be laid out as a mirror of providers, in order; many aren't there.

    Terraform's documentation, "CLI Configuration": explicit and implied local mirrors, provider plugin cache.
    """
    given, home = os.environ.get, Path.home()
    yield from map(Path, filter(None, [given("TF_PLUGIN_DIR"), str(OWN), given("TF_PLUGIN_CACHE_DIR")]))
    own_configuration = [home / ".terraformrc", *sorted((home / ".terraform.d").glob("*.tfrc*"))]
    named = given("TF_CLI_CONFIG_FILE")  # takes the place of the others
    for file in [Path(named)] if named else own_configuration:
        if file.is_file():
            settings = FOLDER_SETTING.findall(COMMENT.sub("", file.read_text(errors="replace")))
            yield from (Path(os.path.expandvars(folder)).expanduser() for folder in settings)
    yield from (Path("terraform.d/plugins"), home / ".terraform.d" / "plugins")
    for support in (home, Path("/")):
        yield support / "Library" / "Application Support" / "io.terraform" / "plugins"
    data = [given("XDG_DATA_HOME") or str(home / ".local" / "share")]
    data += (given("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    yield from (Path(folder) / "terraform" / "plugins" for folder in data)
    yield from (OPT, *sorted(OPT.glob("*")), *sorted(OPT.glob("*/*")))


def _find(name: str) -> Path | None:
    found = (file for place in mirrors() for file in sorted((place.absolute() / PACKAGE).glob(name)) if file.is_file())
    return next(found, None)


def _download(name: str, report: Report) -> Path:
    site = network.mirror(RELEASES, SITE)
    report(f"downloading the Terraform AWS provider {VERSION} from {site} (150 MB)")
    archive = OWN / PACKAGE / name
    archive.parent.mkdir(parents=True, exist_ok=True)
    download.fetch(f"{site}/terraform-provider-aws/{VERSION}/{name}", archive, OTHER_WAYS, report)
    return archive


def _unpack(archive: Path, machine: str) -> Path:
    """Unpack an archive that is the publisher's, by its own hash or by that of its files."""
    published = set(HASHES.read_text().split())
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = OWN / PACKAGE / VERSION / machine
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        unpacked = Path(work) / machine
        right = files.unpack(archive, unpacked, UNPACKED_BYTES) and (
            f"zh:{digest}" in published or f"{machine}:{_h1(unpacked)}" in published
        )
        if archive.is_relative_to(OWN):
            archive.unlink()
        if not right:
            raise TandemError(
                f"{archive} isn't the Terraform AWS provider {VERSION} as published (its SHA-256 is {digest}): look at "
                f"what put it there, be it a mirror or a proxy, or {OTHER_WAYS}."
            )
        provider, *_ = unpacked.glob("terraform-provider-aws*")
        provider.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)
    return folder / provider.name


def _h1(folder: Path) -> str:
    """Terraform's hash of an unpacked package (golang.org/x/mod/sumdb/dirhash.Hash1)."""
    lines = ""
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        with file.open("rb") as content:
            lines += f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file.relative_to(folder)}\n"
    return "h1:" + base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()
