"""A tokenizer for tests: a token a byte, two control tokens, and templates that do what those of model families do."""

import json
from collections.abc import Sequence

from tandem.finetuning.dataset.rows import Row, decoded
from tandem.finetuning.dataset.template import Template
from tandem.finetuning.dataset.tokenizer_files import Tokenizer

END = "<|im_end|>"
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# As Qwen's: tools in a system message, calls as JSON between tags; the answer after the last question has an empty
# thought, and earlier ones have none.
THINKING = (
    "{%- if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    "{%- set ns = namespace(last=0) %}"
    "{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{%- for m in messages %}"
    "{{- '<|im_start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' and loop.index0 > ns.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{- m.content.split('</think>')[-1].lstrip('\n') if m.role == 'assistant' else m.content }}"
    "{%- for call in m.tool_calls or [] %}<call>{{ call.function.arguments | tojson }}</call>{% endfor %}"
    "{{- '<|im_end|>\n' }}"
    "{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# As Mistral's v3: the system text stands in the last question, if that is not answered; the end is `</s>`.
LAST_TURN = (
    "{%- set system = messages[0].content if messages[0].role == 'system' else '' %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'user' %}[INST] {% if loop.last and system %}{{ system + '\n\n' }}{% endif %}"
    "{{ m.content }}[/INST]"
    "{%- elif m.role == 'assistant' %}{{ ' ' + m.content | trim + '</s>' }}{% endif %}"
    "{%- endfor %}"
)
# As that of Mistral 7B v0.1, in words of its own.
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('No system text') }}{% endif %}" + CHATML
# Llama 3.1's writes the call in place of what is said beside it.
CALL_ALONE = (
    "{{ tools | tojson if tools }}{% for m in messages %}"
    "[{{ m.role }}]{{ m.tool_calls | tojson if m.tool_calls else m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
FAMILIES = {"chatml": CHATML, "thinking": THINKING, "last turn": LAST_TURN}


def files(
    template: str = CHATML, control: Sequence[str] = ("<|im_start|>", END, "</s>"), **config: str
) -> dict[str, bytes]:
    """A model's tokenizer files; `config` is more of its configuration."""
    from tokenizers import AddedToken, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Fast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Fast(models.BPE(vocab={letter: at for at, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(token, special=True) for token in control])
    config = {"eos_token": END, "chat_template": template} | config
    return {"tokenizer.json": made.to_str().encode(), "tokenizer_config.json": json.dumps(config).encode()}


def template(source: str = CHATML, *control: str, **config: str) -> Template:
    return Template(Tokenizer(files(source, *([control] if control else []), **config)))


def row(*turns: dict, tools: list | None = None) -> Row:
    """A row as it is stored."""
    stored = {"messages": list(turns)} | ({"tools": tools} if tools else {})
    (made,) = decoded((json.dumps(stored) + "\n").encode(), "rows.jsonl")
    return made


def said(role: str, content: str, **more) -> dict:
    return {"role": role, "content": content, **more}


def text(made: Template, tokens: list[int]) -> str:
    return made.tokenizer._fast.decode(tokens, skip_special_tokens=False)


def learned(made: Template, of: Row) -> list[list[tuple[str, bool]]]:
    """Each sequence of a row as texts, with whether they are learned."""
    return [[(text(made, piece.tokens), piece.learned) for piece in pieces] for pieces in made.sequences(of)]
