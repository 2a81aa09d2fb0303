"""Thoughts that stand before an answer, in its text: how models mark them, and the answer without them.

A server with a reasoning parser gives them apart (`reasoning_content`); others leave them in the text.
"""

import re

WORDS = "think|thinking|thought|thoughts|reasoning|reflection|seed:think"
HARMONY_END = r"<\|end\|>|<\|start\|>assistant(?=<\|channel\|>)|(?=<\|channel\|>final)"
# How thoughts begin and end.
MARKS = (
    # <think>...</think>: DeepSeek-R1, Qwen3 and most others; [THINK]...[/THINK]: Magistral (their model cards).
    (rf"<(?P<word>{WORDS})(?:\s[^<>]*)?>", "</{word}>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    # gpt-oss (OpenAI's "harmony" response format): other channels come before `final`.
    (r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)\b[^<]*<\|message\|>", HARMONY_END),
    # Gemma 4's and Cohere's own tokens, where they are shown.
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    # OpenThinker's and Kimi-VL's.
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    ("◁think▷", "◁/think▷"),
)
FINAL = r"\s*(?:<\|start\|>assistant)?<\|channel\|>final\b[^<]*<\|message\|>"
FINAL += r"|\s*<\|(?:START_RESPONSE|begin_of_solution)\|>"
LAST = r"(?:<\|(?:return|end|END_RESPONSE|end_of_solution)\|>)\s*\Z"
# Templates that begin the thoughts themselves leave their end alone in the text, at the beginning or end of a line.
ORPHAN = rf"(?:\A|\n)[ \t]*</(?:{WORDS})>|</(?:{WORDS})>[ \t]*\n|\[/THINK\][ \t]*\n"


def without_thinking(text: str) -> tuple[str, str]:
    """The answer, and what was thought before it; both are parts of the text.

    Thoughts that don't end leave no answer. Marks inside an answer are the answer's own.
    """
    at = 0
    while found := _thought(text, at):
        at = found
    if at == 0 and (orphan := re.search(f"(?i){ORPHAN}", text)):
        before = text[: orphan.start()]
        if not re.search(rf"(?i)<(?:{WORDS})[\s>]|\[THINK\]", before):
            at = orphan.end()
    rest, last = text[at:], ""
    if final := re.match(FINAL, rest):
        rest, last = rest[final.end() :], LAST
        at += final.end()
    if not at:
        return text, ""
    answer = rest.lstrip()
    return (re.sub(last, "", answer) if last else answer), text[: len(text) - len(answer)]


def _thought(text: str, at: int) -> int:
    """Where a thought ends that begins there; 0 if none does."""
    for begin, end in MARKS:
        if began := re.compile(rf"(?i)\s*{begin}").match(text, at):
            named = end.replace("{word}", began.groupdict().get("word", ""))
            found = re.compile(f"(?i){named}").search(text, began.end())
            return found.end() if found else len(text)
    return 0
