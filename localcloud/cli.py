"""`tandem local`: the local cloud's commands."""

import shlex
import time

import typer
from rich.console import Console
from rich.table import Table

from localcloud import differences, paths
from localcloud.services import audit as audits
from localcloud.services import supervisor
from localcloud.services.opensearch import OpenSearchError

app = typer.Typer(no_args_is_help=True, help="An AWS stand-in on this machine: start it, use it, stop it.")
console = Console(stderr=True, highlight=False)


@app.command()
def up() -> None:
    """Start everything and create the stacks; start again what has died."""
    from localcloud.toolchain import build, stacks

    failures = (build.Missing, supervisor.LocalCloudError, OpenSearchError)
    began = time.monotonic()
    times: dict[str, float] = {}

    def phase(name: str) -> None:
        times[name] = time.monotonic() - began - sum(times.values())

    status = console.status("") if console.is_terminal else None

    def report(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {line}", soft_wrap=True)

    try:
        if status:
            status.start()
        toolchain = build.ensure(report)
        phase("toolchain")
        supervisor.up(report)
        phase("services")
        for file in sorted((paths.ROOT / "stacks").glob("Pulumi.*.yaml")):
            stacks.ensure_stack(toolchain, file.stem.removeprefix("Pulumi."))
        phase("stacks")
    except failures as error:
        _fail(str(error))
    finally:
        if status:
            status.stop()
    _print_status()
    console.print("Ready: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()))
    _print_notice()
    console.print('Now: eval "$(tandem local env)"', markup=False)


@app.command()
def env() -> None:
    """Print the shell lines that point Pulumi and the AWS SDKs at the local cloud: eval "$(tandem local env)"."""
    from localcloud.toolchain import build

    toolchain = build.ensure(lambda line: console.print(line, style="dim"))
    variables = {**supervisor.environment(), **toolchain.env}
    print("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in sorted(variables.items()):
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def status() -> None:
    """Show each part: state, process, port, memory, log."""
    _print_status()
    if any(part.state != "running" for part in supervisor.status()):
        raise typer.Exit(1)


@app.command()
def down() -> None:
    """Stop every part; what the emulated account holds is kept for the next `up`."""
    supervisor.down()
    console.print("stopped")


@app.command()
def audit() -> None:
    """List every resource that the emulated account still holds; exit code 1 if there is any."""
    try:
        found = audits.leftovers()
    except OSError:
        _fail("The local cloud doesn't answer: start it with tandem local up.")
    if not found:
        print("nothing left")
        return
    table = Table("service", "kind", "name")
    for row in found:
        table.add_row(*row)
    Console().print(table)
    raise typer.Exit(1)


def _print_status() -> None:
    table = Table("part", "state", "pid", "port", "memory", "log")
    for each in supervisor.status():
        log = str(each.part.log.relative_to(paths.HOME.parent))
        memory = f"{each.memory_mb} MB" if each.pid else "-"
        table.add_row(each.part.name, each.state, str(each.pid or "-"), str(each.part.port), memory, log)
    console.print(table)


def _print_notice() -> None:
    """Say what is real here and what isn't, from the table of differences."""
    for here in ("real", "emulated", "recorded", "refused"):
        subjects = dict.fromkeys(row.subject.rpartition(":")[2] for row in differences.DIFFERENCES if row.here == here)
        console.print(f"[bold]{here}[/bold]: {', '.join(subjects)}", soft_wrap=True)
    console.print("Each difference from AWS is a row of docs/local-cloud.md.")


def _fail(message: str) -> None:
    console.print(f"[red]error:[/red] {message}", soft_wrap=True)
    raise typer.Exit(1)
