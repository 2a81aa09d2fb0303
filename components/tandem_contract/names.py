"""Names that both halves use: environment variables, metrics, dimensions, tags, a warning's beginning."""

UNASKED = "Not checked, since AWS doesn't say it here: "
"""How a program's warning begins of what it looked up and nobody told it; `tandem preflight` calls that unknown."""


class Variable:
    """Environment variables of functions and jobs, beside those of configuration keys (`settings`)."""

    # Retrieval
    LEDGER_TABLE = "TANDEM_LEDGER_TABLE"
    DOCUMENTS_BUCKET = "TANDEM_DOCUMENTS_BUCKET"
    QUEUE_URL = "TANDEM_QUEUE_URL"
    DEAD_LETTER_QUEUE_URL = "TANDEM_DEAD_LETTER_QUEUE_URL"
    MAX_RECEIVES = "TANDEM_MAX_RECEIVES"
    """Attempts of a message before it is given up."""
    TOP_K = "TANDEM_TOP_K"
    # Fine-tuning
    STACK = "TANDEM_STACK"
    ARTIFACT_BUCKET = "TANDEM_ARTIFACT_BUCKET"
    DATASET_BUCKET = "TANDEM_DATASET_BUCKET"
    ENVELOPE = "TANDEM_ENVELOPE"
    CODE = "TANDEM_CODE"
    KMS_KEY = "TANDEM_KMS_KEY"
    """ARN of the key that encrypts what SageMaker's jobs leave."""
    TRACKING_URI = "TANDEM_TRACKING_URI"
    MODEL_PACKAGE_GROUP = "TANDEM_MODEL_PACKAGE_GROUP"
    SERVING_IMAGE = "TANDEM_SERVING_IMAGE"
    SERVING_ENVIRONMENT = "TANDEM_SERVING_ENVIRONMENT"
    LONGEST_JOB_SECONDS = "TANDEM_LONGEST_JOB_SECONDS"
    ALARM_TOPIC = "TANDEM_ALARM_TOPIC"
    RUN = "TANDEM_RUN"
    INSTANCE_TYPE = "TANDEM_INSTANCE_TYPE"
    """Of a job's hosts, where SageMaker's `resourceconfig.json` doesn't say it."""
    HUB_TOKEN_ARN = "TANDEM_HUB_TOKEN_ARN"  # noqa: S105 (its name)
    """ARN of the secret with the Hugging Face token, which the job reads itself."""
    # Fine-tuning on a cluster
    CLUSTER = "TANDEM_CLUSTER"
    CLUSTER_NAMESPACE = "TANDEM_CLUSTER_NAMESPACE"
    CLUSTER_RUNTIME = "TANDEM_CLUSTER_RUNTIME"
    """Name of the TrainingRuntime, which carries a hash of its content."""
    CLUSTER_EFA = "TANDEM_CLUSTER_EFA"
    """Instance types, with spaces, on whose nodes Pods may ask for EFA."""
    TRAINING_IMAGE = "TANDEM_TRAINING_IMAGE"


class Metric:
    """CloudWatch metrics of our own, and their dimensions."""

    NAMESPACE = "Tandem"
    INDEX_LAG = "IndexLag"
    OLDEST_UNINDEXED = "OldestUnindexedDocumentAge"
    BUCKET = "Bucket"
    FALLBACK = "Fallback"
    """1 for an answer of the hosted model, 0 for one of the endpoint's: its average is the hosted one's share."""
    ENDPOINT = "Endpoint"


class Tag:
    """Cost-allocation tags, by which functions also know what is theirs."""

    ENVIRONMENT = "tandem:environment"
    STACK = "tandem:stack"
    ARTIFACTS = "tandem:artifacts"
    """The stack's artifact bucket, on jobs and endpoints: stacks of one name may share an account, and no bucket."""
    EXPIRES_HOURS = "tandem:expires-hours"


RELEASE = "tandemVersion"
"""What every component tells of itself in a stack's state, beside its outputs: the release that deployed it."""
