"""``emotion access``: the files of keys and passwords that a server takes."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from emotion.cli import options
from emotion.core.config import Config
from emotion.core.errors import ConfigError

_SHORTEST = 8


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Manage the keys and passwords of a server."
    parser = commands.add_parser("access", help=text, description=text)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("add-key", add_key, "Add a key, or replace it; the key is shown once."),
        ("add-user", add_user, "Add a user, or replace the password, which is asked for."),
        ("remove", remove, "Remove a key or a user."),
        ("list", show, "List the names."),
    ):
        action = actions.add_parser(name, help=text, description=text, parents=[options.common()])
        if name != "list":
            action.add_argument("name", metavar="NAME")
        help_text = "for --api-key-file or --auth-file"
        action.add_argument("--file", type=Path, required=True, metavar="FILE", help=help_text)
        if name.startswith("add"):
            help_text = "may see and change the server as a whole"
            action.add_argument("--operator", action="store_true", help=help_text)
        action.set_defaults(command=run)


def add_key(args: argparse.Namespace, _: Config) -> int:
    """Adds a key and prints it."""
    from emotion.services.access import hash_key, new_key

    key = new_key()
    _put(args, hash_key(key))
    print(key)
    return 0


def add_user(args: argparse.Namespace, _: Config) -> int:
    """Adds a user with a password from the terminal, or from the first line of standard input."""
    from emotion.services.access import check_name, hash_password

    check_name(args.name)
    _put(args, hash_password(_password()))
    return 0


def remove(args: argparse.Namespace, _: Config) -> int:
    """Removes an entry."""
    from emotion.services.access import read_entries, write_entries

    entries = read_entries(args.file)
    left = [entry for entry in entries if entry.name != args.name]
    if len(left) == len(entries):
        names = ", ".join(entry.name for entry in entries)
        raise ConfigError(option="name", value=args.name, expected=f"one of: {names}")
    write_entries(args.file, left)
    return 0


def show(args: argparse.Namespace, _: Config) -> int:
    """Prints name, kind and role of each entry."""
    from emotion.services.access import read_entries

    for entry in read_entries(args.file):
        kind = "key" if entry.hash.startswith("sha256") else "password"
        print("\t".join([entry.name, kind, *(["operator"] if entry.operator else [])]))
    return 0


def _put(args: argparse.Namespace, hashed: str) -> None:
    from emotion.services.access import Entry, check_name, read_entries, write_entries

    check_name(args.name)
    entries = read_entries(args.file) if args.file.exists() else []
    left = [entry for entry in entries if entry.name != args.name]
    write_entries(args.file, [*left, Entry(args.name, hashed, args.operator)])


def _password() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise ConfigError(option="password", value="***", expected="the same both times")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < _SHORTEST:
        expected = f"at least {_SHORTEST} characters"
        raise ConfigError(option="password", value="***", expected=expected)
    return password
