"""Values of spreadsheet cells as a person sees them: `12%`, `29.11.2026`, `1,250.00 EUR`."""

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from openpyxl.cell.rich_text import CellRichText, TextBlock

from .ooxml import superscript

# Dates that each reader sees in the order of their own country are written so that nobody mistakes them.
OF_THE_COUNTRY = {"mm-dd-yy", "m/d/yy h:mm", "m/d/yyyy", "m/d/yy", "mm/dd/yy"}
DATE_TOKEN = re.compile(r'(y+|m+|d+|h+|s+|am/pm)|"([^"]*)"|\\(.)|\[[^\]]*\]|_.|\*.|([a-z0#?@])|(.)', re.IGNORECASE)
DATE_PARTS = {
    "yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m", "dddd": "%A", "ddd": "%a", "dd": "%d",
    "hh": "%H", "ss": "%S", "am/pm": "%p",
}  # fmt: skip

SECTIONS = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
NUMBER_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<currency>[^\]\-]*)[^\]]*\]|(?P<condition>\[[<>=][^\]]*\])|\[[^\]]*\]'
    r"|_.|\*.|(?P<exponent>[Ee][+\-]0+)|(?P<digits>[#0?][#0?,]*(?:\.[#0?]*,*)?|\.[#0?]+)|(?P<percent>%)"
    r"|(?P<general>General)|(?P<literal>.)"
)


def shown(cell: Any) -> str:
    """What a cell of openpyxl shows."""
    value = cell.value
    if isinstance(value, CellRichText):
        return _rich(value)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    form = cell.number_format or "General"
    if isinstance(value, (datetime, date, time)):
        return _date(value, form)
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if "s" in form or seconds else "")
    return _number(value, form) if isinstance(value, (int, float)) else str(value)


def _rich(parts: CellRichText) -> str:
    text = ""
    for part in parts:
        raised = isinstance(part, TextBlock) and part.font.vertAlign == "superscript"
        text += superscript(text, str(part)) if raised else str(part)
    return text


def _date(value: datetime | date | time, form: str) -> str:
    moment = datetime.combine(date(1900, 1, 1), value) if isinstance(value, time) else value
    text = None if form.lower() in OF_THE_COUNTRY else _date_in(moment, form.split(";")[0])
    if text is not None:
        return text
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    return value.isoformat()


def _date_in(moment: date, form: str) -> str | None:
    """A date in a format, None for a format with more than its usual parts."""
    tokens = list(DATE_TOKEN.finditer(form))
    letters = [token[1].lower() if token[1] else "" for token in tokens]
    order = [each[0] for each in letters if each]
    pieces, seen = [], 0
    for token, part in zip(tokens, letters, strict=True):
        if token[4]:
            return None
        if not part:
            pieces.append(token[2] or token[3] or token[5] or "")
            continue
        before, after = order[seen - 1] if seen else "", order[seen + 1] if seen + 1 < len(order) else ""
        seen += 1
        if part[0] == "m" and len(part) < 3 and (before == "h" or after == "s"):
            directive = "%M"
        elif part[0] == "h" and "a" in order:
            directive = "%I"
        else:
            directive = DATE_PARTS.get(part) or DATE_PARTS.get(part * 2)
        if directive is None:
            return None
        text = moment.strftime(directive)
        pieces.append(text.lstrip("0") or "0" if len(part) == 1 and part in "dmhs" else text)
    return "".join(pieces).strip() or None


class _Form(NamedTuple):
    """One section of a number's format."""

    before: str
    digits: str | None
    after: str
    percents: int
    exponent: bool


@lru_cache(1000)
def _forms(form: str) -> tuple[_Form, ...] | None:
    """The sections of a format for positive numbers, negative ones and zero; None for one to be shown as it is."""
    found = []
    for section in SECTIONS.split(form)[:3]:
        sides, digits, percents, exponent = ["", ""], None, 0, False
        for token in NUMBER_TOKEN.finditer(section):
            kind, text = token.lastgroup, token[token.lastgroup] if token.lastgroup else ""
            if kind in ("condition", "general") or (kind == "digits" and (digits is not None or "?" in text)):
                return None
            if kind == "digits":
                digits = text
            elif kind == "exponent":
                exponent = True
            else:
                percents += kind == "percent"
                sides[digits is not None] += text
        found.append(_Form(sides[0].lstrip(), digits, sides[1].rstrip(), percents, exponent))
    return tuple(found)


def _number(value: int | float, form: str) -> str:
    forms = _forms(form) if form not in ("General", "@") else None
    if forms is None or value != value or value in (float("inf"), float("-inf")):
        return str(value) if isinstance(value, int) else f"{value:.15g}"  # a cell holds 15 digits
    number = Decimal(repr(value))
    chosen, sign = forms[0], "-" if value < 0 else ""
    if len(forms) > 1 and value < 0:
        chosen, sign = forms[1], ""
    elif len(forms) > 2 and value == 0:
        chosen = forms[2]
    if chosen.digits is None:
        return (sign + chosen.before + chosen.after).strip()
    text = _digits(abs(number) * 100**chosen.percents, chosen)
    return sign * any(digit in text for digit in "123456789") + chosen.before + text + chosen.after


def _digits(number: Decimal, form: _Form) -> str:
    digits = form.digits or ""
    whole, _, fraction = digits.rstrip(",").partition(".")
    number /= 1000 ** (len(digits) - len(digits.rstrip(",")))  # a comma at the end shows thousands
    if form.exponent:
        return f"{number:.{len(fraction)}E}"
    rounded = number.quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP) if number < 10**20 else number
    text = f"{rounded:{',' if ',' in whole else ''}f}"
    if "." in text:
        kept = text.partition(".")[0], text.partition(".")[2]
        optional = len(fraction) - fraction.count("0")
        trimmed = kept[1]
        while optional and trimmed.endswith("0"):
            trimmed, optional = trimmed[:-1], optional - 1
        text = f"{kept[0]}.{trimmed}" if trimmed else kept[0]
    zeros = whole.count("0")
    return text.zfill(zeros + len(text) - len(text.partition(".")[0])) if zeros > 1 and "," not in text else text
