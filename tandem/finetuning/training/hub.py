"""The Hugging Face hub's token for gated models, read by the job itself: no listing of its environment has it."""

import os
import re
from typing import Any

from tandem_contract.names import Variable

from . import models
from .layout import Refused

TOKEN = "HF_TOKEN"  # noqa: S105 (where Hugging Face's libraries look for it)
BARE = re.compile(r"[\w.~+/=-]+", re.ASCII)  # a token of a header (RFC 6750); the console makes JSON unless told not to


def sign_in() -> None:
    """Give this process and those that it starts the token of the secret that the stack names, if it names one.

    A token that is there already stays. Raises `Refused` for a secret that can't be read, and never shows it.
    """
    secret = os.environ.get(Variable.HUB_TOKEN_ARN)
    if not secret or os.environ.get(TOKEN):
        return
    models.need(("boto3",))
    try:
        text = _client(secret.split(":")[3]).get_secret_value(SecretId=secret).get("SecretString", "").strip()
    except Exception as error:  # botocore's, which has no class for all of them
        raise Refused(
            f"The secret of tandem:hubTokenSecret can't be read: {models.first_line(error)} With a KMS key of your "
            "own, its policy has to let the jobs' role decrypt."
        ) from error
    if not BARE.fullmatch(text):
        raise Refused(
            f"The secret {secret} of tandem:hubTokenSecret has to hold the token as its text, and nothing else."
        )
    os.environ[TOKEN] = text


def _client(region: str) -> Any:
    import boto3

    return boto3.client("secretsmanager", region_name=region)
