"""`tandem finetune`: prices, starts and follows runs, and takes their models to an endpoint."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from tandem_contract.errors import TandemError

from tandem.cli.finetune_view import doing, money, plan_as_json, show_plan, show_status
from tandem.cli.options import EnvironmentOption, JsonOption, StackOption, deployed, put_json, say
from tandem.clients.pulumi_stack import SECONDS, Stack, configuration, project_folder

if TYPE_CHECKING:
    from tandem_contract.run_record import Run

    from tandem.finetuning.backends.base import Backend, Plan, Status

DEFAULT_STACK = "finetune-dev"
HAVING = "artifactBucket"
"""The output by which the environment is found."""
POLL_SECONDS = 5.0
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run, as `start` printed it.")]
RecipeArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, metavar="RECIPE", help="Recipe, YAML (docs/recipes).")
]
SecretOption = Annotated[
    str | None, typer.Option(envvar="TANDEM_SECRET", help="Secret with a managed service's key (Secrets Manager).")
]
UrlOption = Annotated[
    str | None, typer.Option(envvar="TANDEM_SERVICE_URL", help="Base URL of a compatible service in its place.")
]
BackendOption = Annotated[
    str | None,
    typer.Option("--backend", help="Train there (sagemaker, eks), whatever the recipe and the stack say."),
]
DataOption = Annotated[str, typer.Option("--data", metavar="NAME[@VERSION]", help="Data set in the stack's bucket.")]

app = typer.Typer(name="finetune", no_args_is_help=True, help="Fine-tune models: prices first, then runs.")


@app.command()
def check(
    recipe: RecipeArgument,
    data: DataOption,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    backend: BackendOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a recipe with a data set: memory, quota, and what the run is expected to cost and costs at most."""
    _, plan = _plan(recipe, data, stack, environment, backend)
    if as_json:
        put_json(plan_as_json(plan))
    else:
        show_plan(plan)


@app.command()
def start(
    recipe: RecipeArgument,
    data: DataOption,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    backend: BackendOption = None,
    ask_above: Annotated[
        float, typer.Option(envvar="TANDEM_ASK_ABOVE", help="Ask before a run whose ceiling is above this, in dollars.")
    ] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, whatever it costs, priced or not.")] = False,
    follow: Annotated[bool, typer.Option(help="Follow the run until it ends.")] = False,
    urgent: Annotated[
        bool, typer.Option("--urgent", help="On a cluster: go first in the queue; running jobs save, and wait for it.")
    ] = False,
    secret: SecretOption = None,
    service_url: UrlOption = None,
) -> None:
    """Start a run, after its ceiling price was shown; asks above a limit, and where there is no price."""
    chosen, plan = _plan(recipe, data, stack, environment, backend, secret=secret, url=service_url)
    if urgent and not chosen.facts.queues:
        raise TandemError(f"Runs of {chosen.facts.title} wait in no queue of the stack's: leave --urgent out.")
    show_plan(plan)
    if not yes and (plan.price is None or float(plan.price.ceiling_usd) > ask_above):
        most = "an amount that is not known here" if plan.price is None else f"${plan.price.ceiling_usd}"
        typer.confirm(f"The run may cost up to {most}. Start it?", abort=True)
    run = chosen.records.create(plan, chosen.name, urgent=urgent)
    chosen.start(run)
    typer.echo(run.name)
    typer.echo(f"Follow it: tandem finetune status {run.name} --follow --stack {stack}", err=True)
    if follow:
        _follow(chosen, run)


