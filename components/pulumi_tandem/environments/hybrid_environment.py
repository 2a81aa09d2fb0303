"""RAG environment and fine-tuning environment in one: the tuned model writes the answers."""

from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.fields import Field, Table
from tandem_contract.names import Tag

from ..arguments import HybridEnvironmentArgs
from ..choices import EndpointMode
from ..foundation.arguments import NOTHING, valid
from ..foundation.arns import TOPIC
from ..foundation.existing import check_house
from ..foundation.house_rules import HOUSE_RULES, check_house_rules
from ..foundation.outputs import declared, register
from ..foundation.tags import TAGS
from .finetuning_environment import FineTuningEnvironment
from .finetuning_fields import FINETUNING
from .finetuning_fields import check_place as check_finetuning
from .hybrid_dashboard import hybrid_dashboard
from .rag_environment import RagEnvironment
from .rag_fields import RAG
from .rag_fields import check_place as check_rag


def _rules(checks: Checks, args: dict[str, Any], _given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    documents, data_sets = args["rag"]["existing_documents_bucket"], args["finetuning"]["existing_dataset_bucket"]
    if documents not in (None, "") and documents == data_sets:
        remedy = "All that is in it would be indexed, data sets too: take another bucket for one of the two."
        checks.under("finetuning").add("existing_dataset_bucket", "is the bucket of documents as well", remedy)


HYBRID = Table(
    "HybridEnvironmentArgs",
    "Arguments of `HybridEnvironment`; every one has a default.",
    {
        "rag": Field(
            {},
            "Arguments of its `RagEnvironment`; `generator` is who answers while the tuned model can't.",
            table=RAG,
            config=False,
        ),
        "finetuning": Field(
            {},
            "Arguments of its `FineTuningEnvironment`; `model` names the package that writes the answers.",
            table=FINETUNING,
            config=False,
        ),
        "dashboard": Field(
            False,
            "Whether to make a CloudWatch dashboard.",
            cost="One costs $3 a month beyond an account's three free ones.",
        ),
        "alarm_topic_arn": Field(
            "",
            "SNS topic that the alarms of both parts, approvals and the budget notify; a part's own goes before.",
            config=False,
            **TOPIC,
        ),
        **{
            key: rule._replace(help=f"For both parts; a part's own goes before. {rule.help}", config=False)
            for key, rule in HOUSE_RULES.items()
        },
        "tags": TAGS._replace(help="Cost-allocation tags of both parts; a part's own go before."),
    },
    _rules,
)


class HybridEnvironment(pulumi.ComponentResource):
    """RAG service whose answers a tuned model writes: a `RagEnvironment` and a `FineTuningEnvironment` in one.

    The hosted `generator` answers while there is no tuned model, or its endpoint is cold or failing, which a circuit
    breaker notices; each answer names the model that wrote it. Both parts share one guard, one budget, the house's
    rules and, if given, one alarm topic; no network and no key is created. With a model, an alarm reports that the
    tuned model has written less than half of the answers for half an hour.

    Idle cost: that of both environments, without an endpoint about $1.10 a month, free tier not counted, and storage;
    an endpoint bills by the hour.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    query_url: pulumi.Output[str]
    """URL to post questions to."""
    query_invoke_arn: pulumi.Output[str]
    """ARN for the `execute-api:Invoke` permission of who may ask."""
    documents_bucket: pulumi.Output[str]
    """Name of the bucket for the documents."""
    store_endpoint: pulumi.Output[str]
    """URL of the vector store."""
    collection_endpoint: pulumi.Output[str]
    """The former name of `store_endpoint`. Deprecated: use `store_endpoint`, this one goes with the next release."""
    ledger_table: pulumi.Output[str]
    """Name of the table that records what is indexed."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue of documents that were given up."""
    dataset_bucket: pulumi.Output[str]
    """Name of the bucket of data sets."""
    artifact_bucket: pulumi.Output[str]
    """Name of the bucket of runs, checkpoints, models and base models."""
    training_pipeline_arn: pulumi.Output[str]
    """ARN of the state machine that runs are executions of."""
    run_envelope_parameter: pulumi.Output[str]
    """Name of the SSM parameter with the run envelope."""
    training_backend: pulumi.Output[str]
    """Where runs train: `sagemaker` or `eks`."""
    cluster_name: pulumi.Output[str]
    """Name of the EKS cluster; empty without one."""
    cluster_function: pulumi.Output[str]
    """Name of the function that runs jobs on it, by which one is cancelled; empty without one."""
    model_package_group: pulumi.Output[str]
    """Name of the model package group."""
    image_repository_url: pulumi.Output[str]
    """URL of the repository for images of your own."""
    tracking_uri: pulumi.Output[str]
    """MLflow tracking URI; empty without tracking."""
    endpoint_name: pulumi.Output[str]
    """Name of the endpoint; empty without one."""
    inference_component: pulumi.Output[str]
    """Name of the inference component that requests have to name; empty unless the endpoint scales to zero."""
    region: pulumi.Output[str]
    """AWS region that it is in."""

    def __init__(self, name: str, args: HybridEnvironmentArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`; every argument has a default."""
        valid(
            "HybridEnvironment",
            name,
            HYBRID,
            args,
            lambda checks, values: _check_places(checks, values, args, opts),
            opts=opts,
        )
        super().__init__("tandem:index:HybridEnvironment", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        tuning, asked = _part(name, args, "finetuning"), _part(name, args, "rag")
        tuned = FineTuningEnvironment(f"{name}-tuning", tuning, opts=child)
        if served := bool(tuning.get("model")):
            asked["endpoint_name"] = tuned.endpoint_name
            if tuning.get("endpoint_mode") == EndpointMode.ZERO:
                asked["inference_component"] = tuned.inference_component
        answers = RagEnvironment(f"{name}-rag", asked, opts=child)
        if args.get("dashboard"):
            hybrid_dashboard(f"{name}-dashboard", answers, tuned, served=served, parent=self)
        for output in declared(HybridEnvironment):
            setattr(self, output, getattr(answers if output in declared(RagEnvironment) else tuned, output))
        register(self)


def _check_places(
    checks: Checks, values: Mapping[str, Any], args: Mapping[str, Any], opts: pulumi.ResourceOptions | None
) -> None:
    check_house(checks, values, opts)
    for part, check in {"rag": check_rag, "finetuning": check_finetuning}.items():
        own = args.get(part)
        own = own if isinstance(own, Mapping) else {}
        shared = {key: values[key] for key in HOUSE_RULES if key in args and key not in own}
        check(checks.under(part), values[part], opts, shared)


def _part(name: str, args: Mapping[str, Any], key: str) -> Any:
    """The arguments of a part, with what both have in common."""
    part: dict[str, Any] = {**(args.get(key) or {})}
    part["tags"] = {Tag.ENVIRONMENT: name, **(args.get("tags") or {}), **(part.get("tags") or {})}
    for shared in ("alarm_topic_arn", *HOUSE_RULES):
        if shared in args:
            part.setdefault(shared, args[shared])
    return part
