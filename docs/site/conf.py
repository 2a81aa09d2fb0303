"""The pages of the repository as a site, by Sphinx (`make site`), each read where it lies: links are GitHub's.

README.md is the home page. A page that no list below names, a link to a page or a heading that isn't there, and any
other warning fails the build.
"""

import os
import runpy
import shutil
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

HOME = "README"
NAVIGATION = {
    HOME: {
        "First steps": [
            "Overview <self>",
            "docs/first-stack",
            "docs/your-program",
            "docs/bring-your-own",
            "docs/glossary",
        ],
        "Retrieval": ["docs/documents", "docs/query-api", "docs/embedders", "docs/generators"],
        "Fine-tuning": [
            "docs/fine-tuning",
            "docs/data-sets",
            "docs/recipes/keys",
            "docs/sizing",
            "docs/sizing-measurements",
            "docs/training-on-eks",
            "docs/managed-fine-tuning",
            "docs/training-image",
            "docs/recipes/axolotl",
            "docs/recipes/unsloth",
            "docs/recipes/foreign",
            "docs/recipes/modal",
        ],
        "Retrieval, tuning, or both": ["docs/evaluation", "docs/advisor", "docs/hybrid"],
        "Cost and policies": [
            "docs/cost",
            "docs/cost-arithmetic",
            "docs/prices",
            "docs/priced-types",
            "docs/policies",
            "docs/pull-requests",
        ],
        "Operation": ["docs/troubleshooting", "docs/alarms", "docs/upgrading", "SECURITY"],
        "Reference": ["docs/commands", "docs/components/README", "docs/aws-facts", "docs/verified", "CHANGELOG"],
        "The local cloud": ["docs/local-cloud", "docs/local-cloud-tools", "samples/README"],
        "The project": ["docs/adr/README", "CONTRIBUTING", "docs/adding-*", "benchmarks/README"],
    },
    "docs/components/README": {"": ["*"]},
    "docs/adr/README": {"": ["*"]},
}
"""By page: what the list of pages has below it, caption by caption."""

root = Path(__file__).resolve().parents[2]
repository = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

project = "Tandem"
author = "The Tandem authors"
version = release = runpy.run_path(str(root / "components" / "tandem_contract" / "__init__.py"))["__version__"]
root_doc = HOME
include_patterns = ["*.md", "docs/**.md", "samples/README.md", "benchmarks/README.md"]
exclude_patterns = [".*"]
extensions = ["myst_parser"]
myst_heading_anchors = 6  # every heading has GitHub's anchor
smartquotes = False  # two dashes are an option's

html_theme = "furo"  # fetches nothing from elsewhere
html_title = f"{project} {version}"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_copy_source = False


def navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Add to a page, unseen, the pages that are below it."""
    for caption, pages in NAVIGATION.get(page, {}).items():
        options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
        source[0] += "\n".join(["\n```{toctree}", *options, "", *pages, "```\n"])


def folders(app: Sphinx, page: nodes.document) -> None:
    """Link folders, which have no page, to the repository. (Files that aren't pages are copied.)"""
    for link in list(page.findall(pending_xref)):
        folder = Path(os.path.normpath(app.srcdir / Path(app.env.docname).parent / link["reftarget"]))
        if link["reftype"] == "myst" and link["reftarget"] and folder.is_dir():
            url = f"{repository}/tree/v{version}/{folder.relative_to(app.srcdir).as_posix()}"
            link.replace_self(nodes.reference("", "", *link.children, refuri=url))


def anchors(_: Sphinx, page: nodes.document) -> None:
    """Put GitHub's anchor of a heading before docutils' own, which has no digits at the front."""
    for section in page.findall(nodes.section):
        section["ids"].sort(key=lambda anchor: anchor != section.get("slug"))


def home(app: Sphinx, error: Exception | None) -> None:
    """Servers of files look for an index."""
    if not error and app.builder.format == "html":
        shutil.copy(app.outdir / f"{HOME}.html", app.outdir / "index.html")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", navigation)
    app.connect("doctree-read", folders)
    app.connect("doctree-read", anchors, priority=400)  # before Sphinx collects them
    app.connect("build-finished", home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
