"""What an environment has where nothing else is given, as far as advice and prices go by it too."""

EMBEDDER = "amazon.titan-embed-text-v2:0"
GENERATOR = "amazon.nova-lite-v1:0"
ENDPOINT_INSTANCE = "ml.g6e.xlarge"
