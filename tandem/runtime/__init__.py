"""Shared by every function and client: AWS clients, retries, telemetry, signed HTTP, a circuit breaker, pages."""
