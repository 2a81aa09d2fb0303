"""The `tandem` command: registers the commands, and turns failures into one sentence and an exit code."""

from typing import Annotated, Any

import typer
from tandem_contract import __version__
from tandem_contract.errors import TandemError
from typer.core import TyperGroup

from tandem.cli import cost, dataset, evaluate, examples, exits, finetune
from tandem.cli.advise import advise
from tandem.cli.ask import ask
from tandem.cli.doctor import doctor
from tandem.cli.documents import documents, redrive, reread
from tandem.cli.ingest import forget, ingest
from tandem.cli.policies import policies
from tandem.cli.preflight import preflight
from tandem.cli.questions import questions
from tandem.cli.status import status

NUMBERS = ("greater_than", "less_than", "int_", "float_", "finite_number")
"""How pydantic's errors about numbers begin."""
GROUP = "tandem.commands"
"""Entry points of other distributions, each a typer app that becomes a command of that name."""
NOT_HERE = {
    "local": "The local cloud is not installed: run `pip install --editable localcloud` in a checkout of Tandem, "
    "or `make rag` there, which installs everything."
}


class Commands(TyperGroup):
    """The command group: adds what other distributions bring and reports expected failures without a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        return [*super().list_commands(ctx), *sorted(_entry_points().names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; another distribution's is imported when it is called, not at start-up."""
        if own := super().get_command(ctx, cmd_name):
            return own
        for found in _entry_points().select(name=cmd_name):
            command = typer.main.get_command(found.load())
            command.name = cmd_name
            return command
        if cmd_name in NOT_HERE and not ctx.resilient_parsing:  # which completion does
            raise TandemError(NOT_HERE[cmd_name])
        return None

    def invoke(self, ctx: Any) -> Any:
        """Run a command; print what it or the AWS SDK reports as one sentence, and exit with 1."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _in_our_words(error)
            raise
        except TandemError as error:
            message = str(error)
        except Exception as error:
            if not type(error).__module__.startswith(("botocore.", "boto3.")):
                raise
            from tandem.clients.aws_errors import sentence

            message = sentence(error)
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(exits.FAILED)


def _in_our_words(error: typer.BadParameter) -> str:
    """What a value may be, as all mistakes here say it: typer takes pydantic's words, of an input that should."""
    wrong = next(iter(getattr(error.__cause__, "errors", tuple)()), None)
    if wrong is None:
        return error.message
    option: Any = error.param
    if choices := option.type_descriptor.choices:
        return f"{wrong['input']} is not allowed ({', '.join(choices)})."
    if not wrong["type"].startswith(NUMBERS):
        return error.message
    limits = "" if option.min is None else f", {option.min} or more"
    if option.max is not None:
        limits = f" from {option.min} to {option.max}"
    kind = "a whole number" if option.type_descriptor.annotation is int else "a number"
    return f"{wrong['input']} is not allowed ({kind}{limits})."


def _entry_points() -> Any:
    from importlib.metadata import entry_points  # slow to import, and only needed for what isn't ours

    return entry_points(group=GROUP)


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(f"tandem {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    epilog="Exit codes: 0 done, 1 failed, 2 command or file can't be used, 3 a limit is crossed, 130 interrupted.",
)
COMMANDS = (ingest, ask, questions, documents, reread, redrive, forget, status, advise, doctor, preflight, policies)
for command in COMMANDS:
    app.command()(command)
for group in (dataset, finetune, evaluate, cost):
    app.add_typer(group.app)
examples.show(app)


@app.callback()
def tandem(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put documents into a Tandem stack and ask about them; fine-tune models on a data set of yours; evaluate both."""


if __name__ == "__main__":
    app()
