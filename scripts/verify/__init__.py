"""Verifies a stack on a real AWS account, and finds and removes what a killed verification left.

The price, consent by the account's id, `up`, use, probes, `destroy`, an audit, and then the log (docs/verified.md) and
the days of the facts that an account showed (docs/aws-facts-seen.json). A journal is written before each step.
"""
