"""Targets: a model alone, and a stack's query API."""

import pytest
from tandem_contract.errors import TandemError, Unavailable

from tandem.evaluation.runs import Reply
from tandem.evaluation.targets import asking, of_query_api
from tandem.models.chat import Completion, Usage
from tandem.runtime.retry import Transient
from tests.support.query_api import answer

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What does it cost?"}]


class Model:
    """Gives answers in turn, the last one for ever; raises those that are errors."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def chat(self, messages, max_tokens, deadline):
        self.asked.append((messages, max_tokens))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("34 francs", False),
        (" The documents do not say.", True),
        ("[P0]", True),
        ("Das steht nicht darin. [P0]", True),
        ("**[P0]** Das steht nicht darin [P0].", True),
        ("Priority [P0] tickets are fixed first.", False),
        ("", False),
    ],
)
def test_a_model_alone_refuses_in_the_words_of_the_prompt(text, refused):
    model = Model(Completion(text, "m", Usage(21, 3), "stop"))
    ask = asking(model, "Be brief.", max_tokens=7)
    assert ask("What does it cost?") == Reply(text=text, refused=refused, model="m", input_tokens=21, output_tokens=3)
    assert model.asked == [(MESSAGES, 7)]


def test_a_model_alone_is_asked_again_and_its_tokens_may_be_unknown():
    model = Model(Transient("busy"), Completion("34 francs", "m", None, ""))
    assert asking(model)("What does it cost?") == Reply(text="34 francs", model="m")
    with pytest.raises(Unavailable, match="busy"):
        asking(Model(Transient("busy")), seconds=0.3)("What does it cost?")


def test_an_answer_of_the_query_api():
    places = [{"document": name, "page": None, "heading": None, "score": 0.5} for name in ("b.md", "a.md", "b.md")]
    response = answer("a.md", "a.md", retrieved=places, usage={"input_tokens": 900, "output_tokens": 7})
    assert of_query_api(response) == Reply(
        text="34 francs [P1].",
        cited=("a.md",),
        retrieved=("b.md", "a.md"),
        model="nova",
        input_tokens=900,
        output_tokens=7,
        score=0.5,
    )
    assert of_query_api(answer("a.md")).retrieved is None  # of a stack that doesn't say
    assert of_query_api(answer(retrieved=[], answer=None, refused=True, model=None)).retrieved == ()


@pytest.mark.faults
@pytest.mark.parametrize(
    "garbage", [{}, None, [], {"citations": 3}, {"citations": [{}], "refused": False, "answer": ""}, answer(answer=7)]
)
def test_a_response_of_another_shape_is_said_to_be_one(garbage):
    with pytest.raises(TandemError, match="another shape"):
        of_query_api(garbage)
