"""Fine-tuning by a managed service: the OpenAI-compatible fine-tuning API in its two dialects."""
