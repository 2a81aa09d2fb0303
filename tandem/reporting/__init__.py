"""How amounts, texts and tables are shown, for every report."""
