"""The `tandem` command line. At the top, modules import only typer and the standard library, so that it starts fast."""
