"""Rules on what a stack is about to create, as policies for the Pulumi engine (docs/policies.md)."""
