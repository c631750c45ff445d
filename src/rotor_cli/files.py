"""Files that a command writes: never over another one, unless that is asked for."""

from __future__ import annotations

from pathlib import Path

from rotor_cli.failures import CommandFailed


def write(path: Path, text: str, *, force: bool) -> None:
    """Write `text` to `path`. Raises CommandFailed where there is a file already (and no `force`), or none can be."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CommandFailed(f"{path} is there already; --force replaces it, or name another file") from error
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from error
