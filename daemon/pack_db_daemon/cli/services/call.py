import difflib
import inspect
import os
import sys
from typing import Any

import click
import msgspec

from pack_db.configured_factory import interfaces
from pack_db_client import PackDb
from pack_db_client.protocol.methods import Method
from pack_db_client.protocol.requests import Arguments
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.failure import failures_shown
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.dispatch.method_table import methods_by_name, with_daemon_service


class _CallCommand(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with failures_shown(), formatter.section("Methods"):
            for method in methods_by_name(_interfaces()).values():
                formatter.write_text(_signature(method))


@click.command(cls=_CallCommand)
@click.argument("method")
@click.argument("arguments", nargs=-1, metavar="[JSON | KEY=VALUE ...]")
@with_client
def call(db: PackDb, out: Output, method: str, arguments: tuple[str, ...]) -> None:
    """Call any method of a service and print its result as JSON.

    The arguments are one JSON object or array, or KEY=VALUE pairs. A VALUE that is no JSON is
    taken as text. A lone - reads the JSON from stdin, which keeps a secret out of the list of
    processes.

    \b
    Examples:
      pack-db call daemon.ping
      pack-db call accounts.get_account_by_email email=user@example.com
      pack-db call accounts.create_account account='{"email": "user@example.com"}'
      pack-db call accounts.list_accounts '{"limit": 10}'
      pack-db call accounts.authenticate - < key.json
    """
    served = _interfaces()
    methods = methods_by_name(served)
    found = methods.get(method)
    if found is None:
        raise click.BadParameter(_no_such_method(method, list(methods)), param_hint="METHOD")
    # Checked as the daemon would, but before anything is sent.
    positional, keywords = found.convert_arguments(_parse(arguments))
    service = method.partition(".")[0]
    stub: object = db.service(service, served[service])
    out.json(getattr(stub, found.function_name)(*positional, **keywords))


def _interfaces() -> dict[str, type]:
    return with_daemon_service(interfaces(configuration()))


def _signature(method: Method) -> str:
    names = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in method.signature.parameters.values()
    ]
    return f"{method.name}{inspect.Signature(names)}"


def _no_such_method(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names) or [n for n in names if name in n] or names
    return f"there is no method {name!r}; did you mean {', '.join(near)}?"


def _parse(arguments: tuple[str, ...]) -> Arguments:
    if len(arguments) == 1 and (arguments[0] == "-" or arguments[0].lstrip()[:1] in ("{", "[")):
        return _parse_json(arguments[0])
    parsed: dict[str, Any] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not key.isidentifier():
            raise _wrong(f"{argument!r} is neither KEY=VALUE nor a JSON object or array")
        if key in parsed:
            raise _wrong(f"{key} is given twice")
        parsed[key] = _value(value)
    return parsed


def _parse_json(text: str) -> Arguments:
    try:
        parsed = msgspec.json.decode(sys.stdin.buffer.read() if text == "-" else os.fsencode(text))
    except msgspec.DecodeError as exc:
        raise _wrong(f"not valid JSON: {exc}") from exc
    if not isinstance(parsed, dict | list):
        raise _wrong("the JSON must be an object or an array")
    return parsed


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(os.fsencode(text))
    except msgspec.DecodeError:
        return text


def _wrong(problem: str) -> click.BadParameter:
    return click.BadParameter(problem, param_hint="arguments")
