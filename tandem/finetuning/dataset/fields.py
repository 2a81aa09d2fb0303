"""What the fields of a row mean: the table of those that are read, of those that are refused, and of harmless ones.

A field that is in none of them is refused: what it means is not known, and a row may mean another thing without it.
"""

from typing import Any

# Format: the field that tells it.
FORMATS = {"chat": "messages", "sharegpt": "conversations", "alpaca": "instruction", "completion": "completion"}
COMMON = frozenset({"system", "tools", "functions"})  # beside any format
READ = {
    "chat": COMMON | {"messages"},
    "sharegpt": COMMON | {"conversations"},
    "alpaca": COMMON | {"instruction", "input", "output", "history"},
    "completion": COMMON | {"prompt", "completion"},
}
TEXTS = frozenset().union(*READ.values()) - COMMON
LISTS = frozenset({"messages", "conversations", "history"})

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
WEIGHTS = ("weight", "train", "loss", "loss_weight")  # of OpenAI and Mistral, Axolotl, ms-swift, LLaMA-Factory
MESSAGE = frozenset({"role", "from", "content", "value", "tool_calls", "function_call", "tool_call_id", *WEIGHTS})

HARMLESS = frozenset({
    "id", "idx", "index", "row_id", "uuid", "prompt_id", "conversation_id", "conversation_hash", "message_id",
    "session_id", "num_turns", "category", "categories", "source", "dataset", "lang", "language", "topic", "topics",
    "tag", "tags", "domain", "metadata", "meta", "created", "created_at", "updated_at", "date", "time", "timestamp",
    "url", "uri", "license", "licence", "author", "schemaVersion", "parallel_tool_calls",
})  # fmt: skip

NO_TEXT = ("the answer depends on what is no text", "Leave the row out: only texts are trained on.")
PLACEHOLDERS = ("<image>", "<video>", "<audio>")  # of LLaVA and others, at the start or end of a question
PREFERENCE = (
    "preference data teach by comparison",
    "They belong to preference tuning (DPO), which Tandem doesn't do; write the good answer as a row of its own.",
)
IS_CONTEXT = ("the answer may depend on it", "Write it into the question (`input`), or leave it out with --leave-out.")
REFUSED = {
    **dict.fromkeys(("image", "images", "video", "videos", "audio", "audios", "bounding_box", "bbox"), NO_TEXT),
    **dict.fromkeys(("chosen", "rejected", "preferred_output", "non_preferred_output"), PREFERENCE),
    **dict.fromkeys(("context", "contexts", "documents", "knowledge"), IS_CONTEXT),
    "text": ("a text in somebody's template has no turns", "Write its turns as messages."),
}
# Of fields that are not read in a row: what to do with them.
REMEDIES = {
    "split": "Give a file for each split (--train, --validation, --test): the rows would be divided anew.",
    **dict.fromkeys(WEIGHTS, "A weight stands in its message."),
}
LABELS = ("label", "kto_tag")  # true is a good answer, false a bad one (KTO)


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: tables and Parquet write all columns into every row."""
    return value is None or (isinstance(value, str | list | dict) and not value)
