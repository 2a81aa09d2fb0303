"""The real Pulumi engine, found or built, and a stand-in for the pulumi-aws plugin."""
