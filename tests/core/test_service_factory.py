import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

import pack_db
from pack_db.config import Config
from pack_db.errors import PackDbError
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from tests.support.services import existing


def test_there_is_one_factory_until_it_is_reset(factory: ServiceFactory) -> None:
    assert ServiceFactory.get_instance() is factory
    ServiceFactory.reset()
    assert ServiceFactory.get_instance() is not factory


def test_the_one_factory_may_be_given_its_configuration(config: Config) -> None:
    class WithoutArguments(ServiceFactory):
        def __init__(self) -> None:
            super().__init__()

    factory = WithoutArguments.get_instance(config)
    assert factory.get_config() is config
    assert ServiceFactory.get_instance() is factory
    ServiceFactory.reset()


def test_a_factory_of_ones_own_is_closed_with_what_it_opened(config: Config) -> None:
    with closing(ServiceFactory(config)) as own:
        accounts = own.get_account_repo()
        own.get_database_connection().run_migrations()
        assert accounts.list_accounts() == []
    with pytest.raises(PackDbError):
        accounts.list_accounts()
    ServiceFactory(config).close()  # nothing was opened


def test_everything_is_created_once(factory: ServiceFactory) -> None:
    assert factory.get_config() is factory.get_config()
    assert factory.get_database_connection() is factory.get_database_connection()
    assert factory.get_account_repo() is factory.get_account_repo()
    assert factory.get_token_repo() is factory.get_token_repo()
    assert factory.get_reply_journal() is factory.get_reply_journal()
    assert factory.get_services()["accounts"] is factory.get_account_repo()
    assert factory.get_services()["tokens"] is factory.get_token_repo()


def test_threads_that_ask_at_once_get_the_same(config: Config) -> None:
    factory = ServiceFactory(config)
    all_there = threading.Barrier(8)

    def ask() -> object:
        all_there.wait()
        factory.get_token_repo()
        return factory.get_database_connection()

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        assert {future.result() for future in asked} == {factory.get_database_connection()}
    factory.get_database_connection().close()


def test_all_that_is_public_is_imported_from_the_package_itself() -> None:
    for name, module in pack_db._MODULES.items():
        assert getattr(pack_db, name) is getattr(import_module(module), name)
    with pytest.raises(AttributeError, match="nothing_else"):
        _ = pack_db.nothing_else  # type: ignore[attr-defined]


def test_type_checkers_are_told_the_same_as_programs() -> None:
    source = Path(pack_db.__file__).read_text()
    told = re.findall(r"^    from (\S+) import (\w+) as \2$", source, re.MULTILINE)
    assert {name: module for module, name in told} == pack_db._MODULES


def test_nothing_is_created_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DB_PATH", str(tmp_path / "pack.db"))
    factory = ServiceFactory.get_instance()
    factory.get_config()
    assert list(tmp_path.iterdir()) == []
    factory.get_account_repo()
    assert (tmp_path / "pack.db").exists()
    ServiceFactory.reset()


def test_the_configuration_is_read_anew_after_a_reset(
    factory: ServiceFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ServiceFactory.reset()
    monkeypatch.setenv("DB_PATH", str(tmp_path / "other.db"))
    anew = ServiceFactory.get_instance()
    assert anew.get_database_connection().location == str(tmp_path / "other.db")


def test_what_was_written_is_there_after_a_reset(factory: ServiceFactory) -> None:
    account = factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))
    ServiceFactory.reset()
    anew = ServiceFactory.get_instance()
    assert anew.get_database_connection().run_migrations() == []
    assert existing(anew.get_account_repo().get_account(account.id)).email == "a@example.com"


def test_a_repository_kept_beyond_the_reset_is_closed(factory: ServiceFactory) -> None:
    """It no longer holds the lock: another process may own the database by now."""
    accounts = factory.get_account_repo()
    ServiceFactory.reset()
    with pytest.raises(PackDbError):
        accounts.create_account(CreateAccountInput(email="late@example.com"))
    with pytest.raises(PackDbError):
        accounts.list_accounts()


def test_a_reset_of_nothing_does_nothing() -> None:
    ServiceFactory.reset()
    ServiceFactory.reset()


def test_a_factory_of_another_class_is_not_handed_out(factory: ServiceFactory) -> None:
    class OtherFactory(ServiceFactory):
        pass

    with pytest.raises(TypeError, match="ServiceFactory"):
        OtherFactory.get_instance()
    ServiceFactory.reset()
    other = OtherFactory.get_instance()
    assert ServiceFactory.get_instance() is other


def test_the_core_works_in_process_without_a_socket_library(tmp_path: Path) -> None:
    program = """
import sys
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput

factory = ServiceFactory.get_instance()
factory.get_database_connection().run_migrations()
account = factory.get_account_repo().create_account(CreateAccountInput(email="user@example.com"))
print(factory.get_token_repo().consume_tokens(account.id, 1).total)
ServiceFactory.reset()
print(sorted({"zmq", "msgpack", "pack_db_client", "pack_db_daemon"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"DB_PATH": str(tmp_path / "pack.db")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["999", "[]"]
