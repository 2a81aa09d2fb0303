"""Cost estimates from dated price rows; nothing here calls AWS."""
