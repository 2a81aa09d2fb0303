"""`tandem preflight`: what would fail of a stack in its account, before `pulumi up` does."""

import typer

from tandem.cli import exits
from tandem.cli.options import DEFAULT_STACK, FileArgument, JsonOption, StackOption, bad_input, put_json, text_of


def preflight(
    file: FileArgument = None,
    stack: StackOption = DEFAULT_STACK,
    as_json: JsonOption = False,
) -> None:
    """Say what would fail of a stack in its account and region, and the remedy: run it before `pulumi up`.

    Looks at what `tandem doctor` does, and by a preview at what the stack needs: features of the region, instances,
    quotas, roles, principals. What the preview warns of is told too, and without credentials the mistakes in the
    stack's file. Creates nothing, bills nothing. Exits with 1 if there is a problem; what nobody answers
    is unknown, counted, and no problem: on the local cloud most is. Exits with 2 for a FILE that can't be used.
    """
    import functools

    from tandem_contract.errors import TandemError

    from tandem.clients import aws, examination, preflight
    from tandem.clients.doctor import PROBLEM, Finding, examine
    from tandem.clients.pulumi_stack import PreviewFailed, preview
    from tandem.cost.preview import read_preview

    with bad_input():
        given = text_of(file) if file else None
        read = None if given is None else read_preview(given)
    findings, configuration = examination.look(stack, others=not examination.on_aws())
    section = f"What {stack} needs"
    if configuration is None and read is None:
        findings[section, "preview"] = examination.NOT_KNOWN
    else:
        can_ask = findings["These credentials", "credentials"].state != PROBLEM
        try:
            read = read or read_preview(preview(stack))
            findings |= {(section, name): each for name, each in preflight.warned(read).items()}
            client = functools.lru_cache(lambda service: aws.client(service, read.region, **preflight.PATIENT))
            checks = preflight.checks(read, client) if can_ask else {"account": lambda: examination.NOT_LOOKED_AT}
            found = examine(checks, preflight.SECONDS, examination.SLOW_NETWORK)
            findings |= {(section, name): each for name, each in found.items()}
        except PreviewFailed as error:  # without credentials it fails, but for what is wrong in the file itself
            told = can_ask or error.mistakes
            findings[section, "preview"] = Finding(PROBLEM, str(error)) if told else examination.NOT_LOOKED_AT
        except TandemError as error:
            findings[section, "preview"] = Finding(PROBLEM, str(error))
    put_json(examination.as_json(findings)) if as_json else typer.echo(examination.report(findings))
    raise typer.Exit(exits.FAILED if examination.problems(findings) else 0)
