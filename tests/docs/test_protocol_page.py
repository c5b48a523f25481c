"""`docs/protocol.md` is complete: a client in another language has nothing else to go by."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from pack_db import errors
from pack_db.interfaces.entities import account, database_status, token
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol import daemon_service
from pack_db_daemon.dispatch.method_table import methods_by_name, with_daemon_service

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ROWS = {row.split("|")[1].strip(" `"): row for row in PAGE.splitlines() if row.startswith("| ")}
METHODS = methods_by_name(with_daemon_service(SERVICES))
ENTITIES = {
    entity
    for module in (account, database_status, token, daemon_service)
    for entity in vars(module).values()
    if isinstance(entity, type) and is_dataclass(entity)
}
# These do not travel: a program meets them in its own process, or when a daemon starts.
AT_HOME = {
    errors.CallTimeout,
    errors.ClientClosed,
    errors.ClocksDiffer,
    errors.ConfigurationError,
    errors.DatabaseInUse,
    errors.MessageTooLarge,
    errors.NoDaemon,
    errors.NotFound,
    errors.OutcomeUnknown,
    errors.PackDbError,
    errors.Unavailable,
    errors.WrongDatabase,
}
TRAVELLING = {
    error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.PackDbError)
} - AT_HOME


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_row_with_its_parameters(name: str) -> None:
    row = ROWS[name]
    parameters = METHODS[name].signature.parameters
    assert re.findall(r"`(\w+)`:", row) == list(parameters)
    assert row.endswith("| query |") == METHODS[name].is_query


@pytest.mark.parametrize("entity", sorted(ENTITIES, key=str), ids=lambda entity: entity.__name__)
def test_an_entity_has_a_row_with_its_fields(entity: type) -> None:
    row = ROWS[entity.__name__]
    for field in fields(entity):
        assert f"`{field.name}`" in row


@pytest.mark.parametrize("error", sorted(TRAVELLING, key=str), ids=lambda error: error.__name__)
def test_an_error_has_a_row_with_its_code(error: type[errors.PackDbError]) -> None:
    assert error.code in ROWS


def test_no_row_is_about_a_method_that_is_gone() -> None:
    assert {name for name in ROWS if re.fullmatch(r"\w+\.\w+", name)} == set(METHODS)
