"""What of a conversation is learned, and what a model is given: by templates of several families."""

import pytest

from tandem.finetuning.dataset.template import Refused

from .made_tokenizer import (
    CALL_ALONE,
    CHATML,
    FAMILIES,
    LAST_TURN,
    NO_SYSTEM,
    THINKING,
    learned,
    row,
    said,
    template,
    text,
)

TURNS = (said("user", "One?"), said("assistant", "1"), said("user", "Two?"), said("assistant", "2"))
TOOLS = [{"type": "function", "function": {"name": "depth", "parameters": {"type": "object"}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "depth", "arguments": '{"shelf": 0}'}}


def taught(source: str, *turns: dict, tools=None) -> list[str]:
    """What is learned of each sequence."""
    found = learned(template(source), row(*turns, tools=tools))
    return ["".join(text for text, isit in pieces if isit) for pieces in found]


@pytest.mark.parametrize(
    ("family", "wanted"),
    [
        ("chatml", ["1<|im_end|>\n2<|im_end|>\n"]),
        ("thinking", ["<think>\n\n</think>\n\n1<|im_end|>\n", "<think>\n\n</think>\n\n2<|im_end|>\n"]),
        ("last turn", [" 1</s> 2</s>"]),
    ],
)
def test_every_answer_is_learned_with_its_end_and_nothing_else(family, wanted):
    assert taught(FAMILIES[family], *TURNS) == wanted


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("system", ["", "Be brief."])
def test_each_answer_stands_behind_its_prompt_as_it_will_be_asked(family, system):
    """The one property that matters, whatever a template does with earlier turns."""
    made = template(FAMILIES[family])
    turns = (*([said("system", system)] if system else []), *TURNS)
    behind = []
    for pieces in made.sequences(row(*turns)):
        done: list[int] = []
        for piece in pieces:
            if piece.learned:
                behind.append(done)
            done = done + piece.tokens
    answers = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
    assert behind == [made.prompt_tokens(turns[:at]) for at in answers]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_with_weight_0_is_context_alone(family):
    wrong = said("assistant", "WRONG: parcel 0 is lost.", weight=0)
    turns = (TURNS[0], wrong, TURNS[2], said("assistant", "It leaves at 0:00.", weight=1))
    (pieces,) = learned(template(FAMILIES[family]), row(*turns))
    assert "WRONG" in "".join(text for text, _ in pieces)
    (answer,) = taught(FAMILIES[family], *turns)
    assert "It leaves at 0:00." in answer and "WRONG" not in answer and "Two?" not in answer


def test_a_row_without_an_answer_to_learn_is_refused():
    with pytest.raises(Refused, match="every answer has weight 0"):
        template().sequences(row(TURNS[0], said("assistant", "1", weight=0)))


def test_a_call_is_learned_through_the_templates_tools():
    call = said("assistant", "One moment.", tool_calls=[CALL])
    turns = (said("user", "How deep is shelf 0?"), call, said("tool", "40 cm"), said("assistant", "40 cm deep."))
    ((given, called, result, answer),) = learned(template(THINKING), row(*turns, tools=TOOLS))
    assert '"name": "depth"' in given[0]
    # As an object, whatever the row had: a template writes it as JSON once more.
    assert called == ('<think>\n\n</think>\n\nOne moment.<call>{"shelf": 0}</call><|im_end|>\n', True)
    assert "40 cm<|im_end|>" in result[0] and not result[1]
    assert answer == ("<think>\n\n</think>\n\n40 cm deep.<|im_end|>\n", True)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("source", "turns", "tools", "what"),
    [
        (CHATML, (said("user", "Deep?"), said("assistant", "Yes.")), TOOLS, "leaves out the tools"),
        (
            CHATML,
            (said("user", "Deep?"), said("assistant", "One moment.", tool_calls=[CALL])),
            None,
            r"leaves out the tool calls of messages\[1\]",
        ),
        (
            CALL_ALONE,
            (said("user", "Deep?"), said("assistant", "One moment.", tool_calls=[CALL])),
            TOOLS,
            r"leaves out the text of messages\[1\] \(assistant\)",
        ),
        (NO_SYSTEM, (said("system", "Be brief."), *TURNS), None, "refuses it .No system text"),
        (
            "{% for m in messages if m.role != 'system' %}{{ m.role + m.content }}{% endfor %}"
            "{% if add_generation_prompt %}assistant{% endif %}",
            (said("system", "Be brief."), *TURNS),
            None,
            r"leaves out the text of messages\[0\] \(system\)",
        ),
    ],
)
def test_what_a_template_leaves_out_is_refused_not_lost(source, turns, tools, what):
    with pytest.raises(Refused, match=what):
        template(source).sequences(row(*turns, tools=tools))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("<|im_start|>final{{ m.content }}<|im_end|>", "writes more than the answer where it stands .'finalA1'."),
        ("{{ m.content }}\n", "ends no answer with a token that ends it"),
    ],
)
def test_a_template_by_which_a_right_answer_scores_nothing_is_refused(answer, what):
    """gpt-oss's has channels, GLM-4.5's ends an answer with the next question's token."""
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}assistant" + answer + "{% else %}"
        "{{ m.role + m.content }}<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}assistant{% endif %}"
    )
    with pytest.raises(Refused, match=what):
        template(source).sequences(row(said("user", "One?"), said("assistant", "A1")))


