"""`tandem local`: the local cloud's commands."""

import json
import shlex
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from localcloud import differences, paths
from localcloud.kubernetes import control_plane
from localcloud.services import audit as audits
from localcloud.services import supervisor

HELP = "An AWS stand-in on this machine: start it, use it, stop it."
app = typer.Typer(no_args_is_help=True, add_completion=False, help=HELP)  # `tandem` completes its commands
console = Console(stderr=True, highlight=False)
began = time.monotonic()
Kubernetes = Annotated[
    bool, typer.Option("--kubernetes", help="And a Kubernetes control plane, built on its first use (Linux only).")
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON; what else is said goes to stderr.")]


@app.command("build")
def build_tools(kubernetes: Kubernetes = False) -> None:
    """Make what `up` needs, and start nothing: the Pulumi engine and its AWS provider, OpenSearch."""
    from localcloud.services import opensearch
    from localcloud.toolchain import build

    opensearch.ensure(_report)
    build.ensure(_report)
    if kubernetes:
        control_plane.install(_report)
    _report("the tools are there")


@app.command()
def up(kubernetes: Kubernetes = False) -> None:
    """Start everything and create the stacks; start again what has died."""
    from localcloud.toolchain import build

    environment = build.ensure(_report)
    supervisor.up(_report)
    if kubernetes or control_plane.wanted():
        control_plane.up(_report)
    for file in sorted((paths.ROOT / "stacks").glob("Pulumi.*.yaml")):
        build.ensure_stack(environment, file.stem.removeprefix("Pulumi."))
    _report("ready")
    for here in differences.MEANINGS:
        rows = [row for row in differences.DIFFERENCES if row.here == here]
        subjects = dict.fromkeys(row.subject.split("#")[0].split(":")[-1] for row in rows)
        console.print(f"[bold]{here}[/bold]: {', '.join(subjects)}", soft_wrap=True)
    console.print("Each difference from AWS is a row of docs/local-cloud.md.")
    console.print('Now: eval "$(tandem local env)"', markup=False)


@app.command()
def env() -> None:
    """Print the shell lines that point Pulumi and the AWS SDKs at the local cloud: eval "$(tandem local env)"."""
    from localcloud.toolchain import build

    variables = supervisor.environment() | control_plane.environment() | build.ensure(_report)
    print("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in sorted(variables.items()):
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def status(as_json: Json = False) -> None:
    """Show each part: state, process, address; exit code 1 unless all run."""
    states = {part: part.state() for part in control_plane.known()}
    if as_json:
        parts = [{"part": it.name, "state": state, "address": it.url} for it, state in states.items()]
        print(json.dumps({"parts": parts, "logs": str(paths.LOGS)}, indent=2))
        raise typer.Exit(set(states.values()) != {"running"})
    table = Table("part", "state", "pid", "address", caption=f"logs in {paths.LOGS}")
    for part, state in states.items():
        table.add_row(part.name, state, str(part.running().get("pid", "-")), part.url)
    console.print(table)
    raise typer.Exit(set(states.values()) != {"running"})


@app.command()
def down() -> None:
    """Stop every part; what the emulated account holds is kept for the next `up`."""
    control_plane.down()
    supervisor.down()
    console.print("stopped")


@app.command()
def audit(as_json: Json = False) -> None:
    """List all that the emulated account and the local Kubernetes still hold; exit code 1 if there is any."""
    found = sorted([*audits.leftovers(), *control_plane.leftovers()])
    if as_json:
        print(
            json.dumps({"left": [dict(zip(("service", "kind", "name"), row, strict=True)) for row in found]}, indent=2)
        )
        raise typer.Exit(bool(found))
    table = Table("service", "kind", "name")
    for row in found:
        table.add_row(*row)
    Console().print(table if found else "nothing left")
    raise typer.Exit(bool(found))


def _report(line: str) -> None:
    console.print(f"[dim]{time.monotonic() - began:5.0f} s[/dim]  {line}", soft_wrap=True)
