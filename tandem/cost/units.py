"""Units of prices."""

from decimal import Decimal

from tandem_contract import usage

HOURS_A_MONTH = Decimal(usage.HOURS_A_MONTH)
MILLION = Decimal(1_000_000)
QUERIES = 1000
"""For which a price of questions is said."""
MOST = 1e12
"""Of anything more than AWS has: an amount beyond it is a mistake, and sums of such amounts aren't exact."""
