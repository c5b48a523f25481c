import pytest
from settings_store.interface import SettingNotFound, SettingOutdated, SettingsStore

from pack_db_client import PackDb


@pytest.fixture(scope="session")
def pack_db_service_factory() -> str:
    return "settings_store.factory:SettingsFactory"


def test_settings_have_a_history(pack_db: PackDb) -> None:
    store = pack_db.service("settings", SettingsStore)
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
