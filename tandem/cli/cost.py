"""`tandem cost`: what a preview costs, and whether it keeps the limits; its comment; and prices, read again."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from tandem_contract.checks import near
from tandem_contract.errors import TandemError
from typer.core import TyperGroup

from tandem.cli.options import FileArgument, JsonOption, bad_input, text_of
from tandem.clients.pulumi_stack import preview


class OrShow(TyperGroup):
    """Takes what isn't the name of a command for the arguments of `show`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` before them, unless the first is a command, or like one and no file."""
        first = args[0] if args else ""
        named = first in self.commands or first == "--help" or (near(first, self.commands) and not Path(first).exists())
        return super().parse_args(ctx, args if named else ["show", *args])


app = typer.Typer(name="cost", cls=OrShow, help="What a change costs, before it is made: `tandem cost` is `show`.")


@app.command()
def show(
    file: FileArgument = None,
    stack: Annotated[
        str | None, typer.Option(envvar="TANDEM_STACK", help="Stack to preview, where there is no FILE.")
    ] = None,
    form: Annotated[Literal["text", "markdown", "json"], typer.Option("--format", help="Form of the report.")] = "text",
    as_json: JsonOption = False,
    gates: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, metavar="FILE", help="Limits: exit 3 if one isn't kept."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here and not to the terminal.")] = None,
    region: Annotated[
        str, typer.Option(help="Where that is of which FILE doesn't say it, as by AWS_REGION; e.g. eu-west-1.")
    ] = "",
    base: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="A preview of the base, to compare with; else what is deployed.",
        ),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Events of a preview with a policy pack (`--event-log`): its violations are shown too."
        ),
    ] = None,
) -> None:
    """Show what a preview costs: each number before, after, and by how much it moves.

    Without FILE it previews the stack. Exits with 2 for a file that can't be used, 3 if a gate failed.
    """
    from tandem.cost import gates as limits
    from tandem.cost.base import against
    from tandem.cost.estimate import estimate
    from tandem.cost.policies import Policies, read_policies
    from tandem.cost.preview import read_preview
    from tandem.cost.reports.as_json import as_json as for_programs
    from tandem.cost.reports.markdown import markdown
    from tandem.cost.reports.terminal import terminal
    from tandem.cost.summary import summarize
    from tandem.reporting.escape import lined

    form = "json" if as_json else form
    with bad_input():
        wanted = limits.read(gates) if gates else None
        given = text_of(file) if file else None
        compared = text_of(str(base)) if base else None
        said = None
        if policies:  # a preview that couldn't start leaves none
            said = read_policies(text_of(str(policies))) if policies.exists() else Policies(False, ())
    content = preview(stack) if given is None else given
    with bad_input():
        read = read_preview(content, region)
        if compared is not None:
            try:
                before = read_preview(compared, region)
            except TandemError as error:
                raise TandemError(f"--base {base}: {error}") from error
            read = against(before, read)
        kept = {} if wanted is None else limits.limits_of(read.stack, wanted)
        summary = summarize(
            estimate(read, kept.get("discount_pct")),
            month=limits.month_of(kept),
            compared="base" if base else "deployed",
        )
    found = () if wanted is None else limits.check(kept, summary)
    report = {"text": terminal, "markdown": markdown, "json": for_programs}[form](summary, found, said)
    _put(report, output)
    for gate in found if output or form != "text" else ():
        if gate.state != "passed":
            typer.echo(lined(f"{gate.key} {gate.state}: {gate.text}"), err=True)
    raise typer.Exit(limits.exit_code(found))


