"""What `tandem doctor` looks at, and `tandem preflight` first: this machine, a stack's configuration, credentials."""

import os
from collections.abc import Mapping
from typing import Any

from tandem_contract import defaults
from tandem_contract.bedrock_models import default_generator

from tandem.clients.doctor import OK, PROBLEM, SKIPPED, UNKNOWN, Check, Finding, examine

GROUP = "tandem.checks"
"""Entry points of other distributions: each a function that gives checks by name, for a section of its own."""
MACHINE_SECONDS, NETWORK_SECONDS = 8.0, 8.0  # for what is asked here, and then of AWS
ANY_REGION = "us-east-1"  # knows credentials of any
WRITER = "generator"
MODELS = ("embedder", WRITER)
NOT_LOOKED_AT = Finding(SKIPPED, "it takes a region and credentials")
NOT_KNOWN = Finding(SKIPPED, "it takes the stack's configuration")
SLOW_MACHINE = "see what holds this machine up, and look again."
SLOW_NETWORK = "check the network, and the credential_process of the AWS profile if it has one, and look again."
Findings = dict[tuple[str, str], Finding]
"""By section and name."""


def on_aws() -> bool:
    """Whether AWS itself is asked, and not the local cloud in its place."""
    from tandem.clients.aws_errors import is_local

    return not is_local(os.environ.get("AWS_ENDPOINT_URL", ""))


def look(stack: str | None, others: bool = True) -> tuple[Findings, dict[str, str] | None]:
    """The findings about this machine, these credentials and a stack's configuration; and that.

    `others` looks too at what other distributions need, as the local cloud does, which a stack on AWS doesn't.
    The configuration is None where it can't be read or says too little, and empty without a stack.
    """
    from importlib.metadata import entry_points

    from tandem.clients import machine

    sections: dict[str, Mapping[str, Check]] = {"This machine": machine.checks()}
    for found in entry_points(group=GROUP) if others else ():
        sections[f"This machine, for the {found.name} cloud"] = found.load()()
    configuration: dict[str, str] = {}
    if stack:
        sections["The stack"] = {stack: lambda: _stack(stack, configuration)}
    everything = {(section, name): check for section, checks in sections.items() for name, check in checks.items()}
    findings = examine(everything, MACHINE_SECONDS, SLOW_MACHINE)
    if on_aws() and configuration.get("tandem:trainingBackend") == "eks":  # the local cloud's kubeconfig has a token
        findings["The stack", "AWS CLI"] = machine.aws_cli()
    known = configuration if not stack or findings["The stack", stack].state == OK else None
    findings |= {("These credentials", name): found for name, found in _credentials(known).items()}
    return findings, known


def report(findings: Mapping[tuple[str, str], Finding]) -> str:
    """The findings as tables, a section each, and their sum in the last line."""
    from tandem.reporting.tables import Table

    parts = []
    for section in dict.fromkeys(section for section, _ in findings):
        rows = []
        for (place, name), found in findings.items():
            first, *more = str(found).splitlines() or [""]
            rows += [(found.state, name, first), *(("", "", line) for line in more)] if place == section else []
        parts.append(f"{section}\n{Table(('', '', ''), rows).text()}\n\n")
    count = problems(findings)
    unknown = sum(found.state == UNKNOWN for found in findings.values())
    told = f", {unknown} unknown" if unknown else ""
    return "".join(parts) + f"{count or 'no'} problem{'s' * (count != 1)}{told}"


def as_json(findings: Mapping[tuple[str, str], Finding]) -> dict[str, Any]:
    """The same for programs."""
    rows = [{"section": section, "name": name, **found._asdict()} for (section, name), found in findings.items()]
    unknown = sum(found.state == UNKNOWN for found in findings.values())
    return {"findings": rows, "problems": problems(findings), "unknown": unknown}


def problems(findings: Mapping[tuple[str, str], Finding]) -> int:
    """How many of them are problems."""
    return sum(found.state == PROBLEM for found in findings.values())


def _stack(name: str, into: dict[str, str]) -> Finding:
    from tandem.clients import machine
    from tandem.clients.pulumi_stack import configuration

    into.update(configuration(name, machine.SECONDS))
    if kind := into.get("tandem:environment"):
        return Finding(OK, f"tandem:environment is {kind}")
    if not any(key.startswith("tandem:") for key in into):  # which our stack program's Pulumi.yaml gives every stack
        return Finding(OK, "a program of your own, without tandem:environment")
    remedy = f"`pulumi config set tandem:environment rag --stack {name}`, or is it another stack (`pulumi stack ls`)?"
    return Finding(PROBLEM, "its configuration has no tandem:environment", remedy)


def _credentials(configuration: Mapping[str, str] | None) -> dict[str, Finding]:
    """Findings about the account, for the region and the models of a configuration, or else the usual ones.

    Where the configuration isn't known (None) they are about nothing but the credentials.
    """
    from tandem.clients import account, aws

    if configuration is None:
        anywhere = aws.shell_region() or ANY_REGION
        found = examine({"credentials": lambda: account.credentials(anywhere)}, NETWORK_SECONDS, SLOW_NETWORK)
        return {"region": NOT_KNOWN, **found, **dict.fromkeys(MODELS, NOT_KNOWN)}
    own = configuration.get("aws:region")
    region = own or aws.shell_region()
    usual = (defaults.EMBEDDER, default_generator(region or ""))
    models = {part: configuration.get(f"tandem:{part}") or each for part, each in zip(MODELS, usual, strict=True)}
    if reranker := configuration.get("tandem:reranker"):
        models["reranker"] = reranker
    if configuration.get("tandem:environment") == "finetuning":
        models = {}
    findings = examine({"region": lambda: account.region(own)}, MACHINE_SECONDS, SLOW_MACHINE)
    if region is None or findings["region"].state == PROBLEM:
        region = ANY_REGION
    checks: dict[str, Check] = {"credentials": lambda: account.credentials(region)}
    checks |= {
        part: lambda part=part, model=model: account.model(model, region, part == WRITER)
        for part, model in models.items()
    }
    findings |= examine(checks, NETWORK_SECONDS, SLOW_NETWORK)
    if PROBLEM in (findings["region"].state, findings["credentials"].state):
        findings |= dict.fromkeys(models, NOT_LOOKED_AT)
    return findings
