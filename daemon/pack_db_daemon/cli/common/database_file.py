from pathlib import Path

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError


def database_file(config: Config, instead: str) -> Path:
    """Where the database is, for a command that can do nothing about a server.

    Args:
        instead: what to do about a server.

    Raises:
        ConfigurationError: the database is on a server.
    """
    if config.database_url is not None:
        raise ConfigurationError(
            f"{ConfigKeys.DB_URL} is set, and this command only knows the file "
            f"{ConfigKeys.DB_PATH}; {instead}, or set {ConfigKeys.DB_URL} to nothing to mean the "
            "file"
        )
    return config.database_path
