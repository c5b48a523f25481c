from settings_store.repository import SettingVersions

MODELS = [SettingVersions]
