"""What a run is doing, on stderr: a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

from time import perf_counter

from rich.console import Console
from rich.status import Status
from rich.text import Text


class Progress:
    """Shows one step after the other, each with the time it took.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, soft_wrap=True, highlight=False)
        self._spinner: Status | None = None
        self._step = ""
        self._began = 0.0

    def step(self, text: str) -> None:
        """Finish the step under way, if any, and begin another."""
        self.finish()
        self._step, self._began = text, perf_counter()
        if self._console.is_terminal:
            self._spinner = self._console.status(Text(text))
            self._spinner.start()
        else:
            self._console.print(Text(f"- {text}"))

    def finish(self, failed: bool = False) -> None:
        """End the step under way."""
        if self._spinner is not None:
            self._spinner.stop()
            mark, style = ("failed", "red") if failed else ("done", "green")
            line = Text.assemble(
                (f"{mark:>6} ", style),
                self._step,
                (f"  {perf_counter() - self._began:.1f} s", "dim"),
            )
            self._console.print(line)
        elif failed and self._step:
            self._console.print(Text(f"  failed: {self._step}"))
        self._spinner, self._step = None, ""
