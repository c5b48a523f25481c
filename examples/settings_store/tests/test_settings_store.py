import os
from pathlib import Path
from typing import Any

import pytest
from settings_store.factory import SettingsFactory
from settings_store.interface import SettingNotFound, SettingOutdated

from pack_db import Config


def test_settings_have_a_history(tmp_path: Path) -> None:
    factory = SettingsFactory(Config({"DB_PATH": str(tmp_path / "settings.db"), **os.environ}))
    factory.get_database_connection().run_migrations()
    store: Any = factory.get_services()["settings"]
    [colour, _] = store.change({"colour": "red", "size": "3"}, "ada")
    assert (store.get("colour"), colour.version) == (colour, 1)
    blue = store.replace(colour, "blue", "bob")
    with pytest.raises(SettingOutdated):
        store.replace(colour, "green", "eve")
    assert store.history("colour") == [blue, colour]
    assert store.revert("colour", 1, "ada").value == "red"
    assert [setting.version for setting in store.history("colour")] == [3, 2, 1]
    with pytest.raises(SettingNotFound):
        store.get("shape")
    with pytest.raises(SettingNotFound):
        store.revert("colour", 9, "ada")
    factory.close()
