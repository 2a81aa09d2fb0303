"""The table of training back ends: what a recipe, a command and a promotion have to know of each.

The standard library and the contract alone, since functions and training jobs import it with the recipe. The
implementations are imported when one is opened (`base.open_backend`); docs/adding-a-back-end.md says how to add one.
"""

from dataclasses import dataclass

from tandem_contract.errors import TandemError


@dataclass(frozen=True)
class BackendFacts:
    """A row of the table."""

    title: str
    """Its name in sentences."""
    implementation: str
    """`module:Class` of its `base.Backend`."""
    methods: tuple[str, ...]
    """Methods of a recipe that it can train by."""
    reads_artifact_bucket: bool
    """Whether a recipe may name a base model in the artifact bucket, `models/NAME/`."""
    needs_endpoint: bool
    """Whether a tuned model answers at an endpoint of the stack; else the back end serves it itself."""
    outputs: tuple[str, ...] = ()
    """Outputs of the stack that it needs besides those of `base.OUTPUTS`."""
    queues: bool = False
    """Whether its runs wait in a queue, in which urgent ones go first."""


DEFAULT = "sagemaker"
BACKENDS = {
    DEFAULT: BackendFacts(
        title="SageMaker",
        implementation="tandem.finetuning.backends.sagemaker.backend:SageMaker",
        methods=("lora", "qlora", "full"),
        reads_artifact_bucket=True,
        needs_endpoint=True,
        outputs=("trainingPipelineArn", "runEnvelopeParameter"),
    ),
    "eks": BackendFacts(
        title="EKS",
        implementation="tandem.finetuning.backends.eks.backend:Eks",
        methods=("lora", "qlora", "full"),
        reads_artifact_bucket=True,
        needs_endpoint=True,
        outputs=("trainingPipelineArn", "runEnvelopeParameter", "clusterFunction"),
        queues=True,
    ),
}
BACKENDS |= {
    name: BackendFacts(
        title=title,
        implementation="tandem.finetuning.backends.managed.backend:Managed",
        methods=("lora", "full"),
        reads_artifact_bucket=False,
        needs_endpoint=False,
    )
    for name, title in (("openai", "OpenAI"), ("together", "Together AI"))
}


def facts(name: str) -> BackendFacts:
    """The row of a back end; raises `TandemError` for a name that isn't in the table."""
    if name not in BACKENDS:
        raise TandemError(f"There is no training back end {name!r}; there are {', '.join(BACKENDS)}.")
    return BACKENDS[name]
