"""What is wrong with arguments, in words for people instead of msgspec's."""

import re

_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?(.*)`$", re.DOTALL)
_KIND = re.compile("`([a-z |0-9]+)`")
_MISSING = re.compile("Object missing required field `(.*)`")
_EXPECTED = {
    "array": "an array",
    "bool": "true or false",
    "bytes": "bytes",
    "date": "a date as text",
    "datetime": "a datetime as text",
    "decimal": "a decimal number as text",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "text",
    "uuid": "a UUID as text",
}
_GOT = {**_EXPECTED, "bool": "a truth value", "float": "a number with a fraction"}
_INVALID = {
    "RFC3339 encoded datetime": "must be a datetime such as 2027-01-31T12:00:00Z",
    "RFC3339 encoded date": "must be a date such as 2027-01-31",
    "UUID": "must be a UUID",
    "decimal string": "must be a decimal number as text",
    # The value is not repeated: it may be 64 KiB of anything.
    "enum value": "is none of the values that are allowed",
}


def in_words(problem: str) -> str:
    """A message of `msgspec.ValidationError` about a map of arguments, with the argument first."""
    found = _PLACE.search(problem)
    place = found[1] if found else ""
    problem = problem[: found.start()] if found else problem
    if missing := _MISSING.fullmatch(problem):
        return f"{place} lacks {missing[1]}" if place else f"{missing[1]} is missing"
    if problem.startswith("Expected "):
        expected, _, got = problem.removeprefix("Expected ").partition(", got ")
        wanted = _KIND.sub(lambda kind: _kinds(kind[1], _EXPECTED), expected)
        given = _KIND.sub(lambda kind: _kinds(kind[1], _GOT), got)
        return f"{place} must be {wanted}" + (f", not {given}" if given else "")
    for what, words in _INVALID.items():
        if problem.startswith(f"Invalid {what}"):
            return f"{place} {words}"
    return f"{place}: {problem[:1].lower()}{problem[1:]}"


def _kinds(names: str, words: dict[str, str]) -> str:
    return " or ".join(words.get(name, name) for name in names.split(" | "))
