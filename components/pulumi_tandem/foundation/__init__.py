"""Parts that every environment uses: buckets, queues, functions, endpoints, names, validation."""
