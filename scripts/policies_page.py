"""Writes what is made from the rules, `make docs`: docs/policies.md, and the checkout's own policy pack."""

import json
from collections import Counter

from tandem_policies import folder
from tandem_policies.catalogue import RULES, SUBJECTS
from tandem_policies.foundations import NOT_CHECKED
from tandem_policies.levels import KINDS
from tandem_policies.rules import Rule

from scripts import aws_controls
from scripts.recorder import ROOT
from tests.unit.policies import labelled

PAGE = ROOT / "docs" / "policies.md"
PACK = folder.files("../.venv")
"""What stands in policies/: the same as `tandem policies` writes for others."""

FIRST_RUNS = """\
**The first run of the unseen ones, of 1 December 2026, is what to expect of a stack that nobody knew**: 69 of 72
dangerous ones told (96 %; so few allow 88 to 99), 1 of 63 fine ones refused, 3 of 3 not decided. Passed were an
archive's policy, whose type was not read; a list of prefixes with the world in it; and an agent of nodes in kube-system
that reads their logs, which the rule means to pass, now labelled fine. Refused was the capacity of a table, taken for
instances. Of the harder ones, 23 of 30 dangerous ones were told and 2 of 17 fine ones refused: five of the nine were
limits of the profile Baseline that workload-unprivileged did not read.
"""

INTRODUCTION = """# Policies

Rules on what a stack is about to create: they stop the expensive and the unsafe in the preview, before there is
anything. Made by `make docs`.

```console
pulumi preview --stack rag-dev --policy-pack policies
pulumi up --stack rag-dev --policy-pack policies
```

It needs no account at Pulumi and no AWS permission. The checkout's pack, `policies/`, runs in the environment that
`make` makes (`.venv`, named in `policies/PulumiPolicy.yaml`), with the official Pulumi CLI as with the local cloud's.
It reads resource types and properties, not our components, so it judges any program on pulumi-aws, and of
pulumi-kubernetes Karpenter's objects, workloads, roles and services, also those of a chart.

## In your own program
The rules are in the package, for programs in any language and with none of our components. Install it with its extra
`policies` ([how](your-program.md#installing); the light `tandem-core` is enough), and have the pack written once:

```console
tandem policies
pulumi preview --policy-pack policies
```

What is written is yours: a `PulumiPolicy.yaml` that names the environment that `tandem` runs in, a program of three
lines, in whose list rules of your own have a place, and the configurations `dev.json` and `prod.json`. Tandem's rules
stay in the package and change with its version. The [action](pull-requests.md#in-your-own-repository) for pull requests
has the pack with it.

## Levels
`mandatory` fails the preview, `advisory` warns, `disabled` says nothing. The kind of a stack decides, and the end
of its name is its kind: `rag-dev` is `dev`; every other name is `prod`. For a stack whose name
doesn't say so, or for other levels and settings, give a configuration; `policies/dev.json` and `policies/prod.json`
are whole ones. A rule that a file doesn't name keeps the level of the stack's kind:

```console
pulumi preview --stack trial --policy-pack policies --policy-pack-config policies/dev.json
echo '{"log-retention": "remediate", "instance-allowed": {"allowed": ["g6e.*"]}}' > mine.json
pulumi preview --stack rag-dev --policy-pack policies --policy-pack-config mine.json
```

`"all": "advisory"` sets the level of every rule that the file doesn't name.

## Unknown values
A first preview doesn't know what AWS has yet to answer. Pulumi's SDK turns a rule that meets such a value into a
warning, so a mandatory one would pass. Here every rule says that it **can't decide**, names the property, and does
one of two things, stated with each rule:

- **violates**, at its own level: the value is one that a program can know, and should;
- **waits**: the value is made from outputs by nature, such as the text of an IAM policy. The preview warns; the
  update, which runs the rules again before it makes each resource, decides. A rule on the whole stack decides at
  the update's end, and then fails it.

It is the unknown value alone that isn't decided: what other statements, variables or containers of the resource show
is told, and an element that doesn't decide may stay unknown (who is let in decides, not on what). What isn't there is
a finding and not unknown, also where AWS will compute it.

Rules never show the value of an environment variable. Policies don't see which operation is planned, so a
replacement of data can't be told from a first creation: `data-protected` asks for protection instead, and the
engine refuses the rest.

## Remediation
Two rules can mend what they find, at the level `remediate`, which no stack has by default: a change that no program
shows should be asked for. The preview prints what was changed.

## Why a policy a rule
Pulumi names, levels, configures and disables policies; a rule inside a larger one would have none of that. The
price is that the SDK decodes each resource once per policy: 0.06 s in all for the 151 resources of `hybrid-dev`.

## Adding a rule
A function that yields sentences, a `Rule` with its levels in the module of its subject, and in `tests/unit/policies/` a
case that it blocks, one that it passes, one with an unknown; what AWS's list calls it goes into `controls`. A form seen
elsewhere, with its label, goes into `labelled_cases/` there.

## How right they are
{confusion}

## AWS's own list
AWS's Foundational Security Best Practices, as far as they are about services whose things Tandem makes (the names from
{source}, by `scripts/aws_controls.py`): the rule that looks after a control, or why none does. A rule that answers none
of them says so.

| control | what AWS asks | rule, or why not |
|---|---|---|
{controls}
## The rules
| rule | severity | dev | prod | unknown | mends |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The text of docs/policies.md."""
    text = INTRODUCTION
    for name, value in {"confusion": _confusion(), **_controls()}.items():
        text = text.replace(f"{{{name}}}", value)
    for rule in RULES:
        levels, unknown = rule.levels, "waits" if rule.waits else "violates"
        text += f"| [{rule.name}](#{rule.name}) | {rule.severity} | {levels.dev} | {levels.prod} | {unknown} "
        text += f"| {'yes' if rule.fix else ''} |\n"
    for subject, rules in SUBJECTS.items():
        text += f"\n## {subject}\n" + "".join(map(_section, rules))
    return text


