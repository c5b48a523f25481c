import os
import re
from dataclasses import dataclass

import click

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import Output, with_output

_MASK = "***"
_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)|(?<=password=)[^&]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    name: str
    value: str
    source: str


@click.command()
@with_output
def config(out: Output) -> None:
    """Show every setting in force, and where it comes from.

    That is the environment, the .env file of the working directory, or the default. Passwords are
    masked. A wrong setting is an error, after all of them were shown.

    \b
    Examples:
      pack-db config
      pack-db config --json | jq -r '.[] | select(.source != "default").name'
    """
    settings = configuration()
    out.rows([[_setting(settings, key) for key in ConfigKeys]], ("name", "value", "source"))
    settings.check()


def _setting(settings: Config, key: ConfigKeys) -> Setting:
    source = "default"
    if settings.environment.values.get(key):
        source = "environment" if key in os.environ else ".env"
    return Setting(name=key, value=_shown(settings, key), source=source)


def _shown(settings: Config, key: ConfigKeys) -> str:
    try:
        value = settings.get(key)
        if key is ConfigKeys.DB_URL and value:
            return _PASSWORD.sub(_MASK, settings.database_url or "")
    except ConfigurationError:
        return _MASK  # where its password begins and ends cannot be told
    return value
