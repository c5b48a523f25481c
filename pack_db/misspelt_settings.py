import difflib
import re

from pack_db.config import ConfigKeys
from pack_db.environment import Environment

# DB_USER, DB_PASS and DATABASE_URL of an application's own are further away from any of ours.
_LIKENESS = 0.8
_PREFIX = re.compile(r"PACK_?DB_|PACK_", re.IGNORECASE)
_OUR_PREFIX = "PACK_DB_"


def misspelt_settings(environment: Environment) -> dict[str, ConfigKeys]:
    """Keys that are no setting but look like one -> the setting.

    Of the environment, which has the variables of all kinds of programs, only keys that begin
    with our own name are looked at.
    """
    ours = {key for key in environment.values if key.startswith(_OUR_PREFIX)}
    meant = {key: _nearest(key) for key in sorted(environment.file_keys | ours)}
    return {
        key: nearest
        for key, nearest in meant.items()
        if nearest is not None and key not in list(ConfigKeys)
    }


def _nearest(key: str) -> ConfigKeys | None:
    upper = key.upper()
    # PACK_DB_PATH may be short for PACK_DB_DB_PATH.
    for name in (upper.removeprefix("PACK_"), _PREFIX.sub("", upper)):
        for near in difflib.get_close_matches(name, list(ConfigKeys), n=1, cutoff=_LIKENESS):
            return ConfigKeys(near)
    return None
