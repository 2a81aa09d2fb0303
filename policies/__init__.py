"""The policy pack: rules on what a stack is about to create (docs/policies.md)."""
