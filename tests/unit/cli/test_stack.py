"""Reading the outputs of a stack, against a `pulumi` command that prints what the real one prints."""

import inspect

import pytest
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, RagEnvironment
from pulumi_tandem.foundation.outputs import declared
from tandem_contract.errors import TandemError
from tandem_contract.fields import camel
from tandem_contract.names import RELEASE

from tandem.clients.pulumi_stack import deployed
from tandem.clients.stack_state import ENVIRONMENT
from tests.support.stack_state import SECRET, environment, resource


def test_outputs_come_from_the_project_above(project):
    stack = deployed("rag-dev", "documentsBucket")
    assert stack.pick("ledgerTable", "documentsBucket") == ["ledger", "docs"]
    arguments = (project.folder / "pulumi-arguments").read_text().split()
    assert arguments == ["stack", "export", "--non-interactive", "--stack", "rag-dev"]


def failure(*names: str, environment: str | None = None) -> str:
    with pytest.raises(TandemError) as caught:
        deployed("prod", names[0], environment).pick(*names)
    return str(caught.value)


def rag(name: str, parent: str = "", **more: str) -> dict:
    known = {"queryUrl": f"https://{name}", "documentsBucket": f"{name}-docs", "ledgerTable": f"{name}-ledger"}
    return environment("RagEnvironment", name, parent, **known, **more)


def tuning(name: str, parent: str = "", **more: str) -> dict:
    return environment("FineTuningEnvironment", name, parent, artifactBucket=f"{name}-artifacts", **more)


def test_the_one_environment_is_found_whatever_the_program_exports(project):
    elsewhere = {"region": "eu-west-1", "queryUrl": "https://shop", "handbookUrl": "https://x"}
    project.has(rag("faq", region="eu-north-1"), **elsewhere)
    stack = deployed("prod", "documentsBucket")
    assert stack.pick("documentsBucket", "queryUrl", "handbookUrl") == ["faq-docs", "https://faq", "https://x"]
    assert stack.region == "eu-north-1"
    project.has(rag("faq"))  # which exports nothing
    assert deployed("prod", "queryUrl").pick("ledgerTable") == ["faq-ledger"]


def test_of_two_environments_one_has_to_be_named(project):
    project.has(rag("faq"), rag("law"))
    assert failure("queryUrl") == (
        "Stack 'prod' has several environments that this could be about (RagEnvironment 'faq', RagEnvironment 'law'): "
        "name one with --environment or TANDEM_ENVIRONMENT."
    )
    assert deployed("prod", "queryUrl", "law").pick("queryUrl", "documentsBucket") == ["https://law", "law-docs"]
    assert failure("queryUrl", environment="lwa") == (
        "Stack 'prod' has no environment 'lwa'; it has RagEnvironment 'faq', RagEnvironment 'law'."
    )
    # As before there were names: what the program exports says which one it means.
    project.has(rag("faq"), rag("law"), queryUrl="https://faq")
    assert deployed("prod", "queryUrl").pick("queryUrl") == ["https://faq"]
    assert "'ledgerTable' (it has queryUrl)" in failure("queryUrl", "ledgerTable")


@pytest.mark.faults
def test_of_two_environments_of_one_name_none_is_taken_for_the_other(project):
    """A program may have them where their classes or their parents' differ."""
    both = rag("acme"), environment("HybridEnvironment", "acme", queryUrl="https://hybrid")
    project.has(*both)
    told = failure("queryUrl", environment="acme")
    assert told == (
        "Stack 'prod' has several environments that this could be about (RagEnvironment 'acme', HybridEnvironment "
        "'acme'): name one with --environment or TANDEM_ENVIRONMENT, by its URN: "
        "urn:pulumi:dev::shop::tandem:index:RagEnvironment::acme, "
        "urn:pulumi:dev::shop::tandem:index:HybridEnvironment::acme."
    )
    assert told == failure("queryUrl")
    assert deployed("prod", "queryUrl", both[1]["urn"]).pick("queryUrl") == ["https://hybrid"]
    project.has(*both, rag("law"))
    assert deployed("prod", "queryUrl", "law").pick("queryUrl") == ["https://law"]


def released(version: str, made: dict) -> dict:
    return made | {"outputs": made["outputs"] | {RELEASE: version}}


@pytest.mark.faults
def test_a_stack_of_another_release_is_told_with_both(project, monkeypatch):
    monkeypatch.setattr("tandem.clients.pulumi_stack.__version__", "0.3.1")

    def said(release: str) -> list[str]:
        lines: list[str] = []
        project.has(released(release, rag("faq")))
        deployed("prod", "queryUrl", say=lines.append)
        return lines

    assert said("0.3.0") == said("0.3.1") == []  # which differ in what both promise not to touch
    for other in ("0.2.9", "1.3.1"):
        assert said(other) == [
            f"RagEnvironment 'faq' of stack 'prod' is of Tandem {other}, and this `tandem` is 0.3.1: where they don't "
            "understand each other, install that version, or run `pulumi up --stack prod` with this one."
        ]
    project.has(released("0.3.0", rag("faq")))
    assert failure("storeEndpoint", environment="faq") == (
        "RagEnvironment 'faq' of stack 'prod' has no output 'storeEndpoint' (it has documentsBucket, ledgerTable, "
        "queryUrl): run `pulumi up --stack prod` with a release that has it; it is of Tandem 0.3.0, and this `tandem` "
        "is 0.3.1."
    )


