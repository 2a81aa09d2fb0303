"""The reference of the command line is made from the commands, and every one of them is documented."""

from scripts import commands_page
from tandem.cli.main import app


def test_the_page_is_current():
    """Where this fails: `make docs`."""
    assert commands_page.PAGE.read_text(encoding="utf-8") == commands_page.page()


def test_every_command_is_on_the_page():
    groups = [
        ("tandem", app),
        *((f"tandem {each.typer_instance.info.name}", each.typer_instance) for each in app.registered_groups),
    ]
    names = {
        f"{group} {command.name or command.callback.__name__}"
        for group, commands in groups
        for command in commands.registered_commands
    }
    page = commands_page.PAGE.read_text(encoding="utf-8")
    assert len(names) > 20
    assert [name for name in sorted(names) if f"\n## {name}\n" not in page] == []


def test_every_command_and_every_option_says_what_it_is():
    silent = [
        f"{context.command_path} {parameter.name if parameter else ''}"
        for command, context in commands_page.commands()
        for parameter in (None, *command.params)
        if not (parameter or command).help
    ]
    assert silent == []
