"""The site: every page of the repository, with GitHub's links and anchors, and whole without a network."""

import re
import subprocess
from pathlib import Path

import pytest
import tandem_contract

from scripts.recorder import ROOT

SPHINX = ROOT / ".tandem" / "sphinx" / "bin" / "sphinx-build"
PAGES = ["*.md", "docs/**/*.md", "samples/README.md", "benchmarks/README.md"]


def build(source: Path, site: Path) -> subprocess.CompletedProcess:
    """The site of the pages in a folder, as `make site` builds it."""
    assert SPHINX.exists(), "`make unit` installs Sphinx where `make site` has it."
    options = ["--quiet", "--fresh-env", "--fail-on-warning", "--keep-going", "-c", ROOT / "docs" / "site"]
    command = [SPHINX, *options, "-d", site.with_name("pages"), source, site]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    built = build(ROOT, folder)
    assert not built.returncode, built.stderr
    return folder


def test_every_page_is_there_and_searched(site):
    written = {file.relative_to(ROOT).with_suffix("") for pattern in PAGES for file in ROOT.glob(pattern)}
    assert len(written) > 90
    assert [page for page in sorted(written) if not (site / f"{page}.html").is_file()] == []
    index = (site / "searchindex.js").read_text()
    (names,) = re.findall(r'"docnames":\[(.*?)\]', index)
    assert {Path(name.strip('"')) for name in names.split(",")} == written


def test_it_says_which_version_it_is_of(site):
    assert (site / "index.html").read_text() == (site / "README.html").read_text()
    for page in ("index", "docs/components/RagEnvironment"):
        (brand,) = re.findall(r'<span class="sidebar-brand-text">(.*?)</span>', (site / f"{page}.html").read_text())
        assert brand == f"Tandem {tandem_contract.__version__}"


def test_options_keep_their_two_dashes(site):
    text = "What pulumi preview --json --show-sames printed"
    assert text in (ROOT / "docs" / "commands.md").read_text().replace("`", "")
    assert text in re.sub("<[^>]*>", "", (site / "docs" / "commands.html").read_text())


def test_nothing_is_fetched_from_elsewhere(site):
    """The index of the search is a script, which a page may load from the disk too."""
    elsewhere = re.compile(r"""<(?:script|img|iframe)[^>]* src="(?:\w+:)?//|<link[^>]* href="(?:\w+:)?//""")
    assert [page.name for page in site.rglob("*.html") if elsewhere.search(page.read_text())] == []
    styles = re.compile(r"""@import|url\(["']?(?:\w+:)?//""")
    assert [style.name for style in site.rglob("*.css") if styles.search(style.read_text())] == []
    assert (site / "searchindex.js").read_text().startswith("Search.setIndex(")
    assert 'src="searchindex.js"' in (site / "search.html").read_text()


def test_files_come_with_it_and_folders_are_the_repositorys(site):
    home = (site / "README.html").read_text()
    (copy,) = re.findall(r'href="(_downloads/\w+/deployer-policy-rag\.json)"', home)
    assert (site / copy).read_bytes() == (ROOT / "docs" / "deployer-policy-rag.json").read_bytes()
    assert f'/tandem/tree/v{tandem_contract.__version__}/examples"' in home


BROKEN = """# Broken
[a page](docs/none.md) [a heading](#nowhere) [another's heading](docs/other.md#nowhere) [a file](docs/none.json)
![a picture](docs/none.svg)
"""
CHANGES = "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2027-01-01)\n"


@pytest.mark.faults
def test_a_page_is_refused_with_all_that_is_broken_on_it(tmp_path):
    (tmp_path / "source" / "docs").mkdir(parents=True)
    for name, text in (("README", BROKEN), ("CHANGELOG", CHANGES), ("docs/other", "# Other\n")):
        (tmp_path / "source" / f"{name}.md").write_text(text)
    built = build(tmp_path / "source", tmp_path / "site")
    assert built.returncode
    for said in (
        "README.md:2: WARNING: 'myst' cross-reference target not found: 'docs/none.md'",
        "README.md:2: WARNING: 'myst' cross-reference target not found: 'nowhere'",
        "README.md:2: WARNING: local id not found in doc 'docs/other': 'nowhere'",
        "README.md:2: WARNING: 'myst' cross-reference target not found: 'docs/none.json'",
        "README.md:2: WARNING: image file not readable: docs/none.svg",
        "docs/other.md: WARNING: document isn't included in any toctree",
    ):
        assert said in built.stderr
    assert 'href="#020-2027-01-01"' in (tmp_path / "site" / "CHANGELOG.html").read_text(), (
        "a version has GitHub's anchor"
    )
