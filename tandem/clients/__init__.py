"""Libraries for front ends: what a person's machine needs to use a stack, without a command line."""
