"""Thoughts in the text of an answer."""

import pytest

from tandem.models.thinking import without_thinking

LONG = "The user asks. Could it be Berlin? No."
HARMONY = f"<|channel|>analysis<|message|>{LONG}<|end|><|start|>assistant<|channel|>final<|message|>Paris<|return|>"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"<think>\n{LONG}\n</think>\n\nParis", "Paris"),
        (f"\n <think>{LONG}</think>Paris", "Paris"),
        ("<think>\n\n</think>\n\nParis", "Paris"),
        (f"<THINK>{LONG}</THINK>Paris", "Paris"),
        (f"<thinking>{LONG}</thinking>\nParis", "Paris"),
        (f"<think>one</think><think>{LONG}</think>Paris", "Paris"),
        (f"<seed:think>{LONG}</seed:think>Paris", "Paris"),
        (f"[THINK]{LONG}[/THINK]Paris", "Paris"),
        (HARMONY, "Paris"),
        (f"<|START_THINKING|>{LONG}<|END_THINKING|><|START_RESPONSE|>Paris<|END_RESPONSE|>", "Paris"),
        (f'<think time="3">{LONG}</think>Paris', "Paris"),
        (f"◁think▷{LONG}◁/think▷Paris", "Paris"),
        (
            f"<|begin_of_thought|>\n{LONG}<|end_of_thought|>\n\n<|begin_of_solution|>\nParis\n<|end_of_solution|>",
            "Paris\n",
        ),
        # The template began the thoughts itself.
        (f"{LONG}\n</think>\n\nParis", "Paris"),
        (f"{LONG}</think>\n\nParis", "Paris"),
        ("</think>\n\nParis", "Paris"),
        # Cut, or nothing else.
        (f"<think>\n{LONG}", ""),
        (f"<think>{LONG}</think>", ""),
        (f"{LONG}\n</think>", ""),
        ("<|channel|>analysis<|message|>The user", ""),
    ],
)
def test_the_thinking_is_no_part_of_the_answer(text, answer):
    found, thought = without_thinking(text)
    assert found == answer
    assert thought.strip() and text.startswith(thought)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        "  Paris\n",
        "I think <b>Paris</b>.",
        "The tag is </think>.",
        "Write <think> first, then\n</think>\nand the answer.",
        "Answer: <think>no</think>",
        "```xml\n<think>a</think>\n```",
        "[THINKING] is a label",
        "<thought-provoking> Paris",
    ],
)
def test_an_answer_that_has_no_thoughts_stays_as_it_is(text):
    assert without_thinking(text) == (text, "")