def _confusion() -> str:
    """What the rules say of the labelled cases, as a table."""
    found, table = labelled.cases(), labelled.confusion()
    named = sum("source" in case for case in found)
    per = Counter(case["file"] for case in found)
    unseen, harder = per[labelled.UNSEEN], per[labelled.HARDER]
    text = (
        f"{len(found)} labelled resources (`tests/unit/policies/labelled_cases/`), {named} of them in forms of AWS's "
    )
    text += "documents, other scanners' tests and public repositories, each named.\n\n"
    text += f"- {len(found) - unseen - harder} were labelled before these rules were written, and the rules built to "
    text += "them: the rules before passed 105 of the 131 dangerous ones and refused 11 of the 101 fine ones.\n"
    text += f"- {unseen} (`{labelled.UNSEEN}`) were labelled when the rules stood, without looking at them.\n"
    text += (
        f"- {harder} (`{labelled.HARDER}`), of our own and chosen to be hard, were labelled next, by who had read some "
    )
    text += f"of the rules.\n\n{FIRST_RUNS}\n"
    text += "Since then the rules were mended by all of them, so this table is a test and no forecast:\n\n"
    text += f"| labelled | {' | '.join(f'told as {label}' for label in labelled.LABELS)} |\n|---|---|---|---|\n"
    return text + "\n".join(
        f"| {label} | {' | '.join(str(table[label][told]) for told in labelled.LABELS)} |" for label in labelled.LABELS
    )


def _controls() -> dict[str, str]:
    """AWS's controls, and what looks after each."""
    known = json.loads(aws_controls.NAMES.read_text())
    rules = {control: f"[{rule.name}](#{rule.name})" for rule in RULES for control in rule.controls}
    ordered = sorted(known["controls"], key=lambda each: (each.split(".")[0], int(each.split(".")[1])))
    rows = (f"| {each} | {known['controls'][each]} | {rules.get(each) or NOT_CHECKED[each]} |\n" for each in ordered)
    return {"source": known["source"].replace("-", " "), "controls": "".join(rows)}


def _section(rule: Rule) -> str:
    levels, types = rule.levels, ", ".join(f"`{each}`" for each in rule.types)
    text = f"\n### {rule.name}\n{rule.what}\n\n- **Why**: {rule.why} [More]({rule.url}).\n"
    text += f"- **AWS's controls**: {', '.join(rule.controls) or 'none'}.\n"
    text += f"- **Level**: {levels.dev} in dev, {levels.prod} in prod; severity {rule.severity}.\n"
    for name, setting in rule.settings.items():
        values = "; ".join(f"{kind} `{json.dumps(getattr(setting, kind))}`" for kind in KINDS)
        text += f"- **Setting** `{name}`: {setting.says}. {values}.\n"
    text += f"- **Remedy**: {rule.remedy}{' ' + _doc(rule.fix) + ' at the level `remediate`.' if rule.fix else ''}\n"
    text += f"- **Unknown values**: {'wait. ' + rule.waits if rule.waits else 'violate.'}\n"
    return text + f"- **Looks at**: {types}{', together with the rest of the stack' if rule.whole_stack else ''}.\n"


def _doc(function) -> str:
    return function.__doc__.strip().rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(page())
    for name, text in PACK.items():
        (ROOT / "policies" / name).write_text(text)
