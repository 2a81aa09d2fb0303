"""Runtime of Tandem: the code of its functions, its jobs and its command line."""

from tandem_contract import __version__ as __version__
