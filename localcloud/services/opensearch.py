"""OpenSearch 2.19.1 with k-NN and neural-search, assembled from Maven artifacts and checked against a lock."""

import hashlib
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from localcloud import paths

VERSION = "2.19.1"
PLUGIN_VERSION = f"{VERSION}.0"
LOCK = Path(__file__).with_name("opensearch.sha256")
# OpenSearch refuses to run as root; a root user gives it this uid, which needs no entry in /etc/passwd.
UNPRIVILEGED_UID = 64200
WRITABLE = ("config", "data", "logs", "tmp")

_GROUP = "org.opensearch.plugin"
# Modules that the distribution leaves out of its smallest zip: name -> (class, extended plugins, artifacts).
_MODULES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "lang-painless": (
        "org.opensearch.painless.PainlessPlugin",
        "",
        (
            f"{_GROUP}:lang-painless:{VERSION}",
            f"{_GROUP}:opensearch-scripting-painless-spi:{VERSION}",
            "org.antlr:antlr4-runtime:4.13.1",
            *(f"org.ow2.asm:{name}:9.7" for name in ("asm", "asm-util", "asm-tree", "asm-commons", "asm-analysis")),
        ),
    ),
    "analysis-common": (
        "org.opensearch.analysis.common.CommonAnalysisPlugin",
        "lang-painless",
        (f"{_GROUP}:analysis-common:{VERSION}",),
    ),
    "mapper-extras": (
        "org.opensearch.index.mapper.MapperExtrasPlugin",
        "",
        (f"{_GROUP}:mapper-extras-client:{VERSION}",),
    ),
    "parent-join": ("org.opensearch.join.ParentJoinPlugin", "", (f"{_GROUP}:parent-join-client:{VERSION}",)),
    "aggs-matrix-stats": (
        "org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin",
        "",
        (f"{_GROUP}:aggs-matrix-stats-client:{VERSION}",),
    ),
    "reindex": (
        "org.opensearch.index.reindex.ReindexPlugin",
        "",
        (
            f"{_GROUP}:reindex-client:{VERSION}",
            f"org.opensearch.client:opensearch-rest-client:{VERSION}",
            f"org.opensearch:opensearch-ssl-config:{VERSION}",
            "org.apache.httpcomponents:httpclient:4.5.14",
            "org.apache.httpcomponents:httpcore:4.4.16",
            "org.apache.httpcomponents:httpasyncclient:4.1.5",
            "org.apache.httpcomponents:httpcore-nio:4.4.16",
            "commons-codec:commons-codec:1.16.1",
            "commons-logging:commons-logging:1.2",
        ),
    ),
}


class OpenSearchError(RuntimeError):
    """OpenSearch can't be assembled or started; the message says what is missing and how to get it."""


def ensure(report: Callable[[str], None]) -> Path:
    """Return the assembled distribution, building it first (about a minute) where it is missing.

    The build happens in a folder of its own and is renamed when complete, so an interrupted one leaves nothing
    that could be taken for a whole one. `report` receives one line per step.
    """
    home = paths.OPENSEARCH / f"opensearch-{VERSION}"
    if home.is_dir():
        return home
    maven = shutil.which("mvn")
    if maven is None:
        raise OpenSearchError(
            "Maven (mvn) is not on PATH; it fetches OpenSearch: install it (Debian: apt-get install maven)."
        )
    work = paths.OPENSEARCH / f"building-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    tree = work / home.name
    try:
        work.mkdir(parents=True)
        (work / "pom.xml").write_text(_pom(tree, work))
        report(f"fetching OpenSearch {VERSION} with Maven (70 MB, about a minute the first time)")
        _run_maven([maven, "-B", "-ntp", "-f", str(work / "pom.xml"), "initialize"], report)
        for name, (classname, extended, _) in _MODULES.items():
            (tree / "modules" / name / "plugin-descriptor.properties").write_text(
                f"description={name}\nversion={VERSION}\nname={name}\nclassname={classname}\njava.version=11\n"
                f"opensearch.version={VERSION}\ncustom.foldername=\nextended.plugins={extended}\n"
                "has.native.controller=false\n"
            )
        (tree / "modules/lang-painless/plugin-security.policy").write_text(
            'grant {\n  permission java.lang.RuntimePermission "createClassLoader";\n'
            '  permission java.lang.RuntimePermission "getClassLoader";\n};\n'
        )
        for script in (tree / "bin").glob("opensearch*"):
            script.chmod(0o755)
        _verify(tree)
        tree.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    report(f"OpenSearch {VERSION} assembled, every jar checked against {LOCK.name}")
    return home


