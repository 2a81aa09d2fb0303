"""The parts of the local cloud: other people's software, started, made as strict as AWS, and stopped."""
