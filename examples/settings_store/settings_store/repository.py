from datetime import UTC, datetime

import peewee

from pack_db import ConstraintViolated, DatabaseConnection
from settings_store.interface import Setting, SettingNotFound, SettingOutdated, SettingsStore


class SettingVersions(peewee.Model):
    name = peewee.TextField()
    version = peewee.IntegerField()
    value = peewee.TextField()
    changed_by = peewee.TextField()
    changed_at = peewee.DoubleField()  # Unix seconds

    class Meta:
        primary_key = peewee.CompositeKey("name", "version")


class PeeweeSettingsStore(SettingsStore):
    def __init__(self, database: DatabaseConnection) -> None:
        database.bind(SettingVersions)
        self._database = database

    def get(self, name: str) -> Setting:
        for setting in self.history(name):
            return setting
        raise SettingNotFound(f"there is no setting {name}")

    def history(self, name: str) -> list[Setting]:
        found = SettingVersions.select().where(SettingVersions.name == name)
        return [*map(_setting, found.order_by(SettingVersions.version.desc()).limit(100))]

    def change(self, values: dict[str, str], changed_by: str) -> list[Setting]:
        with self._database.transaction():
            last = {name: sum(s.version for s in self.history(name)[:1]) for name in values}
            return [
                self._add(name, value, last[name] + 1, changed_by) for name, value in values.items()
            ]

    def replace(self, seen: Setting, value: str, changed_by: str) -> Setting:
        return self._add(seen.name, value, seen.version + 1, changed_by)

    def revert(self, name: str, version: int, changed_by: str) -> Setting:
        with self._database.transaction():
            former = SettingVersions.get_or_none(name=name, version=version)
            if former is None:
                raise SettingNotFound(f"there is no version {version} of the setting {name}")
            [setting] = self.change({name: former.value}, changed_by)
            return setting

    def _add(self, name: str, value: str, version: int, changed_by: str) -> Setting:
        now = datetime.now(UTC).timestamp()
        try:
            made = SettingVersions.create(
                name=name, version=version, value=value, changed_by=changed_by, changed_at=now
            )
        except ConstraintViolated as exc:
            raise SettingOutdated(f"somebody else has changed {name}; read it again") from exc
        return _setting(made)


def _setting(row: SettingVersions) -> Setting:
    changed_at = datetime.fromtimestamp(row.changed_at, UTC)
    return Setting(row.name, row.value, row.version, row.changed_by, changed_at)
