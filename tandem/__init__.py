"""Runtime of Tandem: the code of its functions, its jobs and its command line."""
