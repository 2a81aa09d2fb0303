"""A report of runs: one page, or a summary in Markdown."""
