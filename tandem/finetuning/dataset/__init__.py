"""Data sets for fine-tuning: importers, splits, checks, the manifest, and where they are kept (standard library)."""
