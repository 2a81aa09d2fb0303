"""Defaults of an environment that advice and prices use too."""

EMBEDDER = "amazon.titan-embed-text-v2:0"
GENERATOR = "amazon.nova-lite-v1:0"
ENDPOINT_INSTANCE = "ml.g6e.xlarge"