def prepare(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Write the node's configuration and return its command and environment.

    Where we are root, the folders that the node writes are given to the unprivileged uid and the command drops
    to it; a folder above that this uid can't enter is reported.
    """
    java = shutil.which("java")
    if java is None:
        raise OpenSearchError("Java is not on PATH; OpenSearch needs version 17 or later (Debian: openjdk-17-jre).")
    (home / "config/opensearch.yml").write_text(
        "cluster.name: tandem-local\nnode.name: node-1\ndiscovery.type: single-node\n"
        f"network.host: 127.0.0.1\nhttp.port: {port}\ntransport.port: {port + 100}\n"
        "cluster.routing.allocation.disk.threshold_enabled: false\n"
    )
    for name in WRITABLE:
        (home / name).mkdir(exist_ok=True)
    command = [str(home / "bin/opensearch")]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise OpenSearchError("OpenSearch refuses to run as root and setpriv (util-linux) is not on PATH.")
        for folder in home.parents:
            if not folder.stat().st_mode & 0o001:
                raise OpenSearchError(
                    f"OpenSearch can't run as root, and {folder} keeps other users out: chmod o+x {folder}, "
                    "or check the project out elsewhere."
                )
        _give_to_unprivileged(home)
        command = [setpriv, f"--reuid={UNPRIVILEGED_UID}", f"--regid={UNPRIVILEGED_UID}", "--clear-groups", *command]
    environment = {
        "OPENSEARCH_JAVA_HOME": str(Path(java).resolve().parent.parent),
        "OPENSEARCH_TMPDIR": str(home / "tmp"),
        # C1 alone starts in half the time; a small heap is enough for the data of one developer.
        "OPENSEARCH_JAVA_OPTS": "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1",
    }
    return command, environment


def _run_maven(command: list[str], report: Callable[[str], None]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    tail: list[str] = []
    assert process.stdout is not None  # noqa: S101 - asked for above
    for line in process.stdout:
        tail = [*tail[-19:], line.rstrip()]
        if line.startswith("[INFO] Configured Artifact: "):
            report(line.removeprefix("[INFO] Configured Artifact: ").strip())
    if process.wait() != 0:
        raise OpenSearchError("Maven could not fetch OpenSearch:\n" + "\n".join(tail))


def _verify(tree: Path) -> None:
    """Compare every jar of the tree with the committed lock, both ways."""
    expected = {name: digest for digest, name in (line.split() for line in LOCK.read_text().splitlines())}
    found = {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("lib", "modules", "plugins")
        for path in (tree / folder).rglob("*.jar")
    }
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise OpenSearchError(f"{len(wrong)} jars differ from {LOCK}, first {wrong[0]}; nothing was installed.")


def _give_to_unprivileged(home: Path) -> None:
    for path in home.rglob("*"):
        readable = 0o755 if path.is_dir() or path.parent.name == "bin" else 0o644
        if path.relative_to(home).parts[0] in WRITABLE:
            os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
        else:
            path.chmod(readable)
    home.chmod(0o755)


def _pom(tree: Path, work: Path) -> str:
    """A Maven project that unpacks the distribution and its plugins and copies the modules beside them."""
    unpack = [
        ("org.opensearch.distribution.integ-test-zip", "opensearch", VERSION, "zip", work),
        (_GROUP, "opensearch-knn", PLUGIN_VERSION, "zip", tree / "plugins/opensearch-knn"),
        (_GROUP, "neural-search", PLUGIN_VERSION, "zip", tree / "plugins/opensearch-neural-search"),
    ]
    copy = [
        (*artifact.split(":"), "jar", tree / "modules" / name)
        for name, (_, _, artifacts) in _MODULES.items()
        for artifact in artifacts
    ]
    project = ElementTree.Element("project", xmlns="http://maven.apache.org/POM/4.0.0")
    for tag, text in (
        ("modelVersion", "4.0.0"),
        ("groupId", "local"),
        ("artifactId", "opensearch"),
        ("version", "1"),
        ("packaging", "pom"),
    ):
        ElementTree.SubElement(project, tag).text = text
    plugin = ElementTree.SubElement(
        ElementTree.SubElement(ElementTree.SubElement(project, "build"), "plugins"), "plugin"
    )
    for tag, text in (
        ("groupId", "org.apache.maven.plugins"),
        ("artifactId", "maven-dependency-plugin"),
        ("version", "3.6.1"),
    ):
        ElementTree.SubElement(plugin, tag).text = text
    executions = ElementTree.SubElement(plugin, "executions")
    for goal, items in (("unpack", unpack), ("copy", copy)):
        execution = ElementTree.SubElement(executions, "execution")
        ElementTree.SubElement(execution, "id").text = goal
        ElementTree.SubElement(execution, "phase").text = "initialize"
        ElementTree.SubElement(ElementTree.SubElement(execution, "goals"), "goal").text = goal
        listed = ElementTree.SubElement(ElementTree.SubElement(execution, "configuration"), "artifactItems")
        for item in items:
            element = ElementTree.SubElement(listed, "artifactItem")
            tags = ("groupId", "artifactId", "version", "type", "outputDirectory")
            for tag, value in zip(tags, item, strict=True):
                ElementTree.SubElement(element, tag).text = str(value)
    return ElementTree.tostring(project, encoding="unicode")
