"""Arguments of the RAG environment: their fields, and the rules between them."""

from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract import defaults
from tandem_contract.arns import REGION
from tandem_contract.bedrock_models import check_model, check_model_place, default_generator, parse
from tandem_contract.checks import Checks, shown
from tandem_contract.embedders import EMBEDDERS, MOST_DIMENSIONS, check_embedder
from tandem_contract.fields import Field, Table
from tandem_contract.rerankers import RERANKERS, check_reranker
from tandem_contract.settings import INGEST_SETTINGS, QUERY_SETTINGS
from tandem_contract.usage import QUERY_USAGE

from ..foundation.arguments import NOTHING
from ..foundation.arns import SECRET, TOPIC, USER_POOL
from ..foundation.existing import BUCKET, check_bucket, check_house
from ..foundation.house_rules import HOUSE_RULES, check_house_rules
from ..foundation.region import account_of, region_of
from ..foundation.rest_endpoint import Auth
from ..foundation.retention import retention_of
from ..foundation.tags import TAGS
from ..rag.stores import STORES, StoreKind

LENGTHS = "; ".join(f"{' or '.join(map(str, it.dimensions))} with {model}" for model, it in EMBEDDERS.items())
MOST_CHUNK_TOKENS = 2000
SHORTER = "; ".join(
    f"{it.max_tokens} at most with {model}" for model, it in EMBEDDERS.items() if it.max_tokens < MOST_CHUNK_TOKENS
)
PLACES = "; ".join(f"`{model}` in {', '.join(it.regions)} (gain {it.gain})" for model, it in RERANKERS.items())
KINDS_OF_STORES = "; ".join(f"`{name}` {kind.help}" for name, kind in STORES.items())


def _rules(checks: Checks, args: dict[str, Any], given: Mapping[str, Any]) -> None:
    check_house_rules(checks, args)
    if args["generator"]:
        check_model(checks, "generator", args["generator"])
        found = parse(args["generator"])
        if found and found.model in (*EMBEDDERS, *RERANKERS):
            checks.add("generator", f"{shown(args['generator'])} writes no texts", "Choose one of docs/generators.md.")
    if args["embedder"]:
        check_embedder(checks, args["embedder"], args["dimensions"], args["chunk_tokens"])
    if args["chunk_tokens"] and args["chunk_overlap"]:
        under_half = args["chunk_tokens"] // 2 - 1
        checks.number(
            "chunk_overlap", args["chunk_overlap"], 0, under_half, "tokens", RAG.fields["chunk_overlap"].remedy
        )
    for kind, store in STORES.items():
        for name, field in store.fields.items() if args["store"] not in (None, kind) else ():
            if name in given:
                usual = f"its default, {field.default}," if field.default else "nothing"
                allowed = f"{usual} unless store is {kind}"
                checks.refuse(name, given[name], allowed, f"Remove it, or set store to {kind}.")
    if args["store"] in STORES:
        STORES[args["store"]].check(checks, args)
    if args["auth"] == Auth.JWT and args["user_pool_arn"] == "":
        checks.missing("user_pool_arn", RAG.fields["user_pool_arn"].remedy)
    if args["auth"] == Auth.IAM and args["user_pool_arn"] not in (None, ""):
        checks.refuse(
            "user_pool_arn", args["user_pool_arn"], "nothing when auth is iam", "Remove it, or set auth to jwt."
        )
    if args["auth"] == Auth.IAM and args["user_pool_scopes"]:
        checks.refuse(
            "user_pool_scopes", args["user_pool_scopes"], "nothing when auth is iam", "Remove it, or set auth to jwt."
        )


def check_place(
    checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None, shared: Mapping[str, Any] = NOTHING
) -> None:
    """Whether what is asked for is to be had where an environment with these options is, and what is brought fits.

    `shared` are the rules of an environment around it, which are looked at there.
    """
    # Only an ARN names an account, and only then the provider is asked for its own.
    account = account_of(opts) if str(args["generator"]).startswith("arn:") else ""
    check_models(checks, args, region_of(opts), account)
    check_house(checks, args, opts)
    check_bucket(checks, "existing_documents_bucket", {**args, **shared}, opts, events=True)
    if args["store"] in STORES:
        STORES[args["store"]].look(checks, args, opts)


def check_models(checks: Checks, args: Mapping[str, Any], region: str, account: str = "") -> None:
    """Whether Bedrock has the models that `args` name in a region; an empty region or account isn't known."""
    if args["generator"] is not None:
        check_model_place(checks, "generator", args["generator"] or default_generator(region), region, account)
    if args["embedder"] in EMBEDDERS:
        check_model_place(checks, "embedder", args["embedder"], region)
    if args["reranker"]:
        check_reranker(checks, args["reranker"], region)


RAG = Table(
    "RagEnvironmentArgs",
    "Arguments of `RagEnvironment`; every one has a default.",
    {
        "embedder": Field(
            defaults.EMBEDDER,
            "Bedrock embedding model, or `https://host/v1#MODEL` for a model of your own behind an OpenAI-compatible "
            "API. A change of this, `dimensions` or a chunk's length makes a new index, which stays empty: the active "
            "one goes on answering, since nothing moves a stack to another one yet.",
            cost="Titan v2 costs $0.02 per million tokens; what a URL costs isn't known here.",
        ),
        "embedder_secret_arn": Field(
            "",
            "Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. "
            "Keep it as long as an index of that embedder answers.",
            cost="A secret costs $0.40 a month.",
            remedy="For example arn:aws:secretsmanager:eu-north-1:123456789012:secret:embedder-AbCdEf, of this region.",
            # Functions ask for it where they are.
            **{**SECRET, "arn": SECRET["arn"]._replace(same=(REGION,))},
        ),
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
        **QUERY_SETTINGS,
        "reranker": QUERY_SETTINGS["reranker"]._replace(
            help=f"{QUERY_SETTINGS['reranker'].help} Without one the search's stands. {PLACES}.", choices=RERANKERS
        ),
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
        "existing_documents_bucket": Field(
            "",
            "Name of a bucket of your own with the documents, in place of one that is made. All of it is indexed; "
            "nothing of it is changed, at destroy neither. Its notifications to EventBridge have to be on "
            "(docs/bring-your-own.md).",
            **BUCKET,
        ),
        "store": Field(
            "serverless",
            f"Where chunks and embeddings are kept: {KINDS_OF_STORES}. A change makes the other store, empty, and lets "
            "the sweep fill it: until then questions are refused.",
            choices=STORES,
            enum=StoreKind,
        ),
        **{name: field for store in STORES.values() for name, field in store.fields.items()},
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
        "retention": retention_of("documents, ledger and index"),
        "query_usage": Field({}, "Assumptions that `tandem cost` counts with.", table=QUERY_USAGE),
        **HOUSE_RULES,
        "alarm_topic_arn": Field(
            "", "SNS topic that alarms notify; without it they are only visible in CloudWatch.", **TOPIC
        ),
        "tags": TAGS,
    },
    _rules,
)
