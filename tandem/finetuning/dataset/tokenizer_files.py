"""A model's tokenizer and chat template from its files, without transformers: as much as counting tokens needs."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

from .settled import by_name
from .template import CHATML

TOKENIZER = "tokenizer.json"
FILES = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


class Tokenizer:
    """What `template.Template` needs of transformers' tokenizers, with the same results."""

    def __init__(self, files: Mapping[str, bytes], place: str = TOKENIZER) -> None:
        """Read `FILES` by name; all but the first, which mistakes call `place`, may be absent.

        A model without a template has ChatML, and another's is settled, as in training. Raises ImportError without the
        package `tokenizers`, `TandemError` for what is no tokenizer and for a template that can't be settled.
        """
        from tokenizers import Tokenizer as Fast

        try:
            self._fast = Fast.from_str(files[TOKENIZER].decode())
        except Exception as error:  # the package raises nothing narrower
            raise TandemError(f"{place} is no {TOKENIZER} ({error}).") from error
        self._fast.no_truncation()  # both are kept in the file, and would hide the length
        self._fast.no_padding()
        self.added_tokens_decoder: dict[int, Any] = self._fast.get_added_tokens_decoder()
        config = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            config |= json.loads(files.get(name) or b"{}")
        self._special = {"eos_token": "<|im_end|>"} | {name: _text(config[name]) for name in NAMED if config.get(name)}
        self.eos_token = self._special["eos_token"]
        own = (files.get("chat_template.jinja") or b"").decode()
        self._sources = by_name(own or config.get("chat_template") or CHATML)

    def apply_chat_template(self, conversation: Any, *, tools: Any = None, **options: Any) -> str:
        """The conversation as the model's template writes it."""
        named = "tool_use" if tools and "tool_use" in self._sources else "default"
        if named not in self._sources:
            raise TandemError(f"it has no default template, but {', '.join(self._sources)}")
        options.pop("tokenize", None)
        options = {"add_generation_prompt": False, "documents": None} | options
        return _compiled(self._sources[named]).render(messages=conversation, tools=tools, **self._special, **options)

    def __call__(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool = False) -> dict[str, Any]:
        """The tokens of a text."""
        self._fast.encode_special_tokens = split_special_tokens
        return {"input_ids": self._fast.encode(text, add_special_tokens=add_special_tokens).ids}


def beside(file: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, with what lies beside it in a model's folder; raises as `Tokenizer`."""
    found = {name: file.with_name(name) for name in FILES} | {TOKENIZER: file}
    return Tokenizer({name: path.read_bytes() for name, path in found.items() if path.is_file()}, str(file))


def _text(token: Any) -> str:
    return token["content"] if isinstance(token, Mapping) else token


_cache: dict[str, Any] = {}


def _compiled(source: str) -> Any:
    """The template, in an environment like that of transformers (utils/chat_template_utils.py)."""
    if source not in _cache:
        from jinja2 import TemplateError, nodes
        from jinja2.ext import Extension
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Generation(Extension):
            """`{% generation %}`, which marks what an assistant says and writes nothing."""

            tags = {"generation"}  # noqa: RUF012 - jinja2's own way

            def parse(self, parser: Any) -> Any:
                line = next(parser.stream).lineno
                body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
                return nodes.Scope(body).set_lineno(line)

        def refuse(message: str) -> None:
            raise TemplateError(message)

        def to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:  # jinja2's own is for HTML
            return json.dumps(value, ensure_ascii=ensure_ascii, **options)

        def now(form: str) -> str:
            return datetime.datetime.now().strftime(form)

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = to_json
        _cache[source] = environment.from_string(source, {"raise_exception": refuse, "strftime_now": now})
    return _cache[source]
