"""Writes docs/commands.md, the reference of the command line, from the commands themselves: `make docs`."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from scripts.local_environment import ROOT
from tandem.cli.examples import EXAMPLES
from tandem.cli.exits import MEANINGS
from tandem.cli.main import app

PAGE = ROOT / "docs" / "commands.md"
HEAD = """\
# Commands

Written by `make docs` from the commands themselves: what `tandem COMMAND --help` says. An option with a variable takes
its value from there when it isn't given. `tandem local` comes with the local cloud and is described in
[local-cloud.md](local-cloud.md). A command works in the stack's region, and says so where the shell's is another.

- Completion of commands and options: `tandem --install-completion`, once; bash, zsh, fish and PowerShell.
- `--json` prints what a command lists or reports as one object on stdout; whatever else is said goes to stderr.
- Which environment is meant, where a stack has several: [your program](your-program.md#commands).

## Exit codes

"""


def commands(command: Any = None, parent: Any = None) -> Iterator[tuple[Any, Any]]:
    """Each command that does something, with its context, group by group."""
    command = command or typer.main.get_command(app)
    context = command.context_class(command, parent=parent, info_name=command.name if parent else "tandem")
    for inner in getattr(command, "commands", {}).values():
        yield from commands(inner, context)
    if not hasattr(command, "commands"):
        yield command, context


def page() -> str:
    """The whole page."""
    codes = ["| | |", "| --- | --- |", *(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()), ""]
    return "\n".join([HEAD + "\n".join(codes), *(_section(command, context) for command, context in commands())])


def _section(command: Any, context: Any) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {context.command_path}", "", inspect.cleandoc(command.help or ""), "", "```", usage, "```", ""]
    if examples := EXAMPLES.get(context.command_path.removeprefix("tandem ")):
        lines += ["```console", *examples, "```", ""]
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if records:
        lines += ["| | | |", "| --- | --- | --- |", *(_row(*record) for record in records), ""]
    return "\n".join(lines)


def _row(name: str, text: str) -> str:
    """A line of the table; limits, default and variable, in brackets behind the help text, are a cell of their own."""
    meaning, _, more = text.partition("  [")
    cells = (f"`{name}`", meaning, more.removesuffix("]"))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
