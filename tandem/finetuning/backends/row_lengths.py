"""Whether the rows of a data set fit a recipe and a base model, before anything is billed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.checks import Checks

from tandem.finetuning.dataset import lengths
from tandem.finetuning.dataset.rows import Row, decoded, messages
from tandem.finetuning.dataset.sample import gradable
from tandem.finetuning.dataset.splits import SPLITS
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.finetuning.dataset.template import Template
from tandem.finetuning.dataset.tokenizer_files import FILES, TOKENIZER, Tokenizer

# An estimate is low by a third at most, and knows nothing of a template's own words.
LOW, TEMPLATE = 1.5, 200

Splits = Callable[[], Mapping[str, list[Row]]]
"""Reads the rows of each split."""


@dataclass(frozen=True)
class Counted:
    """The tokens of a data set's rows."""

    how: str
    """In words."""
    splits: Mapping[str, Mapping[str, Any]]
    """As `lengths.statistics` has each split; `counts` and `prompts` are exact where `how` says that they are."""


def count(
    manifest: Mapping[str, Any], read: Splits, vocabulary: int | None, files: Mapping[str, bytes], limit: int
) -> Counted:
    """Count by a base model's tokenizer `files`, or else estimate, with its vocabulary's size.

    Counted exactly is what may have more than `limit` tokens, and one row of each kind. The manifest's own estimate is
    for large vocabularies; for others rows are read. Raises `TandemError` for files that are no tokenizer, and for a
    row that the model's template refuses.
    """
    if files:
        try:
            template = Template(Tokenizer(files))
        except ImportError:
            pass
        else:
            found = {split: _exact(rows, template, limit) for split, rows in read().items()}
            return Counted("counted by its own tokenizer", found)
    small = vocabulary is not None and vocabulary < lengths.SMALL_VOCABULARY
    tokens = {split: manifest["splits"][split]["tokens"] for split in SPLITS}
    if small or not all("counts" in each for each in tokens.values()):
        rates = lengths.SMALL if small else lengths.LARGE
        tokens = {split: lengths.statistics(lengths.estimated(rows, rates)) for split, rows in read().items()}
    return Counted("as an estimate", tokens)


def _exact(rows: list[Row], template: Template, limit: int) -> dict[str, Any]:
    kinds, found = set(), []
    for row, guess in zip(rows, lengths.estimated(rows, lengths.SMALL), strict=True):
        kind = (*((turn["role"], *sorted(turn)) for turn in messages(row)), bool(row.tools))
        sure = kind in kinds and LOW * guess.whole + TEMPLATE <= limit
        kinds.add(kind)
        found += [guess] if sure else template.lengths([row])
    return lengths.mean_p95_max([length.whole for length in found]) | {
        "counts": [[length.whole, 1] for length in found],
        "prompts": [[length.prompt, 1] for length in found],
    }


def check(
    counted: Counted,
    recipe: Mapping[str, Any],
    context: int | None,
    checks: Checks,
    notes: list[str],
    fate: str = "left out",
) -> None:
    """Add which splits have too many rows that the run can't use, or note how many there are, and their `fate`.

    Without the model's `context`, what it takes, the test split can't be looked at.
    """
    answer = recipe["evaluation"]["max_new_tokens"]
    limits = {"train": recipe["max_sequence_tokens"], "validation": recipe["max_sequence_tokens"]}
    for split, limit in (limits | ({"test": context - answer} if context else {})).items():
        tested = split == "test"
        counts = "prompts" if tested else "counts"
        rows = sum(number for _, number in counted.splits[split]["counts"])
        long = lengths.longer(counted.splits[split][counts], limit)
        what = f"{long} of {rows} rows have more than {limit} tokens ({counted.how}"
        if tested:
            what = f"the prompts of {what}; the model takes {context}, and an answer has {answer}"
        if lengths.too_many(long, rows):
            remedy = "Lower evaluation.max_new_tokens" if tested else "Raise max_sequence_tokens"
            checks.add(f"{split} split", f"{what})", f"{remedy}, or shorten the rows. {lengths.ALLOWED}")
        elif long:
            notes.append(f"{split}: {what}): {fate}.")


def check_questions(test: list[Row], checks: Checks, notes: list[str]) -> None:
    """Add that no test row has an answer that a model's can be compared with, or note how many have none."""
    asked = len(gradable(test))
    problem = f"{len(test) - asked} of {len(test)} rows end with a call of a tool or an answer of weight 0"
    if not asked:
        checks.add("test split", problem, "The gate compares answers in words: add rows that end with one.")
    elif asked < len(test):
        notes.append(f"test: {problem}: not asked.")


def read_split(s3: Any, bucket: str, data_set: DataSetVersion, split: str) -> list[Row]:
    """The rows of a split in the bucket."""
    body = s3.get_object(Bucket=bucket, Key=f"{data_set.prefix}{split}.jsonl")["Body"].read()
    return decoded(body, f"{split}.jsonl")


def tokenizer_files(s3: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    """What the bucket has of a model's tokenizer; empty without a `tokenizer.json`."""
    found = {}
    for name in FILES:
        try:
            found[name] = s3.get_object(Bucket=bucket, Key=f"{prefix}{name}")["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
                raise
    return found if TOKENIZER in found else {}
