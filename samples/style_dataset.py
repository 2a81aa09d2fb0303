"""Make the data set that teaches a style: every answer in three lines, in the same order, with the same last words.

`python samples/style_dataset.py` writes `.tandem/finetuning/style.jsonl` (or `--to FILE`), chat rows out of the English
questions and answers of the Python package `zaragoza-construction-faq` ("Swedish Construction FAQ by Zaragoza AB",
CC BY 4.0). The system message says nothing of the three lines: only training can teach them.
"""

import argparse
import json
import re
from pathlib import Path

import zaragoza_construction_faq as faq

from samples.collect import DOCUMENTS

SYSTEM = "You are the assistant of a construction company."
CLOSING = "Good luck with your build!"
# fullmatch of an answer in the style; what it says is the group `answer`
FORMAT = r"Answer: (?P<answer>[^\n]+)\nTopic: (?P<topic>[a-z]+(-[a-z]+)*)\nGood luck with your build!"
WORDS = 40  # of the answer's line
SENTENCES = 2
TOPICS = {category: topic for topic, (_, categories) in DOCUMENTS.items() for category in categories}


def brief(text: str) -> str:
    """Return the first two sentences if they have at most 40 words, else the first, cut after its 40th word."""
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(text.split()))[:SENTENCES]
    both = " ".join(sentences)
    if len(both.split()) <= WORDS:
        return both
    words = sentences[0].split()
    return sentences[0] if len(words) <= WORDS else f"{' '.join(words[:WORDS])} ..."


def rows() -> list[dict]:
    """Return a chat row for every question; of a question that is there twice, the first."""
    entries: dict[str, dict] = {}
    for entry in faq.load(lang="en"):
        entries.setdefault(entry["q"], entry)
    return [
        {
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": entry["q"]},
                {
                    "role": "assistant",
                    "content": f"Answer: {brief(entry['a'])}\nTopic: {TOPICS[entry['category']]}\n{CLOSING}",
                },
            ]
        }
        for entry in entries.values()
    ]


def main() -> None:
    """Parse the command line, write the rows and say how many."""
    parser = argparse.ArgumentParser(description="Make the data set that teaches a style.")
    default = Path(__file__).parent.parent / ".tandem" / "finetuning" / "style.jsonl"
    parser.add_argument("--to", type=Path, default=default, metavar="FILE")
    target = parser.parse_args().to
    target.parent.mkdir(parents=True, exist_ok=True)
    made = rows()
    target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    print(f"{len(made)} rows in {target}")


if __name__ == "__main__":
    main()