def test_what_a_command_needs_chooses_between_kinds(project):
    project.has(rag("acme"), tuning("acme"))
    for name in (None, "acme"):
        assert deployed("prod", "queryUrl", name).pick("queryUrl") == ["https://acme"]
        assert deployed("prod", "artifactBucket", name).pick("artifactBucket") == ["acme-artifacts"]
    project.has(rag("acme"))
    assert failure("artifactBucket") == (
        "No environment of stack 'prod' has an output 'artifactBucket'; it has RagEnvironment 'acme'."
    )
    told = "RagEnvironment 'acme' of stack 'prod' has no output 'artifactBucket' (it has documentsBucket, "
    assert failure("artifactBucket", environment="acme").startswith(told)


def test_parts_of_an_environment_are_none_of_their_own(project):
    whole = environment("HybridEnvironment", "hybrid", queryUrl="https://hybrid", artifactBucket="artifacts")
    inside = resource("shop:index:Team", "team", whole["urn"])
    project.has(whole, rag("hybrid-rag", whole["urn"]), inside, tuning("hybrid-tuning", inside["urn"]))
    assert deployed("prod", "queryUrl").pick("queryUrl", "artifactBucket") == ["https://hybrid", "artifacts"]


@pytest.mark.parametrize("kind", [RagEnvironment, FineTuningEnvironment, HybridEnvironment])
def test_the_components_tell_what_commands_look_for(kind):
    """By the type that they register, and outputs of the names that the commands ask for."""
    token = f"tandem:index:{kind.__name__}"
    assert f'super().__init__("{token}"' in inspect.getsource(kind) and ENVIRONMENT.fullmatch(token)
    tells = {camel(name) for name in declared(kind)}
    wanted = {"region", "queryUrl", "documentsBucket", "ledgerTable", "deadLetterQueueUrl"}
    tuned = {"region", "artifactBucket", "datasetBucket", "modelPackageGroup", "trainingBackend", "endpointName"}
    assert tells >= {RagEnvironment: wanted, FineTuningEnvironment: tuned}.get(kind, wanted | tuned)


def test_a_replaced_environment_that_waits_for_its_end_is_none(project):
    project.has(rag("faq"), {**rag("law"), "delete": True})
    assert deployed("prod", "queryUrl").pick("queryUrl") == ["https://faq"]


def test_unknown_stack(project):
    project.pulumi_says(stderr="error: no stack named 'prod' found\n", status=255)
    assert "no stack 'prod'" in failure("queryUrl")
    assert "--stack" in failure("queryUrl")


def test_stack_in_which_nothing_is(project):
    for nothing in ("null", "{}", '{"resources": []}'):  # a new stack, and one that was destroyed
        project.pulumi_says(f'{{"version": 3, "deployment": {nothing}}}')
        told = "Nothing of Tandem is deployed in stack 'prod': run `pulumi up --stack prod` first."
        assert failure("queryUrl") == told


def test_missing_output_is_named(project):
    project.has(endpointName="e", queryUrl="")
    told = (
        "no output 'queryUrl' (it has endpointName, queryUrl): run `pulumi up --stack prod` with a program that has it."
    )
    assert told in failure("queryUrl", "ledgerTable")


@pytest.mark.faults
@pytest.mark.parametrize("url", [SECRET, {"v1": "https://abc"}])
def test_an_output_that_is_no_text_is_named(project, url):
    project.has(queryUrl=url, ledgerTable="ledger")
    told = "Stack 'prod' has a secret, or something that is no text, as its output 'queryUrl': make it the text itself"
    assert failure("ledgerTable", "queryUrl").startswith(told)
    assert "djE6" not in failure("ledgerTable", "queryUrl")


IN_FRANKFURT = "https://abc.execute-api.eu-central-1.amazonaws.com/v1/query"
PIPELINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:pipeline"


@pytest.mark.parametrize(
    ("outputs", "region"),
    [
        ({"region": "eu-central-1", "queryUrl": "http://127.0.0.1:4566/query"}, "eu-central-1"),
        ({"queryUrl": IN_FRANKFURT}, "eu-central-1"),  # those of a release before the output `region`
        ({"trainingPipelineArn": PIPELINE, "datasetBucket": "data"}, "eu-central-1"),
        ({"queryUrl": "http://127.0.0.1:4566/query"}, "eu-north-1"),  # the shell's
        ({"region": SECRET, "queryUrl": IN_FRANKFURT}, "eu-central-1"),  # outputs of a program's own
        ({"region": "Europe West", "queryUrl": {"v1": IN_FRANKFURT}}, "eu-north-1"),
        ({"region": {"name": "eu-west-1"}, "trainingPipelineArn": PIPELINE}, "eu-central-1"),
    ],
)
def test_the_region_is_the_stacks_and_another_of_the_shell_is_said(project, outputs, region):
    project.has(**outputs)
    said: list[str] = []
    stack = deployed("rag-dev", next(key for key, it in outputs.items() if isinstance(it, str)), say=said.append)
    assert (stack.region, stack.client("s3").meta.region_name) == (region, region)
    told = "using eu-central-1, the stack's region; the shell's is eu-north-1"
    assert said == ([told] if region == "eu-central-1" else [])


def test_a_shell_without_a_region_needs_none_where_the_stack_knows(project, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project.folder / "none"))
    project.has(region="eu-central-1")
    said: list[str] = []
    assert (deployed("rag-dev", "region", say=said.append).client("dynamodb").meta.region_name, said) == (
        "eu-central-1",
        [],
    )
    project.has(documentsBucket="docs")
    with pytest.raises(TandemError, match="There is no AWS region: set AWS_REGION"):
        deployed("rag-dev", "documentsBucket").client("s3")


def test_other_errors_of_pulumi_are_passed_on(project):
    project.pulumi_says(stderr="warning: x\nerror: passphrase must be set\n", status=255)
    assert failure("queryUrl").endswith("failed: passphrase must be set")


def test_no_pulumi_on_path(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on PATH: install it" in failure("queryUrl")


def test_no_project(project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "No Pulumi.yaml" in failure("queryUrl")