@app.command()
def comment(
    files: Annotated[
        list[Path],
        typer.Argument(
            dir_okay=False,
            metavar="FILE",
            help="STACK.md, which `--format markdown --output STACK.md` has written, or has not: its preview failed.",
        ),
    ],
    pull_request: Annotated[int, typer.Option(min=1, envvar="PULL_REQUEST", help="Number of the pull request.")],
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", metavar="OWNER/NAME", help="Where it is.")],
    name: Annotated[
        str, typer.Option(help="Of the comment, by which it is found again; the names of the files if it has none.")
    ] = "",
    commit: Annotated[str, typer.Option(envvar="COMMIT", help="Which the reports are of.")] = "",
    run: Annotated[str, typer.Option(envvar="RUN_URL", metavar="URL", help="Where the log of the job is.")] = "",
    only_moved: Annotated[
        bool,
        typer.Option("--only-moved", help="Make none where no number moves and all is well; update the one there is."),
    ] = False,
    api: Annotated[
        str, typer.Option(envvar="GITHUB_API_URL", metavar="URL", help="GitHub's API.")
    ] = "https://api.github.com",
) -> None:
    """Put reports into a pull request on GitHub: one comment of them all, created once and then updated.

    A FILE that isn't there is a stack without numbers: the comment says so, in place of what an earlier commit had.
    The token is in the variable GITHUB_TOKEN, and may write to pull requests. Only a bot's comment is ever updated, and
    where several are found, as of two jobs at the same time, the others are deleted: a person may quote one.
    """
    from tandem.clients.pull_request import PullRequest
    from tandem.cost.reports.comment import comment as body_of
    from tandem.cost.reports.markdown import MARKER, moves

    with bad_input():
        if run and not re.fullmatch(r"https?://[\w.:/-]+", run):
            raise TandemError(f"--run is {run!r}: give a URL of letters, digits and .:/-_ alone.")
        if twice := {file.stem for file in files if [other.stem for other in files].count(file.stem) > 1}:
            raise TandemError(f"Several files are called {', '.join(sorted(twice))}: name each as its stack.")
        reports = {file.stem: text_of(str(file)) if file.exists() else None for file in files}
        for file, report in zip(files, reports.values(), strict=True):
            if report is not None and not report.startswith(MARKER):
                raise TandemError(
                    f"{file}: starts otherwise than a report of `tandem cost --format markdown`: {MARKER!r}."
                )
    if not (token := os.environ.get("GITHUB_TOKEN")):
        raise TandemError("There is no GITHUB_TOKEN: set it to a token that may write to pull requests.")
    body = body_of(name or ", ".join(reports), reports, commit, run)
    create = not only_moved or any(report is None or moves(report) for report in reports.values())
    typer.echo(PullRequest(repository, pull_request, token, api).comment(body, typer.echo, create=create))


@app.command()
def refresh(
    region: Annotated[str, typer.Option(help="Region whose prices to read, e.g. us-west-2.")],
    file: Annotated[
        str | None,
        typer.Option(
            "--preview", metavar="FILE|-", help="A preview whose prices to read as well, beside those of us-east-1."
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write what was read; without it only say what drifted.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write prices that moved by more than 50 %, too: look at them first.")
    ] = False,
) -> None:
    """Read a region's prices from AWS's price list, which needs pricing:GetProducts, and say what drifted.

    A region without prices gets those that us-east-1 has.
    """
    from datetime import UTC, datetime

    from tandem.clients.aws import client
    from tandem.cost.estimate import keys
    from tandem.cost.preview import read_preview
    from tandem.cost.refresh import run

    with bad_input():
        asked = keys(read_preview(text_of(file), region)) if file else ()
    today = datetime.now(UTC).date()
    try:
        # The price list answers for all regions from here.
        prices = client("pricing", "us-east-1")
        run(region, client=prices, write=write, say=typer.echo, today=today, accept=accept, asked=asked)
    except OSError as error:
        raise TandemError(f"The prices can't be written ({error}): --write needs a folder that may be.") from error


def _put(report: str, output: Path | None) -> None:
    if output is None:
        typer.echo(report, nl=False)
        return
    try:
        output.write_text(report, encoding="utf-8")
    except OSError as error:
        raise TandemError(f"The report can't be written ({error}): give another --output.") from error
