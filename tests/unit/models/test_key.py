"""A key in what a server says."""

import pytest

from tandem.runtime.http import Http
from tandem.runtime.secret import Key
from tests.support.answering import serve

VALUE = "sk-EXAMPLE-not-a-real-key"
KEY = Key("", VALUE)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Received API Key = {VALUE}", "Received API Key = ***"),
        (f"{VALUE}{VALUE}", "******"),
        (VALUE.upper(), "***"),
        ("cut: sk-EXAMPLE-not-a-re", "cut: ***"),
        ("sk-EXAMP****key is wrong", "sk-EXAMP****key is wrong"),
        ("nothing", "nothing"),
    ],
)
def test_a_key_is_masked_and_so_is_a_beginning_of_it(text, shown):
    assert KEY.masked(text) == shown


@pytest.mark.parametrize("value", ["EMPTY", "x", "ollama"])
def test_a_word_that_is_no_secret_stays_in_answers(value):
    assert Key("", value).masked(f"The list is {value}.") == f"The list is {value}."


@pytest.mark.faults
@pytest.mark.parametrize(
    "body",
    [
        f'{{"answer": "it is {VALUE}", "{VALUE}": ["{VALUE}", 1, null, true]}}',
        '{"answer": "it is sk\\u002dEXAMPLE\\u002dnot\\u002da\\u002dreal\\u002dkey"}',
    ],
)
def test_a_key_is_nowhere_in_a_response(body):
    def answer(path, sent, count):
        return 500, {"Location": f"https://elsewhere/{VALUE}", "X-Echo": f"Bearer {VALUE}"}, body.encode()

    with serve(answer) as server:
        response = Http(server.url, key=KEY).request("POST", "/", b"{}", timeout=5)
    shown = f"{response.json()} {dict(response.headers)}"
    assert "***" in shown and VALUE not in shown and VALUE.encode() not in response.body
    assert VALUE not in repr(response)


def test_json_keeps_its_values():
    content = {"a": [1, 2.5, None, True, {"b": "text"}]}
    assert KEY.masked_in(content) == content
