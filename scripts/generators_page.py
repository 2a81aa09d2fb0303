"""Writes docs/generators.md, the models of Bedrock that are known, from the rows: `make docs`."""

import re

from tandem_contract.bedrock_models import FORM, LEGACY, NO_MARKETPLACE, date, served, source

from scripts.local_environment import ROOT
from tandem.models.quirks import quirk

PAGE = ROOT / "docs" / "generators.md"
OTHER = r"embed|rerank|sonic"  # what doesn't write
HEAD = """\
# Generators

Written by `make docs` from the rows in `components/tandem_contract/bedrock_models.py`, its `.json` and
`tandem/models/quirks.py`. **None of these was asked by us**: they were checked against what AWS lists
({source}, {date}), the user guide and recorded errors.

`tandem:generator` takes a model's id where it is served on demand, the id of an inference profile (`eu.` before the
model's), or an ARN: of either, of an application inference profile, or of a provisioned, imported or deployed custom
model of your own. What can't be asked in the stack's region is refused before anything is made, with what can. A model
that isn't here is allowed, and the preview says that it isn't known; so is one in a region that the lists lack. If
Bedrock serves a model where it didn't on that day, give its ARN. The default is Nova Lite, by its id or by the profile
of the region's geography, never `global.`.

- **A profile's permission** is on the profile, and on its models through this profile alone (the condition
  `bedrock:InferenceProfileArn`).
- **Temperature** 0 is sent but where it is refused. **System text** goes into the first message of the user where it
  isn't taken. What **thinks first** gets 4,096 tokens besides those of the answer. Of a model that isn't here, or that
  an ARN hides, all three are learned: the first question takes up to three calls more.
- **Access**: *form* is Anthropic's about the use case, *Marketplace* a first call by someone who may subscribe
  ([how](first-stack.md#models)).
- **Last day** of a legacy model, where known: new users can't have it, others lose it after 15 days without use. An
  empty cell may be a legacy model too.

| model | on demand in | profiles | access | differs | last day |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    return HEAD.format(source=source(), date=date()) + "".join(
        _row(model, places) for model, places in served().items() if not re.search(OTHER, model)
    )


def _row(model: str, places: dict[str, tuple[str, ...]]) -> str:
    provider, found = model.partition(".")[0], quirk(model)
    access = ["form"] * (provider in FORM) + ["Marketplace"] * (provider not in NO_MARKETPLACE)
    differs = ["no temperature"] * (not found.temperature) + ["no system text"] * (not found.system)
    differs += ["thinks first"] * bool(found.thinking_tokens)
    profiles = [f"`{geography}.` ({len(regions)})" for geography, regions in places.items() if geography]
    ends = LEGACY[model].date if model in LEGACY else ""
    cells = (
        f"`{model}`",
        ", ".join(places.get("", ())),
        ", ".join(profiles),
        ", ".join(access),
        ", ".join(differs),
        ends,
    )
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
