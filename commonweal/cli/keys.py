"""``commonweal keys``: the pseudonym keys. Rotation isn't there yet, and says so."""

import typer

from commonweal.errors import ConfigError

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def keys() -> None:
    """The pseudonym keys."""


@app.command()
def rotate() -> None:
    """Not there yet: ends with an error and changes nothing."""
    raise ConfigError(
        "pseudonym keys can't be rotated yet, and nothing was changed. Add no epoch by hand: one person would get two keys, "
        "and joins would fall apart unseen. If a key may have leaked, see docs/runbooks/keys-rotated.md"
    )
