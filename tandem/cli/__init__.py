"""The `tandem` command line. Modules here import only typer and the standard library at the top, so that it starts fast."""
