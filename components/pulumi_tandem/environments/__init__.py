"""Whole environments: thin compositions of the components beside them."""
