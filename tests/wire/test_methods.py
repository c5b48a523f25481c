from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pack_db.errors import InternalError, InvalidInput
from pack_db.interfaces.query import query
from pack_db_client.protocol.methods import Method, methods_of


@dataclass(frozen=True, kw_only=True)
class Note:
    text: str
    stars: int = 0


@dataclass(frozen=True, kw_only=True)
class Folder:
    name: str
    notes: tuple[Note, ...] = ()
    first: Note | None = None
    pair: tuple[int, Note] | None = None
    inner: "Folder | None" = None


class NoteRepo(ABC):
    @abstractmethod
    def add(self, note: Note, title: str = "untitled", *, pinned: bool = False) -> Note: ...

    @abstractmethod
    @query
    def find(self, after: str | None, limit: int = 10) -> list[Note]: ...

    @abstractmethod
    def move(self, source: str, *, target: str) -> None: ...

    @abstractmethod
    def file(self, folder: "Folder", labels: dict[str, list[Note]], other: Any = None) -> None: ...

    @abstractmethod
    def clear(self) -> None: ...

    def helper(self) -> int:
        return 1


METHODS = {method.function_name: method for method in methods_of("notes", NoteRepo)}
NOTE = {"text": "hello", "stars": 2}


def test_a_service_offers_the_abstract_methods_of_its_interface() -> None:
    assert list(METHODS) == ["add", "clear", "file", "find", "move"]
    assert METHODS["add"].name == "notes.add"
    assert [name for name, method in METHODS.items() if method.is_query] == ["find"]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("add", [NOTE], ((Note(text="hello", stars=2), "untitled"), {"pinned": False})),
        ("add", [{"text": "hello"}, "mine"], ((Note(text="hello"), "mine"), {"pinned": False})),
        (
            "add",
            {"note": NOTE, "pinned": True},
            ((Note(text="hello", stars=2), "untitled"), {"pinned": True}),
        ),
        ("find", [None], ((None, 10), {})),
        ("find", {"limit": 3, "after": "x"}, (("x", 3), {})),
        ("move", {"source": "a", "target": "b"}, (("a",), {"target": "b"})),
        ("clear", [], ((), {})),
        ("clear", {}, ((), {})),
    ],
)
def test_arguments_are_taken_by_place_or_by_name(
    name: str, arguments: Any, expected: tuple[Any, Any]
) -> None:
    assert METHODS[name].convert_arguments(arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("add", []),
        ("add", [NOTE, "mine", True]),  # `pinned` goes by name only
        ("add", [NOTE, None]),
        ("add", [NOTE, 5]),
        ("add", [[]]),
        ("add", ["text"]),
        ("add", [{}]),
        ("add", [{"text": 5}]),
        ("add", [{"text": "a", "stars": True}]),
        ("add", [{"text": "a", "stars": 1.0}]),
        ("add", [{"text": "a", "stars": "1"}]),
        ("add", {"note": NOTE, "pinned": 1}),
        ("add", {"note": NOTE, "self": 1}),
        ("add", {"note": NOTE, "colour": "blue"}),
        ("find", []),
        ("find", [b"x"]),
        ("find", ["x", 2.0]),
        ("find", {"after": None, "limit": None}),
        ("move", ["a"]),
        ("move", ["a", "b"]),
        ("move", {"target": "b"}),
        ("clear", [None]),
    ],
)
def test_arguments_that_do_not_fit_the_hints_are_refused(name: str, arguments: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"^notes\.{name}: "):
        METHODS[name].convert_arguments(arguments)


def test_what_is_said_about_a_wrong_argument_names_it_and_repeats_no_value() -> None:
    with pytest.raises(InvalidInput, match="stars") as caught:
        METHODS["add"].convert_arguments([{"text": "a", "stars": "secret"}])
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidInput, match="argument nte; it takes note, title, pinned"):
        METHODS["add"].convert_arguments({"nte": 1})
    for no_name in ("x" * 101, "a\nb", ""):
        with pytest.raises(InvalidInput, match="unknown argument; it takes note, title, pinned"):
            METHODS["add"].convert_arguments({no_name: 1})


