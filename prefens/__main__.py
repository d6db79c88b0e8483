"""prefens COMMAND ...: every command as one program. `prefens train -m ...` is `python -m prefens.train -m ...`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module


def main() -> None:
    """Run the command that the first argument names; list the commands where it names none."""
    from prefens.core.output import guard_output
    from prefens.runner.help import commands

    guard_output()
    titles = commands()
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in titles:
        sys.argv = [f"prefens.{name}", *arguments]
        import_module(f"prefens.{name}").main()
        return
    rows = "\n".join(f"  prefens {name:<10}  {title}" for name, title in titles.items())
    text = f"{rows}\n\nprefens COMMAND --help shows the settings of a command."
    if name in ("--help", "-h"):
        print(f"Ensembles that predict which of two LLM responses a person prefers.\n\n{text}")
        return
    near = get_close_matches(name, titles, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    print(f"failed: unknown command {name!r}{hint}\n  expected: one of\n{text}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
