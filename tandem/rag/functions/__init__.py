"""The Lambda handlers: they read the environment and the event, and call the modules that do the work."""
