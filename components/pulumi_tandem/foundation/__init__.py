"""What every environment stands on: buckets, queues, functions, endpoints, names, validation."""
