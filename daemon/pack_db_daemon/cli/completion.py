import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")
_END = "    return 0\n"
_NO_SPACE_AFTER_EQUALS = "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands, options and methods.

    \b
    Examples:
      eval "$(pack-db completion bash)"    # in ~/.bashrc
      eval "$(pack-db completion zsh)"     # in ~/.zshrc
      pack-db completion fish > ~/.config/fish/completions/pack-db.fish
    """
    kind = get_completion_class(shell)
    if kind is None:  # click has all three
        raise click.UsageError(f"this version of click completes nothing in {shell}")
    command = context.find_root().command
    script = kind(command, {}, "pack-db", "_PACK_DB_COMPLETE").source()
    if shell == "bash":
        # The value of an argument follows at once.
        script = script.replace(_END, _NO_SPACE_AFTER_EQUALS + _END)
    click.echo(script)
