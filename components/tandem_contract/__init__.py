"""Shared by `pulumi_tandem` and `tandem`: errors, checks, and the facts that both must agree on, each once.

The standard library alone: both halves import it, and so do functions and training jobs. It lies beside
`pulumi_tandem`, so that a plugin that was fetched by path finds it without the repository's root on `sys.path`
(docs/adr/0011).
"""

__version__ = "0.1.0"  # of all distributions in this repository
