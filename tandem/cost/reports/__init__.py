"""An estimate's summary as text, as a comment on a pull request, and as JSON."""
