"""The sample documents and questions that `make rag` puts into a stack."""

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import TandemError

from scripts.local_environment import ROOT
from tandem.clients.document_files import find_documents
from tandem.clients.documents_bucket import DocumentsBucket
from tandem.clients.pulumi_stack import deployed

SAMPLES = ROOT / ".tandem" / "samples"
QUESTIONS = ROOT / "samples" / "questions.jsonl"


def problem(stack: str) -> str:
    """Why the stack can't be measured, or nothing: it must be deployed, with every sample document indexed."""
    try:
        keys = [document.key for document in find_documents([SAMPLES])[0]]
        rows = DocumentsBucket(deployed(stack, "documentsBucket")).ledger_rows(keys)
    except (TandemError, BotoCoreError, ClientError) as error:
        return str(error)
    missing = [key for key in keys if rows.get(key, {}).get("status") != "indexed"]
    return f"{len(missing)} sample documents are not indexed, {missing[0]} for one." if missing else ""
