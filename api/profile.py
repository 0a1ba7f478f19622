"""A file of AWS settings with which boto3 and the aws CLI find the server and sign for it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api.provision import AccessKey

FILE_NAME = "aws-config"
PROFILE = "keytrail"


def write_profile(path: Path, key: "AccessKey", endpoint: str) -> None:
    """Write a new file for AWS_CONFIG_FILE, mode 0600, with one profile: `keytrail`.

    Raises FileExistsError: an older file may hold the only copy of another secret.
    """
    text = (
        f"# Made by `keytrail init` for account {key.account}. It holds a secret.\n"
        f"[profile {PROFILE}]\n"
        f"endpoint_url = {endpoint}\n"
        f"region = {key.region}\n"
        f"aws_access_key_id = {key.access_key_id}\n"
        f"aws_secret_access_key = {key.secret_access_key}\n"
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
