"""Comments of `tandem cost` that were reviewed, and are to stay as they are."""

from pathlib import Path

import pytest

from scripts.cost import CHANGES, changed
from tests.local.conftest import HOME, Cloud

FOLDER = Path(__file__).parents[1] / "local" / "goldens"


def check_comment(cloud: Cloud, name: str, stack: str, *preview: str, **more) -> str:
    """Preview a stack on the real engine and compare the comment with goldens/NAME.md."""
    digest = cloud.pulumi("preview", "--stack", stack, "--json", "--show-sames", *preview, **more).stdout
    file = HOME / f"{name}.json"
    file.write_text(digest)
    comment = cloud.tandem("cost", file, "--format", "markdown").stdout
    golden = FOLDER / f"{name}.md"
    if not golden.exists() or golden.read_text() != comment:
        found = HOME / golden.name
        found.write_text(comment)
        pytest.fail(f"{golden} is another comment: compare it with {found}, and put that in its place if it is right.")
    return comment


def check_change(cloud: Cloud, name: str) -> str:
    """Compare the comment on one of the changes of `make cost`, to a stack that is deployed."""
    change = next(each for each in CHANGES if each.name == name)
    return check_comment(cloud, name, change.stack, "--config-file", str(changed(change, HOME / "changed")))
