"""`rotor sandbox`."""

import click


@click.command()
def sandbox(): ...
