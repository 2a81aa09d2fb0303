"""Retrieval-augmented generation: what runs in AWS Lambda.

From a document to the index: `documents`, `chunk`, `embed`, `stores`, put together by `ingest`.
From a question to an answer: `retrieve`, `answer`.
What is true about a document, and who works on it: `ledger` and `lease`. What repairs: `sweep`.
The handlers are in `functions`. Only the standard library, botocore and, in the readers of
`documents`, what `requirements.in` names may be imported here.
"""
