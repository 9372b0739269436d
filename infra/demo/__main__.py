"""``make demo``: the whole platform on this machine, from a department's export to gated releases."""

import sys

from commonweal.cli.screen import console
from commonweal.errors import CommonwealError
from commonweal.settings import load_settings
from infra.demo.story import tell


def main() -> None:
    """Run the demo; a platform error ends it with one clear line and its own exit code."""
    try:
        tell(load_settings().run_dir, console())
    except CommonwealError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


main()
