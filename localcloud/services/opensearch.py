"""OpenSearch with k-NN and neural-search, assembled from Maven artifacts and checked against a lock."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from localcloud import paths

VERSION = "2.19.1"
LOCK = Path(__file__).with_name("opensearch.sha256")
SOURCE = Path(__file__).with_name("node")
# OpenSearch refuses to run as root; a root user gives it this uid, which needs no entry in /etc/passwd.
UNPRIVILEGED_UID = 64200
WRITABLE = ("config", "data", "logs", "tmp")


class OpenSearchError(RuntimeError):
    """OpenSearch can't be assembled or started; the message says what is missing and how to get it."""


def ensure(report: Callable[[str], None]) -> Path:
    """Return the assembled distribution; where it is missing, build it first (70 MB, a minute or less).

    The build has a folder of its own and is renamed when complete, so an interrupted one is never taken for whole.
    """
    home = paths.OPENSEARCH / f"opensearch-{VERSION}"
    if home.is_dir():
        return home
    maven = _find("mvn", "Maven fetches OpenSearch", "maven")
    work = paths.OPENSEARCH / f"building-{os.getpid()}"
    try:
        work.mkdir(parents=True)
        # Maven notes beside the project file what it has unpacked, so each build has its own.
        project = shutil.copy(SOURCE / "pom.xml", work)
        report(f"fetching OpenSearch {VERSION} with Maven (70 MB)")
        _run_maven([maven, "-B", "-ntp", "-f", str(project), f"-Dwork={work}", "initialize"], report)
        tree = work / home.name
        shutil.copytree(SOURCE / "overlay", tree, dirs_exist_ok=True)
        for script in (tree / "bin").iterdir():
            script.chmod(0o755)
        _verify(tree)
        tree.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report(f"OpenSearch {VERSION} assembled, every jar checked against {LOCK.name}")
    return home


def prepare(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the node's command and environment; it uses `port` and, for transport, `port` + 100.

    Where we are root, the command drops to a uid without rights, which gets the folders that the node writes.
    """
    java = _find("java", "OpenSearch needs Java 17 or later", "openjdk-17-jre-headless")
    for name in WRITABLE:
        (home / name).mkdir(exist_ok=True)
    command = [str(home / "bin/opensearch")]
    if os.geteuid() == 0:
        drop = _find("setpriv", "OpenSearch refuses to run as root", "util-linux")
        closed = next((folder for folder in home.parents if not folder.stat().st_mode & 0o001), None)
        if closed:
            raise OpenSearchError(
                f"OpenSearch can't run as root, and {closed} keeps other users out: chmod o+x {closed}, or check the "
                "project out elsewhere."
            )
        for path in (home, *home.rglob("*")):
            if path.relative_to(home).parts[:1] and path.relative_to(home).parts[0] in WRITABLE:
                os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
            else:
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        command = [drop, f"--reuid={UNPRIVILEGED_UID}", f"--regid={UNPRIVILEGED_UID}", "--clear-groups", *command]
    return command, {
        "OPENSEARCH_JAVA_HOME": str(Path(java).resolve().parent.parent),
        "OPENSEARCH_TMPDIR": str(home / "tmp"),
        # C1 alone starts in half the time; a small heap is enough for one developer's documents.
        "OPENSEARCH_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
        "TRANSPORT_PORT": str(port + 100),
    }


def _find(program: str, need: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise OpenSearchError(f"{need}, and {program} is not on PATH: install it (Debian: apt-get install {package}).")
    return path


def _run_maven(command: list[str], report: Callable[[str], None]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout or ():
        lines.append(line.rstrip())
        if line.startswith("[INFO] Configured Artifact: "):
            report(line.removeprefix("[INFO] Configured Artifact: ").strip())
    if process.wait() != 0:
        raise OpenSearchError("Maven could not fetch OpenSearch:\n" + "\n".join(lines[-20:]))


def _verify(tree: Path) -> None:
    """Compare every jar of the tree with the committed lock, both ways."""
    expected = {name: digest for digest, name in map(str.split, LOCK.read_text().splitlines())}
    found = {str(jar.relative_to(tree)): hashlib.sha256(jar.read_bytes()).hexdigest() for jar in tree.rglob("*.jar")}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise OpenSearchError(f"{len(wrong)} jars differ from {LOCK.name}, first {wrong[0]}; nothing was installed.")
