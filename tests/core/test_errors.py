"""Errors are the same after every journey: over the wire, through pickle and through copies."""

import copy
import importlib.util
import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pack_db import errors
from pack_db.errors import (
    EmailTaken,
    InsufficientTokens,
    NotFound,
    PackDbError,
    details_to_send,
    error_from_wire,
)
from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.entities.database_status import DatabaseStatus
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance
from pack_db_client.protocol import daemon_service

Journey = Callable[[Any], Any]


class ThingNotFound(NotFound):
    """Its constructor takes something else than a message."""

    code = "test_thing_not_found"
    thing_id: int
    colour: str = "red"

    def __init__(self, thing_id: int) -> None:
        super().__init__(f"no thing {thing_id}", thing_id=thing_id)


class BlueThingNotFound(ThingNotFound):
    code = "test_blue_thing_not_found"
    shade: int

    def __init__(self, thing_id: int, shade: int) -> None:
        super().__init__(thing_id)
        self.shade = shade


class KeyNotFound(NotFound, KeyError):
    code = "test_key_not_found"


@dataclass(frozen=True)
class FrozenError(PackDbError):
    code = "test_frozen"
    thing_id: int


def over_the_wire(error: PackDbError) -> PackDbError:
    return error_from_wire(error.code, str(error), details_to_send(error))


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


JOURNEYS = [over_the_wire, pickled, copy.copy, copy.deepcopy]


@pytest.mark.parametrize("journey", JOURNEYS)
@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (InsufficientTokens("few", requested=5, remaining=3), {"requested": 5, "remaining": 3}),
        (EmailTaken("taken", by={"who": ["x"]}), {}),
        (ThingNotFound(5), {"thing_id": 5, "colour": "red"}),
        (BlueThingNotFound(5, 7), {"thing_id": 5, "colour": "red", "shade": 7}),
        (KeyNotFound("no key"), {}),
        (FrozenError(5), {"thing_id": 5}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_stays_what_it_is(
    error: PackDbError, attributes: dict[str, Any], journey: Journey
) -> None:
    arrived = journey(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.details.items() >= error.details.items()
    assert {name: getattr(arrived, name) for name in attributes} == attributes


@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_error_of_pack_db_stays_what_it_is(journey: Journey) -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    for cls in classes:
        if issubclass(cls, PackDbError):
            arrived = journey(cls("what happened", number=1))
            assert (type(arrived), str(arrived)) == (cls, "what happened")
            assert arrived.details == {"number": 1}


@pytest.mark.parametrize("journey", JOURNEYS)
def test_an_error_that_is_not_known_here_keeps_its_code(journey: Journey) -> None:
    arrived = journey(error_from_wire("from_the_future", "news", {"when": 1}))
    assert (type(arrived), arrived.code, str(arrived)) == (PackDbError, "from_the_future", "news")
    assert arrived.details == {"when": 1}


@pytest.mark.parametrize("journey", [pickled, copy.copy, copy.deepcopy])
def test_every_entity_stays_what_it_is(journey: Journey) -> None:
    database = DatabaseStatus(
        engine="x", path="x", size_bytes=1, schema_version="x", durability="x", health="x"
    )
    for entity in (
        Account(
            id="x",
            email="x",
            api_key="x",
            plan_name="x",
            token_remaining=1,
            topup_remaining=1,
            status=1,
            created_at=1,
            updated_at=1,
        ),
        CreateAccountInput(email="x"),
        UpdateAccountInput(),
        TokenBalance(account_id="x", token_remaining=1, topup_remaining=1),
        LedgerEntry(
            account_id="x",
            number=1,
            kind="opening",
            amount=1,
            token_remaining=1,
            topup_remaining=1,
            created_at=1,
        ),
        database,
        daemon_service.QueueStatus(messages=1, waited=1),
        daemon_service.ConnectedProcess(pid=1, user_id=1, program=None, connections=1),
    ):
        assert journey(entity) == entity
        assert type(journey(entity)) is type(entity)


def test_an_attribute_without_a_detail_is_none_or_what_its_class_says() -> None:
    error = error_from_wire(ThingNotFound.code, "no thing", {})
    assert isinstance(error, ThingNotFound)
    assert vars(error)["thing_id"] is None
    assert error.colour == "red"


CELL = """
from pack_db.errors import NotFound
class CellNotFound(NotFound):
    code = "test_cell_not_found"
"""


def test_a_class_that_is_defined_again_takes_the_place_of_the_former() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(CELL, names)
    former = names["CellNotFound"]
    exec(CELL, names)
    assert names["CellNotFound"] is not former
    assert type(error_from_wire("test_cell_not_found", "x", {})) is names["CellNotFound"]


def test_a_module_that_is_imported_under_two_names_defines_its_errors_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cells.py"
    path.write_text(CELL.replace("cell", "module"))
    for name in ("cells", "package.cells"):
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        arrived = error_from_wire("test_module_not_found", "x", {})
        assert type(arrived) is module.CellNotFound


def test_two_classes_with_one_code_are_refused() -> None:
    with pytest.raises(TypeError) as caught:

        class OtherNotFound(NotFound):
            code = "test_thing_not_found"

    assert "OtherNotFound and " in str(caught.value)
    assert "ThingNotFound share the code 'test_thing_not_found'; give one" in str(caught.value)
    assert type(error_from_wire("test_thing_not_found", "x", {})) is ThingNotFound


def test_two_modules_with_a_class_of_one_name_and_one_code_are_refused() -> None:
    exec(compile(CELL.replace("test_cell", "test_a"), "a.py", "exec"), {"__name__": "a"})
    with pytest.raises(TypeError, match=r"b\.CellNotFound and a\.CellNotFound share the code"):
        exec(compile(CELL.replace("test_cell", "test_a"), "b.py", "exec"), {"__name__": "b"})
