"""US dollars as text."""

from decimal import ROUND_HALF_UP, Decimal

from ..summary import Figure

NONE, OPEN = "none", "?"


def money(usd: Decimal) -> str:
    """Cents from a dollar on, below it two digits: `$1,519.10`, `$0.46`, `$0.0042`."""
    if not usd:
        return "$0.00"
    places = 2 if abs(usd) >= 1 else max(2, 1 - usd.adjusted())
    whole, _, cents = f"{abs(usd).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}".partition(".")
    return f"{'-' if usd < 0 else ''}${whole}.{cents.rstrip('0'):0<2}"


def signed(usd: Decimal) -> str:
    """A difference: with its sign, unless it is none."""
    return f"+{money(usd)}" if usd > 0 else money(usd)


def before(figure: Figure) -> str:
    """What it was; `+ ?`: something NOT PRICED comes on top."""
    return _side(figure.before, figure.before_open)


def after(figure: Figure) -> str:
    """What it will be."""
    return _side(figure.after, figure.after_open)


def delta(figure: Figure) -> str:
    """By how much it moves; `± ?`: something NOT PRICED moves as well."""
    if figure.delta is None:
        return OPEN if figure.delta_open else NONE
    return signed(figure.delta) + (" ± ?" if figure.delta_open else "")


def plain(usd: Decimal) -> str:
    """All digits, without an exponent, as a program reads it."""
    text = f"{usd:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if usd else "0"


def _side(usd: Decimal | None, is_open: bool) -> str:
    if usd is None:
        return OPEN if is_open else NONE
    return money(usd) + (" + ?" if is_open else "")


def digits(quantity: Decimal) -> str:
    """A quantity, to six significant digits."""
    return plain(Decimal(f"{quantity:.6g}"))
