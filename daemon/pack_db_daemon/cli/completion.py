import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")
# Of click's scripts: the value of an argument follows its "=" at once. fish does so by itself.
_NO_SPACE_AFTER_EQUALS = {
    "bash": (
        "    return 0\n",
        "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n    return 0\n",
    ),
    "zsh": (
        "        compadd -U -V unsorted -a completions\n",
        "        local -a end=()\n"
        "        [[ ${completions[1]} == *= ]] && end=(-S '')\n"
        '        compadd -U -V unsorted "${end[@]}" -a completions\n',
    ),
}


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
    click.echo(script.replace(*_NO_SPACE_AFTER_EQUALS.get(shell, ("", ""))))
