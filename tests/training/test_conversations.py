"""What the loss is on, with a real tokenizer. Runs in the training environment, as everything here."""

import json
import shutil
import subprocess

import pytest

from .conftest import ENVIRONMENT, PYTHON, ROOT

pytestmark = pytest.mark.local
TURNS = [("system", "Be brief."), ("user", "One?"), ("assistant", "1"), ("user", "Two?"), ("assistant", "2")]
CODE = """
import json, sys
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.training import conversations, models
said = []
tokenizer = models.load_tokenizer(sys.argv[1], said.append)
turns = tuple(map(tuple, json.loads(sys.argv[2])))
result = conversations.tokenize([Row(turns, "rows.jsonl", 1)], tokenizer, 1000)
(row,) = result.rows
learned = [token for token, label in zip(row["input_ids"], row["labels"]) if label != conversations.IGNORED]
prompt = conversations.prompt_text([{"role": r, "content": c} for r, c in turns[:-1]], tokenizer)
ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
text, learned = tokenizer.decode(row["input_ids"]), tokenizer.decode(learned)
print(json.dumps([text, learned, result.whole, row["input_ids"][: len(ids)] == ids, said]))
"""


def tokenized(model) -> list:
    command = [PYTHON, "-c", CODE, model, json.dumps(TURNS)]
    ended = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def with_template(tiny, folder, template: str | None):
    """A copy of the tiny model with another chat template, or none."""
    shutil.copytree(tiny, folder)
    (folder / "chat_template.jinja").unlink()
    if template:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def test_the_loss_is_on_every_answer_and_its_end(tiny):
    text, learned, whole, as_asked, said = tokenized(tiny)
    assert text.count("<|im_start|>") == 5
    assert learned == "1<|im_end|>\n2<|im_end|>\n"
    assert (whole, as_asked, said) == (0, True, [])


def test_a_template_that_rewrites_earlier_turns(tiny, tmp_path):
    """The answer before the last is dropped, as templates do with what a model thought."""
    said = "[{{ m.role }}]{{ m.content }}"
    template = (
        f"{{% for m in messages %}}{{% if loop.last or m.role != 'assistant' %}}{said}{{% endif %}}{{% endfor %}}"
    )
    text, learned, whole, _, _ = tokenized(with_template(tiny, tmp_path / "model", template))
    assert learned == text == "[system]Be brief.[user]One?[user]Two?[assistant]2"
    assert whole == 1


def test_a_base_model_without_a_template_gets_one_and_it_is_said(tiny, tmp_path):
    text, learned, _, as_asked, said = tokenized(with_template(tiny, tmp_path / "model", None))
    assert text.startswith("<|im_start|>system\nBe brief.")
    assert learned == "1<|im_end|>\n2<|im_end|>\n"
    assert as_asked
    assert "no chat template" in said[0]