def test_a_system_text_that_a_template_drops_from_whole_conversations_is_in_the_prompt():
    """Mistral's v3: of [system, user, assistant] as a text nothing is left of the system text."""
    ((given, answer),) = learned(template(LAST_TURN), row(said("system", "Be brief."), *TURNS[:2]))
    assert given == ("[INST] Be brief.\n\nOne?[/INST]", False)
    assert answer == (" 1</s>", True)


@pytest.mark.parametrize("family", ["chatml", "thinking"])
def test_control_tokens_in_a_text_are_text(family):
    made = template(FAMILIES[family])
    turns = (
        said("user", "What does <|im_end|> do in log 0?"),
        said("assistant", "The mark <|im_end|> ends a turn, and\n<|im_start|>user\nstarts number 0."),
    )
    (pieces,) = made.sequences(row(*turns))
    start, end = (made.tokenizer._fast.token_to_id(token) for token in ("<|im_start|>", "<|im_end|>"))
    whole = [token for piece in pieces for token in piece.tokens]
    taught = [token for piece in pieces if piece.learned for token in piece.tokens]
    assert (whole.count(end), whole.count(start)) == (2, 2)
    assert (taught.count(end), taught.count(start)) == (1, 0)
    shown = "".join(text for text, _ in learned(made, row(*turns))[0])
    assert all(turn["content"] in shown for turn in turns)  # and no letter is lost
    assert made.prompt_tokens(turns[:1]) == pieces[0].tokens


def test_control_tokens_in_tools_and_calls_are_text():
    made = template(THINKING)
    call = CALL | {"function": {"name": "depth", "arguments": '{"<|im_end|>": "<|im_end|>"}'}}
    properties = {"<|im_end|>": {"type": "string"}}
    function = {"name": "depth", "description": "Not <|im_start|>.", "parameters": {"properties": properties}}
    tools = [{"type": "function", "function": function}]
    (pieces,) = made.sequences(row(said("user", "Deep?"), said("assistant", "", tool_calls=[call]), tools=tools))
    end = made.tokenizer._fast.token_to_id("<|im_end|>")
    assert [piece.tokens.count(end) for piece in pieces] == [2, 1]
    assert all('<|im_end|>": ' in text(made, piece.tokens) for piece in pieces)


def test_marks_of_ours_in_a_text_are_text():
    given = "a\ufdd01\ufdd1b\ufdd2c"
    shown = learned(template(), row(said("user", given), said("assistant", given)))
    assert "".join(text for text, _ in shown[0]).count(given) == 2
