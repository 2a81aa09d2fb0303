"""Arguments that several parts of a RAG service take, and the environment too: their fields, and what has to hold."""

from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract import defaults
from tandem_contract.arns import REGION
from tandem_contract.bedrock_models import check_model, check_model_place, default_generator, parse
from tandem_contract.checks import Checks, shown
from tandem_contract.embedders import EMBEDDERS, MOST_DIMENSIONS, check_embedder
from tandem_contract.fields import Field
from tandem_contract.rerankers import RERANKERS, check_reranker
from tandem_contract.settings import INGEST_SETTINGS, QUERY_SETTINGS

from ..choices import Auth
from ..foundation.arns import SECRET, TOPIC, USER_POOL
from ..foundation.region import account_of, region_of

LENGTHS = "; ".join(f"{' or '.join(map(str, it.dimensions))} with {model}" for model, it in EMBEDDERS.items())
MOST_CHUNK_TOKENS = 2000
SHORTER = "; ".join(
    f"{it.max_tokens} at most with {model}" for model, it in EMBEDDERS.items() if it.max_tokens < MOST_CHUNK_TOKENS
)
PLACES = "; ".join(f"`{model}` in {', '.join(it.regions)} (gain {it.gain})" for model, it in RERANKERS.items())

EMBEDDER_SECRET = Field(
    "",
    "Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. "
    "Keep it as long as an index of that embedder answers.",
    cost="A secret costs $0.40 a month.",
    remedy="For example arn:aws:secretsmanager:eu-north-1:123456789012:secret:embedder-AbCdEf, of this region.",
    # Functions ask for it where they are.
    **{**SECRET, "arn": SECRET["arn"]._replace(same=(REGION,))},
)
INDEX = {
    "embedder": Field(
        defaults.EMBEDDER,
        "Bedrock embedding model, or `https://host/v1#MODEL` for a model of your own behind an OpenAI-compatible "
        "API. A change of this, `dimensions` or a chunk's length makes a new index, which stays empty: the active "
        "one goes on answering, since nothing moves a stack to another one yet.",
        cost="Titan v2 costs $0.02 per million tokens; what a URL costs isn't known here.",
    ),
    "embedder_secret_arn": EMBEDDER_SECRET,
    "dimensions": Field(
        512,
        f"Length of an embedding: {LENGTHS}; its own with a model behind a URL.",
        low=1,
        high=MOST_DIMENSIONS,
        remedy="512 is right for the default embedder.",
        cost="Storage and search cost grow with it.",
    ),
    "chunk_tokens": Field(
        200,
        f"Length of a chunk; {SHORTER}.",
        low=50,
        high=MOST_CHUNK_TOKENS,
        unit="tokens",
        remedy="200 suits most embedders.",
    ),
    "chunk_overlap": Field(
        40,
        "What a chunk repeats of the one before, under half of `chunk_tokens`.",
        low=0,
        high=999,
        unit="tokens",
        remedy="Half of `chunk_tokens` or more would index every text twice.",
    ),
}
"""What an index is made with."""
ANSWERS = {
    **QUERY_SETTINGS,
    "reranker": QUERY_SETTINGS["reranker"]._replace(
        help=f"{QUERY_SETTINGS['reranker'].help} Without one the search's stands. {PLACES}.", choices=RERANKERS
    ),
}
"""How questions are answered."""
INGESTION_SETTINGS = {
    **INGEST_SETTINGS,
    "ingest_concurrency": Field(
        5,
        "How many functions index documents at once, each with up to eight calls to the embedder.",
        low=2,
        high=50,
        unit="functions",
        remedy="5 suits the published quotas; 2, the least that AWS takes, a new account with far lower ones.",
    ),
    "sweep_minutes": Field(
        15,
        "How often bucket, ledger and index are compared. Under 10, a comparison has no longer than this.",
        low=5,
        high=1440,
        unit="minutes",
        remedy="15 repairs soon enough for most.",
        cost="The ledger is read each time: of 100,000 documents of 2 KB about 25,000 read units.",
    ),
}
"""How documents are indexed."""
ASKERS = {
    "auth": Field("iam", "Who may ask: `iam` (SigV4) or `jwt` (tokens of a Cognito user pool).", choices=Auth),
    "user_pool_arn": Field(
        "",
        "The Cognito user pool whose ID tokens are accepted, of any app client; needed with `jwt`.",
        arn=USER_POOL,
        allowed="the ARN of a Cognito user pool",
        remedy="Give the ARN of the pool whose tokens are accepted, or set auth to iam.",
        output=True,
    ),
    "user_pool_scopes": Field(
        [],
        "With `jwt`: an access token that has one of these scopes is accepted, in place of an ID token. Machine "
        "clients (client credentials) have access tokens alone.",
        pattern=r"\S+",
        allowed="a scope without spaces",
        remedy="For example [\"handbook/ask\"]: the resource server's identifier, a slash, the scope's name.",
        output=True,
    ),
}
"""Who may ask."""
ALARM_TOPIC = Field("", "SNS topic that alarms notify; without it they are only visible in CloudWatch.", **TOPIC)
LEDGER_TABLE = Field(
    "",
    "Name of the table that records what is indexed: the output `table_name` of a `Ledger`.",
    pattern="[A-Za-z0-9_.-]{3,255}",
    allowed="the name of a DynamoDB table: 3 to 255 letters, digits and _ . -",
    remedy="It is the output `table_name` of a Ledger.",
    output=True,
    config=False,
    required=True,
)


def check_generator(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether the model writes texts."""
    if args["generator"]:
        check_model(checks, "generator", args["generator"])
        found = parse(args["generator"])
        if found and found.model in (*EMBEDDERS, *RERANKERS):
            checks.add("generator", f"{shown(args['generator'])} writes no texts", "Choose one of docs/generators.md.")


def check_index(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether the embedder gives such embeddings of such chunks."""
    if args["embedder"]:
        check_embedder(checks, args["embedder"], args["dimensions"], args["chunk_tokens"])
    if args["chunk_tokens"] and args["chunk_overlap"]:
        under_half, remedy = args["chunk_tokens"] // 2 - 1, INDEX["chunk_overlap"].remedy
        checks.number("chunk_overlap", args["chunk_overlap"], 0, under_half, "tokens", remedy)


def check_askers(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether a user pool is given where one is needed, and not elsewhere."""
    if args["auth"] == Auth.JWT and args["user_pool_arn"] == "":
        checks.missing("user_pool_arn", ASKERS["user_pool_arn"].remedy)
    for key in ("user_pool_arn", "user_pool_scopes") if args["auth"] == Auth.IAM else ():
        if args[key] not in (None, "", []):
            checks.refuse(key, args[key], "nothing when auth is iam", "Remove it, or set auth to jwt.")


def check_models(checks: Checks, args: Mapping[str, Any], region: str, account: str = "") -> None:
    """Whether Bedrock has the models that `args` name in a region; an empty region or account isn't known."""
    if args.get("generator") is not None:
        check_model_place(checks, "generator", args["generator"] or default_generator(region), region, account)
    if args.get("embedder") in EMBEDDERS:
        check_model_place(checks, "embedder", args["embedder"], region)
    if args.get("reranker"):
        check_reranker(checks, args["reranker"], region)


def check_models_here(checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
    """The same, where a component with these options is."""
    # Only an ARN names an account, and only then the provider is asked for its own.
    account = account_of(opts) if str(args.get("generator")).startswith("arn:") else ""
    check_models(checks, args, region_of(opts), account)
