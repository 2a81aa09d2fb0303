"""Words as the official script of SQuAD 2.0 has them, for numbers that are held against published ones.

`normalize_answer` of evaluate-v2.0.py (Rajpurkar et al., "Know What You Don't Know", arXiv:1806.03822): lower case,
ASCII punctuation and the English articles dropped, split at white space. It reads the label A as nothing, 1.5 as 15.
"""

import re
import string

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def words(text: str) -> list[str]:
    """The words of a text; a text of articles and punctuation alone has none."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()
