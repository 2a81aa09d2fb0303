"""US dollars as text."""

from decimal import ROUND_HALF_UP, Decimal


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


def plain(usd: Decimal) -> str:
    """All digits, without an exponent, as a program reads it."""
    text = f"{usd:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if usd else "0"


def digits(quantity: Decimal) -> str:
    """A quantity, to six significant digits."""
    return plain(Decimal(f"{quantity:.6g}"))
