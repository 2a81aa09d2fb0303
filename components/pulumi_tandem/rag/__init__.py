"""Components of retrieval-augmented generation."""
