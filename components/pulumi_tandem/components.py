"""What programs in every language can make: the environments, and the parts that take plain values alone."""

import pulumi
from tandem_contract.fields import Table

from .environments.finetuning_environment import FineTuningEnvironment
from .environments.finetuning_fields import FINETUNING
from .environments.hybrid_environment import HYBRID, HybridEnvironment
from .environments.rag_environment import RagEnvironment
from .environments.rag_fields import RAG
from .foundation.data_bucket import DATA_BUCKET, DataBucket
from .rag.ingestion_pipeline import INGESTION, IngestionPipeline
from .rag.ledger import LEDGER, Ledger
from .rag.query_api import QUERY, QueryApi
from .rag.stores import STORES

COMPONENTS: dict[type[pulumi.ComponentResource], Table] = {
    RagEnvironment: RAG,
    FineTuningEnvironment: FINETUNING,
    HybridEnvironment: HYBRID,
    DataBucket: DATA_BUCKET,
    Ledger: LEDGER,
    **{store.component: store.table for store in STORES.values()},
    IngestionPipeline: INGESTION,
    QueryApi: QUERY,
}
"""By what each takes. `pulumi_tandem` has them, and the plugin (docs/your-program.md, "Parts")."""
