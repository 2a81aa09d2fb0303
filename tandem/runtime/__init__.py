"""What every function and client stands on: AWS clients, retries, telemetry, signed HTTP, a circuit breaker, pages."""
