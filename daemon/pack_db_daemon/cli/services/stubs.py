import inspect
from dataclasses import dataclass
from pathlib import Path

import click

from pack_db.config import Config
from pack_db.configured_factory import interfaces
from pack_db_daemon.cli.common.output import Output, with_output
from pack_db_daemon.cli.services.asyncio_twin import with_twin
from pack_db_daemon.dispatch.method_table import with_daemon_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    name: str
    state: str  # "current", "written" or "outdated"
    file: str


@click.command()
@click.argument("package")
@click.option("--check", is_flag=True, help="Write nothing; fail if a twin is outdated.")
@with_output
def stubs(out: Output, package: str, *, check: bool) -> None:
    """Write the asyncio twins of the services' interfaces that PACKAGE brings.

    The twin of Notes is a class AsyncNotes below it in the same file: what AsyncPackDb.service
    takes, so that type checkers and editors know its methods. SERVICE_FACTORY names the services.

    \b
    Examples:
      pack-db stubs notes
      pack-db stubs notes --check
    """
    served = [*with_daemon_service(interfaces(Config())).values()]
    found = [each for each in served if _package(each) == package]
    if not found:
        packages = ", ".join(sorted(set(map(_package, served))))
        raise click.BadParameter(
            f"no service's interface is from {package!r}; those that SERVICE_FACTORY names are "
            f"from {packages}",
            param_hint="PACKAGE",
        )
    twins = [_bring_up_to_date(interface, check=check) for interface in found]
    out.rows([twins], ("name", "state", "file"))
    if any(twin.state == "outdated" for twin in twins):
        raise click.ClickException(f"outdated; run: pack-db stubs {package}")


def _package(interface: type) -> str:
    return interface.__module__.partition(".")[0]


def _bring_up_to_date(interface: type, *, check: bool) -> Twin:
    path = Path(inspect.getfile(interface))
    source = path.read_text("utf-8")
    right = with_twin(source, interface)
    state = "current" if right == source else "outdated" if check else "written"
    if state == "written":
        path.write_text(right, "utf-8")
    return Twin(name=f"Async{interface.__name__}", state=state, file=str(path))
