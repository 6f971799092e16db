"""The `outgate` command; each subcommand is imported when it is called and not before."""

from __future__ import annotations

import importlib
import os
import sys
from typing import IO, Any

import click

from analyzer import __version__
from analyzer.errors import OutgateError
from analyzer.escape import escape

INTERRUPTED = 130

COMMANDS = {
    "analyze": "Find mining and reverse tunnels in captures.",
    "flows": "List the conversations of captures.",
    "why": "Explain a finding, or what was seen in a frame.",
    "carve": "Cut a finding's frames into a new capture.",
    "dissect": "Show a finding's frames as Wireshark decodes them.",
    "info": "Show what a capture holds and how good it is.",
    "rules": "List, check, test and explain the rule data.",
    "doctor": "Show what is installed, what is missing, what that costs.",
    "serve": "Start the API on this machine.",
    "store": "Check, compact, back up and restore what the service keeps.",
    "keys": "Create, list and revoke API keys of the service.",
    "audit": "Verify and export the service's audit log.",
}
"""Subcommands in the order of the help, with their line in it."""


class Failure(click.ClickException):
    """One of our errors on its way to the terminal."""

    def __init__(self, error: OutgateError) -> None:
        super().__init__(error.message)
        self.hint = error.hint
        self.status = error.exit_status

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The exit status the error calls for."""
        return self.status

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the error and its hint on standard error, one line each."""
        click.echo(f"error: {escape(self.message)}", file=file, err=True)
        if self.hint:
            click.echo(f"hint: {escape(self.hint)}", file=file, err=True)


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The subcommands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"analyzer.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Lists the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Runs a subcommand and gives every way it can end its exit status."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except OutgateError as error:
            raise Failure(error) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            ctx.exit(0)
        return result


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="outgate")
@click.option("--verbose", "-v", is_flag=True, help="Log what is done on standard error.")
def outgate(*, verbose: bool) -> None:
    """Network egress forensics: captures in, findings out.

    Findings go to standard output, everything else to standard error.
    """
    if verbose:
        from analyzer.cli.terminal import log_to_stderr  # noqa: PLC0415 - rarely asked for

        log_to_stderr()


def main() -> None:
    """The entry point."""
    outgate()


def _discard_output() -> None:
    """Whoever read our output has gone: what is left in buffers must not raise at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
