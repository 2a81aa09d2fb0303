"""Amounts, texts and tables as every report shows them."""
