import difflib
import inspect
import os
import sys
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from pack_db.config import Config
from pack_db.configured_factory import interfaces
from pack_db.errors import ConfigurationError
from pack_db_client import PackDb
from pack_db_client.protocol.methods import Method
from pack_db_client.protocol.requests import Arguments
from pack_db_daemon.cli.common.account_argument import find_account_id
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.failure import failures_shown
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.cli.services.method_help import write_method_help
from pack_db_daemon.dispatch.method_table import methods_by_name, with_daemon_service

_WORDS = f"{__name__}.words"


def _complete_method(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(n) for n in _methods(context) if n.startswith(incomplete)]


def _complete_argument(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    method = _methods(context).get(context.params.get("method") or "")
    given = {text.partition("=")[0] for text in context.params.get("arguments") or ()}
    names = method.signature.parameters.keys() - given if method else ()
    return [CompletionItem(f"{n}=") for n in sorted(names) if n.startswith(incomplete)]


def _methods(context: click.Context) -> dict[str, Method]:
    try:
        return methods_by_name(with_daemon_service(interfaces(context.ensure_object(Config))))
    except ConfigurationError:
        return {}  # a prompt is no place to say it


class _CallCommand(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = list(args)  # --help ends the command before METHOD is looked at
        return super().parse_args(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = ctx.meta.get(_WORDS)
        if words:
            with failures_shown():
                served = _interfaces()
                methods = methods_by_name(served)
            for method in filter(None, map(methods.get, words)):
                write_method_help(formatter, method, served[method.name.partition(".")[0]])
                return
        super().format_help(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with failures_shown(), formatter.section("Methods"):
            for method in methods_by_name(_interfaces()).values():
                formatter.write_text(_signature(method))


@click.command(cls=_CallCommand)
@click.argument("method", shell_complete=_complete_method)
@click.argument(
    "arguments",
    nargs=-1,
    metavar="[JSON | KEY=VALUE ...]",
    shell_complete=_complete_argument,
)
@with_client
def call(db: PackDb, out: Output, method: str, arguments: tuple[str, ...]) -> None:
    """Call any method of a service and print its result as JSON.

    The arguments are one JSON object or array, or KEY=VALUE pairs. A VALUE that is no JSON is
    taken as text, and an account_id may be the account's address. A lone - reads the JSON from
    stdin, which keeps a secret out of the list of processes.

    \b
    Examples:
      pack-db call --help accounts.create_account
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
    given = _parse(arguments)
    if isinstance(given, dict) and isinstance(account := given.get("account_id"), str):
        given = given | {"account_id": find_account_id(db, account)}
    # Checked as the daemon would, but before anything is sent.
    positional, keywords = found.convert_arguments(given)
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
        raise _not_json(exc) from exc
    if not isinstance(parsed, dict | list):
        raise _wrong("the JSON must be an object or an array")
    return parsed


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(os.fsencode(text))
    except msgspec.DecodeError as exc:
        if text.startswith("{"):
            raise _not_json(exc) from exc
        return text


def _not_json(exc: msgspec.DecodeError) -> click.BadParameter:
    truncated = "Input data was truncated"
    return _wrong(f"not valid JSON: {str(exc).replace(truncated, 'it ends too early')}")


def _wrong(problem: str) -> click.BadParameter:
    return click.BadParameter(problem, param_hint="arguments")
