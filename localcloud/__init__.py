"""A stand-in for AWS on this machine, for development: used by its tests and by `tandem local` only."""
