"""A key in what a server says."""

import base64

import pytest

from tandem.runtime.http import Http, Response
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
        ("the end: MPLE-not-a-real-key.", "the end: ***."),
        ("sk-EXAM\nPLE-not-a-re\u200bal-key", "***"),
        (" ".join(VALUE), "***"),
        (VALUE.encode("utf-16-le").decode(), "***\0"),
        (rf"a\nb {VALUE} c\d", r"a\nb *** c\d"),
        ("".join(rf"\\u{ord(each):04x}" for each in VALUE), "***"),
        (r"sk\x2dEXAMPLE\/ sk-EXAMPLE%2Dnot%252da-real&#45;key%21", r"sk\x2dEXAMPLE\/ ***%21"),
        (f"Basic {base64.b64encode(VALUE.encode()).decode()}", "Basic ***=="),
        (base64.b64encode(f"Bearer {VALUE}".encode()).decode(), "***="),
        (f"0x{VALUE.encode().hex()}", "0x***"),
    ],
)
def test_a_key_is_masked_and_so_is_a_part_of_it(text, shown):
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


@pytest.mark.faults
@pytest.mark.parametrize(("sign", "written"), [("/", "\\/"), ("+", "\\u002B"), ("/", "%2F"), ("&", "&amp;")])
def test_a_key_is_masked_to_its_end_where_a_server_escapes_a_sign_of_it(sign, written):
    key = Key("", f"sk-EXAMPLE-no{sign}t-a-re{sign}al")
    body = f'{{"error": "bad key {key.value.replace(sign, written)}."}}'.encode()
    response = Response(500, {}, body, key)
    assert response.json() == {"error": "bad key ***."} and response.body == b'{"error": "bad key ***."}'


def test_json_keeps_its_values():
    content = {"a": [1, 2.5, None, True, {"b": "text"}]}
    assert KEY.masked_in(content) == content
