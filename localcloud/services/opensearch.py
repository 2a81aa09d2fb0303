"""OpenSearch with k-NN and neural-search, assembled from Maven artifacts and checked against a lock."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud import paths

VERSION = "2.19.1"
LOCK = Path(__file__).with_name("opensearch.sha256")
SOURCE = Path(__file__).with_name("node")
# OpenSearch refuses to run as root; a root user gives it this uid, which needs no entry in /etc/passwd.
UNPRIVILEGED_UID = 64200


def ensure(report: Callable[[str], None]) -> Path:
    """Return the assembled distribution; where it is missing, build it first (70 MB, a minute or less).

    The build has a folder of its own and is renamed when complete, so an interrupted one is never taken for whole.
    """
    tree = paths.OPENSEARCH / f"opensearch-{VERSION}"
    if not tree.is_dir():
        with paths.locked(paths.OPENSEARCH / "lock"):
            if not tree.is_dir():
                _assemble(tree, report)
    return tree


def _assemble(tree: Path, report: Callable[[str], None]) -> None:
    maven = _find("mvn", "Maven fetches OpenSearch", "maven")
    report(f"fetching OpenSearch {VERSION} with Maven (70 MB, about a minute)")
    for interrupted in paths.OPENSEARCH.glob("building-*"):
        shutil.rmtree(interrupted)
    with tempfile.TemporaryDirectory(dir=paths.OPENSEARCH, prefix="building-") as work:
        # Maven notes beside the project file what it has unpacked, so each build has its own.
        project = shutil.copy(SOURCE / "pom.xml", work)
        command = [maven, "-B", "-ntp", "-f", project, f"-Dwork={work}", "initialize"]
        fetched = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if fetched.returncode != 0:
            raise TandemError(f"Maven could not fetch OpenSearch:\n{fetched.stdout[-3000:]}")
        built = Path(work, tree.name)
        shutil.copytree(SOURCE / "overlay", built, dirs_exist_ok=True)
        _verify(built)
        for path in (built, *built.rglob("*")):  # for whatever user runs the node
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        built.rename(tree)
    report(f"OpenSearch {VERSION} assembled, every jar checked against {LOCK.name}")


def prepare(tree: Path) -> tuple[list[str], dict[str, str]]:
    """Return the node's command and environment; all that it writes is in `paths.SEARCH`.

    Where we are root, the command drops to a uid without rights, which gets that folder.
    """
    command, home = [str(tree / "bin/opensearch")], str(Path(java()).resolve().parent.parent)
    shutil.copytree(SOURCE / "config", paths.SEARCH / "config", dirs_exist_ok=True)
    for name in ("data", "logs", "tmp"):
        (paths.SEARCH / name).mkdir(exist_ok=True)
    if os.geteuid() == 0:
        drop = _find("setpriv", "OpenSearch refuses to run as root", "util-linux")
        # Where a folder above keeps other users out, the node keeps root's right to pass permissions, and no other
        # (no_setuid_fixup: access(2), which Java asks, would else not count it).
        closed = any(not folder.stat().st_mode & 0o001 for folder in (*tree.parents, *paths.SEARCH.parents))
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
        for path in (paths.SEARCH, *paths.SEARCH.rglob("*")):
            os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        user = [f"--reuid={UNPRIVILEGED_UID}", f"--regid={UNPRIVILEGED_UID}", "--clear-groups"]
        command = [drop, *user, *(rights if closed else []), *command]
    return command, {
        "OPENSEARCH_JAVA_HOME": home,
        "OPENSEARCH_PATH_CONF": str(paths.SEARCH / "config"),
        "OPENSEARCH_TMPDIR": str(paths.SEARCH / "tmp"),
        "SEARCH_HOME": str(paths.SEARCH),
    }


def java() -> str:
    """The path of a Java that is new enough; raises `TandemError` if there is none."""
    need, package = "OpenSearch needs Java 17 or later", "openjdk-17-jre-headless"
    found = _find("java", need, package)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < 17:
        shown = version[1] if version else "of no version that it tells"
        raise TandemError(f"{need}, and {found} is {shown}: install one (Debian: apt-get install {package}).")
    return found


def _find(program: str, need: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise TandemError(f"{need}, and {program} is not on PATH: install it (Debian: apt-get install {package}).")
    return path


def _verify(tree: Path) -> None:
    """Compare every jar of the tree with the committed lock, both ways."""
    expected = {name: digest for digest, name in map(str.split, LOCK.read_text().splitlines())}
    found = {str(jar.relative_to(tree)): hashlib.sha256(jar.read_bytes()).hexdigest() for jar in tree.rglob("*.jar")}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise TandemError(f"{len(wrong)} jars differ from {LOCK.name}, first {wrong[0]}; nothing was installed.")
