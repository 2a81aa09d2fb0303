"""The `tandem` command: registers the commands and turns failures into one sentence and an exit code."""

import importlib
import importlib.util
from typing import Annotated, Any

import typer
from tandem_contract.errors import TandemError
from typer.core import TyperGroup

from tandem.cli import cost, dataset, evaluate, finetune
from tandem.cli.advise import advise
from tandem.cli.ask import ask
from tandem.cli.ingest import forget, ingest
from tandem.cli.questions import questions


class Commands(TyperGroup):
    """The command group: adds `local` where it exists and reports expected failures without a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands; `local` is one of them in a checkout only."""
        names = super().list_commands(ctx)
        return [*names, "local"] if _has_local_group() else names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; the `local` group is imported when it is asked for, not at start-up."""
        if cmd_name == "local" and _has_local_group():
            group = typer.main.get_group(importlib.import_module("localcloud.cli").app)
            group.name = cmd_name
            return group
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; print what it or the AWS SDK reports as one sentence, and exit with 1."""
        try:
            return super().invoke(ctx)
        except TandemError as error:
            message = str(error)
        except Exception as error:
            if not type(error).__module__.startswith("botocore."):
                raise
            message = f"AWS: {error} (credentials and region come from the usual AWS variables or profile)."
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1)


def _has_local_group() -> bool:
    find = importlib.util.find_spec
    return find("localcloud") is not None and find("localcloud.cli") is not None


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tandem {version('pulumi-tandem')}")
        raise typer.Exit


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
for command in (ingest, ask, questions, forget, advise):
    app.command()(command)
for group in (dataset, finetune, evaluate, cost):
    app.add_typer(group.app)


@app.callback()
def tandem(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put documents into a Tandem stack and ask about them; fine-tune models on a data set of yours; evaluate both."""


if __name__ == "__main__":
    app()
