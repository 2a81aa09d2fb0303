"""What keeps a text from being markup."""

import html


def inert(text: str) -> str:
    """A line for Markdown in which nothing is markup, nor mentions anybody."""
    safe = html.escape(text, quote=False)
    for sign in "\\`*_[]|~":
        safe = safe.replace(sign, f"\\{sign}")
    return safe.replace("@", "@\u200b")