TYPO = {"text": "hello", "starz": 2}


@pytest.mark.parametrize(
    "arguments",
    [
        [{"name": "x", "nmae": "y"}, {}],
        [{"name": "x", "notes": [NOTE, TYPO]}, {}],
        [{"name": "x", "first": TYPO}, {}],
        [{"name": "x", "pair": [1, TYPO]}, {}],
        [{"name": "x", "inner": {"name": "y", "inner": {"name": "z", "first": TYPO}}}, {}],
        [{"name": "x"}, {"a": [NOTE], "b": [TYPO]}],
        {"folder": {"name": "x", "nmae": "y"}, "labels": {}},
    ],
)
def test_an_unknown_field_is_refused_however_deep_it_is(arguments: Any) -> None:
    with pytest.raises(
        InvalidInput, match=r"notes\.file: \w+: unknown field( \w+)?; (Note|Folder) takes"
    ):
        METHODS["file"].convert_arguments(arguments)


def test_fields_that_are_known_and_what_has_no_fields_are_taken() -> None:
    inner = {"name": "y", "notes": [NOTE], "pair": [1, NOTE], "first": None}
    arguments = [{"name": "x", "inner": inner}, {"a": [NOTE], "b": []}, {"any": [TYPO]}]
    (folder, labels, other), _ = METHODS["file"].convert_arguments(arguments)
    assert folder.inner.notes == (Note(text="hello", stars=2),)
    assert (labels["a"], other) == ([Note(text="hello", stars=2)], {"any": [TYPO]})


def test_arguments_are_nested_32_deep_at_most() -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = [value]
        return [{"name": "x"}, {}, value]

    METHODS["file"].convert_arguments(nested(31))
    with pytest.raises(InvalidInput, match="32"):
        METHODS["file"].convert_arguments(nested(32))


def test_a_python_call_is_packed_by_place_or_by_name() -> None:
    note = Note(text="hello")
    assert METHODS["add"].pack_arguments((note, "mine"), {}) == (note, "mine")
    assert METHODS["add"].pack_arguments((note,), {"pinned": True}) == {
        "note": note,
        "pinned": True,
    }
    assert METHODS["clear"].pack_arguments((), {}) == ()


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("add", (), {}),
        ("add", (1, 2, 3), {}),
        ("add", (1,), {"note": 1}),
        ("add", (1,), {"colour": "blue"}),
        ("move", ("a",), {}),  # `target` has no default
    ],
)
def test_a_python_call_that_does_not_fit_the_signature_is_a_type_error(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        METHODS[name].pack_arguments(args, kwargs)


def test_packed_arguments_arrive_as_they_were_given() -> None:
    add = METHODS["add"]
    packed = add.pack_arguments(({"text": "a"},), {"pinned": True})
    assert add.convert_arguments(packed) == ((Note(text="a"), "untitled"), {"pinned": True})


def test_a_result_comes_back_as_the_object_that_was_returned() -> None:
    assert METHODS["add"].convert_result(NOTE) == Note(text="hello", stars=2)
    assert METHODS["find"].convert_result([NOTE]) == [Note(text="hello", stars=2)]
    assert METHODS["clear"].convert_result(None) is None


def test_a_result_of_another_type_is_an_error_of_pack_db() -> None:
    values: list[Any] = [{"text": 5}, None, []]
    for value in values:
        with pytest.raises(InternalError, match=r"^notes\.add: "):
            METHODS["add"].convert_result(value)


def no_hint(self, a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


def no_result(self, a: int): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201


def many(self: object, *args: int) -> None: ...


def any_name(self: object, **kwargs: int) -> None: ...


def by_place_only(self: object, a: int, /) -> None: ...


@pytest.mark.parametrize("function", [no_hint, no_result, many, any_name, by_place_only])
def test_a_method_that_cannot_travel_is_a_type_error_by_its_name(
    function: Callable[..., Any],
) -> None:
    with pytest.raises(TypeError, match=rf"notes\.{function.__name__}"):
        Method("notes", function)