@app.command()
def status(
    run: RunArgument,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    follow: Annotated[bool, typer.Option(help="Go on until the run ends; exit 1 unless it succeeds.")] = False,
    secret: SecretOption = None,
    service_url: UrlOption = None,
    served: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=ENDPOINT", help="A managed service's endpoint for a model, where it needs one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a run stands: step, progress, loss, tokens a second, money so far."""
    endpoints = dict(entry.partition("=")[::2] for entry in served or [])
    found = deployed(stack, HAVING, environment)
    backend, record = _run(run, found, secret=secret, url=service_url, served=endpoints)
    _say_if_gone(found)
    show = _put if as_json else show_status
    if follow:
        _follow(backend, record, show)
    else:
        show(backend.status(record))


@app.command()
def logs(
    run: RunArgument,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    follow: Annotated[bool, typer.Option(help="Go on until the job ends.")] = False,
    host: Annotated[
        str, typer.Option(help="Whose log, where several hosts train (algo-2); without it the first that has one.")
    ] = "",
    rank: Annotated[
        int | None, typer.Option(min=0, help="On a cluster: the log of this one of the processes that train.")
    ] = None,
    step: Annotated[
        Literal["train", "evaluate"] | None, typer.Option(help="Whose newest job, in place of the run's newest.")
    ] = None,
) -> None:
    """Print the log of a run's newest job, or of a step's."""
    backend, record = _run(run, deployed(stack, HAVING, environment))
    jobs = backend.jobs(record)
    if not jobs:
        raise TandemError(f"Run {run!r} has no job yet: `tandem finetune status {run}` says how it stands.")
    if rank is not None and step == "evaluate":
        raise TandemError("An evaluation is one process, without ranks: leave --rank out, or --step.")
    wanted = step or ("train" if rank is not None else jobs[-1].step)
    if not (own := [job for job in jobs if job.step == wanted]):
        raise TandemError(f"Run {run!r} has no job of step {wanted} yet: it has {', '.join(job.name for job in jobs)}.")
    job, token = own[-1], None
    if job.instances > 1 and not host and rank is None:
        typer.echo(f"{job.name} has {job.instances} hosts, each with a log: --host chooses another", err=True)
    while True:
        ended = not follow or not job.running
        lines, following = backend.logs(job, host, token, rank)
        for line in lines:
            typer.echo(line)
        if ended and following == token:
            return
        token = following
        if not ended:
            time.sleep(POLL_SECONDS)
            job = next(each for each in backend.jobs(record) if each.name == job.name)


@app.command()
def cancel(
    run: RunArgument,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    secret: SecretOption = None,
    service_url: UrlOption = None,
) -> None:
    """Stop a run; where its back end can resume, its checkpoints stay, and `resume` goes on from them."""
    backend, record = _run(run, deployed(stack, HAVING, environment), secret=secret, url=service_url)
    stopped = backend.cancel(record)
    typer.echo(f"cancelled; stopping {', '.join(stopped)}" if stopped else "cancelled; no job was running")


@app.command()
def resume(
    run: RunArgument,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    follow: Annotated[bool, typer.Option(help="Follow the run until it ends.")] = False,
) -> None:
    """Go on with a run that failed or was cancelled, from its last checkpoint and within the same envelope."""
    backend, record = _run(run, deployed(stack, HAVING, environment))
    typer.echo(backend.resume(record))
    if follow:
        _follow(backend, record)


@app.command()
def compare(
    chosen: Annotated[list[str], typer.Argument(metavar="RUN...", help="One run or more.")],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare tuned models with their base, and runs with each other, on their held-out rows."""
    from tandem.reporting.tables import Table, console

    found = deployed(stack, HAVING, environment)
    runs = {name: _run(name, found) for name in chosen}
    evaluations = {name: backend.evaluation(run) for name, (backend, run) in runs.items()}
    if as_json:
        put_json({"runs": evaluations})
        return
    rows = []
    for name, evaluation in evaluations.items():
        for metric, measured in evaluation["metrics"].items():
            low, high = measured["interval"]
            cells = [f"{measured[key]:.3f}" for key in ("base", "tuned")] + [f"{measured['difference']:+.3f}"]
            rows.append((name, metric, *cells, f"{low:+.3f} to {high:+.3f}", str(evaluation["rows"])))
    columns = ("run", "metric", "base", "tuned", "difference", "95 % interval", "rows")
    console().print(Table(columns, rows, right=range(2, 7)).rich())


@app.command()
def promote(
    run: RunArgument,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve its model first; AWS records that you did.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Write to this copy of the stack's file instead.")
    ] = None,
) -> None:
    """Write a run's approved model into the stack's configuration, and print the difference."""
    from tandem.finetuning import promotion

    file = config or _stack_file(stack)
    found = deployed(stack, "modelPackageGroup", environment)
    sagemaker = found.client("sagemaker")
    arn = promotion.package_of(sagemaker, *found.pick("modelPackageGroup"), run)
    if approve:
        promotion.approve(sagemaker, arn, f"tandem finetune promote {run} --approve")
    promotion.promotable(sagemaker, arn)
    _check_room(found)
    difference = promotion.write(file, arn)
    typer.echo(difference or f"{file} already has it.")
    _say_if_gone(found)
    typer.echo(f"Next: pulumi preview --stack {stack}" + (f" --config-file {file}" if config else ""), err=True)


def _check_room(stack: Stack) -> None:
    """Raise `Mistakes` if the account may not have the instances of the endpoint that the stack asks for.

    What nobody knows is said, and left to `pulumi up`.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from tandem_contract.checks import Checks

    from tandem.finetuning.backends.serving import Serving, serving_quotas
    from tandem.runtime.quotas import short_of

    if (serving := Serving.of(configuration(stack.name, SECONDS))) is None:
        return
    wanted, checks = serving_quotas(serving, again=bool(stack.outputs.get("endpointName"))), Checks()
    try:
        short, unknown = short_of(stack.client("service-quotas"), wanted, "the endpoint with a new model")
    except (ClientError, BotoCoreError) as error:
        typer.echo(f"Quotas are not checked: {error}", err=True)
        return
    for name in unknown:
        typer.echo(f"The quota {name!r} is not checked: Service Quotas doesn't list it.", err=True)
    for problem, remedy in short:
        checks.add("quota", problem, remedy)
    checks.finish(f"Nothing is promoted: stack {stack.name!r}")


def _say_if_gone(stack: Stack) -> None:
    """Say on stderr that the stack's endpoint is gone, if it is, and how to have it again."""
    from tandem.finetuning import promotion

    name = stack.outputs.get("endpointName")
    if name and promotion.is_gone(stack.client("sagemaker"), name):
        typer.echo(
            f"The stack's endpoint {name} is gone: the cost guard deletes it after endpointHours, and Pulumi doesn't "
            f"know. `pulumi up --refresh --stack {stack.name}` makes it again.",
            err=True,
        )


def _put(status: "Status") -> None:
    put_json(asdict(status))


def _follow(backend: "Backend", run: "Run", show: "Callable[[Status], None]" = show_status) -> None:
    """Print a line whenever something has changed, until the run ends."""
    began, printed = time.monotonic(), ""
    while (now := backend.status(run)).running:
        if (line := f"{doing(now)}; {money(now)}") != printed:
            typer.echo(f"{time.monotonic() - began:6.0f} s  {line}", err=True)
            printed = line
        time.sleep(POLL_SECONDS)
    show(now)
    typer.echo(f"followed for {time.monotonic() - began:.0f} s", err=True)
    if now.state != "SUCCEEDED":
        raise TandemError(
            f"Run {run.name} has {now.state.lower().replace('_', ' ')}: {now.cause or 'no cause was given'}"
        )


def _plan(
    recipe: Path, data: str, stack: str, environment: str | None, backend: str | None, **options: Any
) -> "tuple[Backend, Plan]":
    """The back end that trains a recipe, and its plan for a data set.

    It is the command's, or the recipe's, or the stack's. The plan's recipe is the one that was written, so that it has
    the same digest wherever it runs.
    """
    from tandem import yaml_file
    from tandem.clients.runs import open_backend
    from tandem.finetuning import recipe as recipes
    from tandem.finetuning.dataset.store import Store

    raw = yaml_file.read(recipe, "a recipe: start with `base_model: Qwen/Qwen3-8B` and a `gate`")
    checked, there = recipes.check(raw), deployed(stack, HAVING, environment)
    name = backend or raw.get("backend") or there.outputs.get("trainingBackend") or checked["backend"]
    if name != checked["backend"]:
        recipes.check({**raw, "backend": name})
    chosen = open_backend(name, there, progress=_progress, **options, configuration=configuration(stack, SECONDS))
    store = Store(chosen.workspace.client("s3"), chosen.workspace.outputs["datasetBucket"])
    stored = store.resolve(data)
    return chosen, chosen.check(checked, stored, store.manifest(stored))


def _run(name: str, stack: Stack, **options: Any) -> "tuple[Backend, Run]":
    from tandem.clients.runs import open_run

    return open_run(name, stack, progress=_progress, **options)


def _progress(done: int, total: int) -> None:
    if done % 20 == 0 or done == total:
        say(f"{done} of {total} answers")


def _stack_file(stack: str) -> Path:
    file = project_folder() / "stacks" / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise TandemError(f"There is no {file}: name the stack's file with --config.")
    return file
