"""An answer that goes on after its caller gave up, as far as it needs no model."""

import threading

import pytest

from localcloud.services.generator import Generator

WORDS = ["\n", "\n", " Felix", " ran", "."]


class Model:
    """Says the words one by one. What stands in its prompt of them it reads in one token less: two newlines are one."""

    def handle_chat_completions(self, request, heard):
        said = [each["content"] for each in request["messages"] if each["role"] == "assistant"]
        begun = next(count for count in range(len(WORDS) + 1) if "".join(WORDS[:count]) == "".join(said))
        read = 40 + begun - (begun >= 2)
        chunks = [{"prompt_progress": {"total": read}}]
        chunks += [{"choices": [{"delta": {"content": word}, "finish_reason": None}]} for word in WORDS[begun:]]
        usage = {
            "prompt_tokens": read,
            "completion_tokens": len(WORDS) - begun,
            "total_tokens": read + len(WORDS) - begun,
        }
        chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage, "id": "1", "created": 1})
        for chunk in chunks:
            if heard(chunk):
                return


@pytest.mark.parametrize("given_up", [None, 2, 3, 4, 5])
def test_tokens_are_those_of_a_caller_who_waited(given_up):
    generator = Generator.__new__(Generator)
    generator._model, generator._turn, generator._abandoned = Model(), threading.Lock(), {}
    request = {"messages": [{"role": "user", "content": "Tell a story."}]}
    if given_up:
        looks = iter(range(1, 100))
        with pytest.raises(ConnectionAbortedError):
            generator.chat(request, lambda: next(looks) >= given_up)
    answer = generator.chat(request, lambda: False)
    assert answer["choices"][0]["message"]["content"] == "".join(WORDS)
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (40, 5, 45)
