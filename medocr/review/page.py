"""The review in a browser, by Gradio (extra `review`), on this machine alone.

The page is served to 127.0.0.1 only, under a secret path that neither other users of the machine nor other pages in the
browser know, without a public link and without telemetry. Its policy keeps the browser from loading anything from
elsewhere. In a notebook, Colab's included, it appears below the cell.
"""

import dataclasses
import getpass
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from . import markup
from .columns import shown
from .decisions import DecidedMeanwhile
from .session import Session, View, proposed_line

MOST_COLUMNS = 14  # of a field: a drug order has ten
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors *"
HELP = "**A** accept · **C** correct · **N** not on the page · **→** next · **←** back · in a correction: \
**Ctrl+Enter** save · **Esc** leave it"
LINE_AS_IT_WAS = "You did not touch the printed line. If it is printed as it now stands, save again; else write it."
OPEN = ("/gradio_api/startup-events",)  # Gradio asks itself there whether it is up; nothing of a page is told
FILES = Path(__file__).parent


def launch(folder: str | Path, by: str | None = None, port: int | None = None, *, wait: bool = True) -> str:
    """Show the fields of a digitised folder that wait for a person, and save each decision at once.

    `by` is who decides (default: the user's name here; it can be changed on the page). With `wait` False, and in a
    notebook, where it appears below the cell, the page is served in the background. Returns its address.
    Raises ValueError without Gradio, or where there are no documents.
    """
    if not by:
        try:
            by = getpass.getuser()
        except (KeyError, OSError):  # in a container that gives the user no name
            by = str(os.getuid())
    page, key = build(Session(folder), by), f"/{secrets.token_urlsafe(24)}"
    page.launch(
        server_name="127.0.0.1",
        server_port=port,
        share=False,
        inline=False,
        root_path=key,
        ssr_mode=False,
        quiet=True,
        footer_links=[],
        enable_monitoring=False,
        prevent_thread_lock=True,
        app_kwargs={"middleware": [_guard(key)]},
        css=(FILES / "page.css").read_text(),
        head=f"<script>{(FILES / 'keys.js').read_text()}</script>",
        theme=_theme(),
    )
    address = f"{page.local_url.rstrip('/')}{key}/"
    _show_below_the_cell(page.server_port, key, address)
    if wait and "ipykernel" not in sys.modules:
        print(f"Review at {address} (Ctrl+C ends it; every decision is saved at once)", flush=True)
        page.block_thread()
    return address


def _gradio() -> object:
    try:
        import gradio
    except ImportError:
        raise ValueError("a review needs Gradio: pip install 'medocr[review]'") from None
    return gradio


def _theme() -> object:
    """Fonts of the machine: Gradio's own would be asked for from a server of Google."""
    base = _gradio().themes.Base
    return base(primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono=["monospace"])


def _show_below_the_cell(port: int, key: str, address: str) -> None:
    """Show the page in a notebook; elsewhere do nothing."""
    if "google.colab" in sys.modules:
        from google.colab import output

        output.serve_kernel_port_as_iframe(port, path=f"{key}/", height="700")
    elif "ipykernel" in sys.modules:
        from IPython.display import IFrame, display

        display(IFrame(address, width="100%", height=700))


def _guard(key: str) -> object:
    from starlette.middleware import Middleware

    return Middleware(_Guard, key=key)


class _Guard:
    """Answers only below the secret path `key`, and adds the policy: a browser then asks no other server for anything.

    Without the path another user of this machine could read the pages, and so could a web page whose name was made to
    point to 127.0.0.1, and answer for the person.
    """

    def __init__(self, app: Callable, key: str) -> None:
        self.app, self.key = app, key

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        from starlette.responses import PlainTextResponse
        from starlette.websockets import WebSocketClose

        async def with_policy(message: dict) -> None:
            if message["type"] == "http.response.start":
                headers = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        path = scope.get("path", "")
        if secrets.compare_digest(path[: len(self.key) + 1].encode(), f"{self.key}/".encode()):
            inside = path[len(self.key) :]
            await self.app({**scope, "path": inside, "raw_path": inside.encode()}, receive, with_policy)
        elif scope["type"] == "lifespan" or path in OPEN:
            await self.app(scope, receive, send)
        else:
            refusal = PlainTextResponse("Open the whole address that `medocr review` printed.", 401)
            await (WebSocketClose() if scope["type"] == "websocket" else refusal)(scope, receive, send)


def build(session: Session, by: str) -> object:
    """The page of a session, as a `gradio.Blocks`."""
    gr = _gradio()
    with gr.Blocks(title="medocr review", analytics_enabled=False, fill_width=True) as page:
        _wire(gr, page, _layout(gr, by), session)
    return page


def _layout(gr: object, by: str) -> dict:
    """The components by name, in the order in which they are shown."""
    parts = {"view": gr.State(None)}
    with gr.Row(elem_id="mr-head"):
        parts["progress"] = gr.HTML()
        parts["by"] = gr.Textbox(by, label="Who decides", elem_id="mr-by", scale=0, min_width=180, max_lines=1)
    with gr.Row():
        with gr.Column(scale=3):
            parts["page"] = gr.HTML(elem_id="mr-image")
        with gr.Column(scale=2, min_width=380):
            parts["field"] = gr.HTML(elem_id="mr-field")
            parts["message"] = gr.HTML(elem_id="mr-message")
            with gr.Row(elem_id="mr-answers") as parts["answers"]:
                parts["accept"] = gr.Button("Accept (A)", variant="primary", elem_id="mr-accept", min_width=90)
                parts["correct"] = gr.Button("Correct (C)", elem_id="mr-correct", min_width=90)
                parts["absent"] = gr.Button("Not on page (N)", elem_id="mr-absent", min_width=90)
            with gr.Column(visible=False, elem_id="mr-form") as parts["form"]:
                # What a correction is written into: the columns, and the printed line, which follows them.
                with gr.Row():
                    column = {"visible": False, "max_lines": 3, "min_width": 130, "elem_classes": "mr-column"}
                    parts["boxes"] = [gr.Textbox(**column) for _ in range(MOST_COLUMNS)]
                label = "The printed line (empty: it is not printed)"
                parts["line"] = gr.Textbox(label=label, lines=1, max_lines=5, elem_id="mr-line")
                with gr.Row():
                    parts["save"] = gr.Button("Save (Ctrl+Enter)", variant="primary", elem_id="mr-save")
                    parts["leave"] = gr.Button("Leave it (Esc)", elem_id="mr-leave")
            with gr.Row():
                parts["back"] = gr.Button("← Back", size="sm", elem_id="mr-back", min_width=80)
                parts["next"] = gr.Button("Next →", size="sm", elem_id="mr-next", min_width=80)
            gr.Markdown(HELP, elem_id="mr-help")
    return parts


def _wire(gr: object, page: object, parts: dict, session: Session) -> None:
    """What each button does. Nothing of it is offered as an interface for programs."""
    outputs = [parts[name] for name in ("view", "progress", "page", "field", "message", "answers", "form", "line")]
    outputs += parts["boxes"]
    texts = [parts["line"], *parts["boxes"]]
    show = _Shower(gr, session)
    common = {"outputs": outputs, "api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
    page.load(show.first, None, **common)
    parts["accept"].click(partial(show.decide, session.accept), [parts["view"], parts["by"]], **common)
    parts["absent"].click(partial(show.decide, session.absent), [parts["view"], parts["by"]], **common)
    edited = parts["correct"].click(partial(show.again, True), [parts["view"]], **common)
    edited.then(None, js="() => window.medocrWrite()")
    parts["save"].click(show.save, [parts["view"], parts["by"], *texts], **common)
    parts["leave"].click(partial(show.again, False), [parts["view"]], **common)
    parts["next"].click(partial(show.move, 1), [parts["view"]], **common)
    parts["back"].click(partial(show.move, -1), [parts["view"]], **common)
    follow = {**common, "outputs": [parts["line"]]}
    for box in parts["boxes"]:
        box.input(show.line, [parts["view"], *parts["boxes"]], **follow, trigger_mode="always_last")


class _Shower:
    """The answers to the page's buttons: what is to be shown next, component by component."""

    def __init__(self, gr: object, session: Session) -> None:
        self.gr, self.session = gr, session

    def first(self) -> list:
        """The first field that nobody has decided."""
        return self.at(self.session.next_open())

    def at(self, place: int | None, text: str = "", kind: str = "mr-note", editing: bool = False) -> list:
        """Everything that the page shows for a place of the queue; None: all is decided."""
        progress = markup.progress(self.session.decided(), place)
        if place is None:
            hidden = [self.gr.update(visible=False)] * 2
            return [None, progress, "", markup.ALL_DECIDED, "", *hidden, "", *self._boxes({})]
        view = self.session.view(place)
        shows = [view, progress, markup.page(self.session.folder, view), markup.field(view)]
        forms = [self.gr.update(visible=not editing), self.gr.update(visible=editing)]
        line = self.gr.update(value=view.line, visible=view.standing.line is not None, lines=view.line.count("\n") + 1)
        return [*shows, markup.message(text, kind), *forms, line, *self._boxes(shown(view.columns))]

    def _boxes(self, texts: dict[str, str]) -> list:
        filled = [self.gr.update(label=name, value=text, visible=True) for name, text in texts.items()]
        return [*filled, *[self.gr.update(value="", visible=False)] * (MOST_COLUMNS - len(filled))]

    def decide(self, write: Callable, view: View | None, by: str, *correction) -> list:
        """Write an answer and go on; where it cannot be taken, say why and stay."""
        if view is None:
            return self.first()
        try:
            write(view, by, *correction)
        except DecidedMeanwhile as error:
            return self.at(view.place, str(error), "mr-warning")
        except (ValueError, OSError) as error:
            return self._kept(str(error))
        return self.at(self.session.next_open(view.place))

    def again(self, editing: bool, view: View | None) -> list:
        """The same field, with the form for a correction or without."""
        return self.first() if view is None else self.at(view.place, editing=editing)

    def move(self, step: int, view: View | None) -> list:
        """The next field (1) or the one before (-1), decided or not; from the end the first open one, or the last."""
        if view is None:
            return self.first() if step > 0 or not self.session.queue else self.at(len(self.session.queue) - 1)
        return self.at((view.place + step) % len(self.session.queue))

    def _kept(self, text: str, view: View | None = None, line: str | None = None) -> list:
        """A message, and the line where it follows: what the person has written stays as it is."""
        skip = self.gr.skip()
        shows = [skip if view is None else view, skip, skip, skip, markup.message(text, "mr-warning"), skip, skip]
        return [*shows, skip if line is None else line, *[skip] * MOST_COLUMNS]

    def save(self, view: View, by: str, line: str, *boxes: str) -> list:
        """Save a correction."""
        texts = dict(zip(shown(view.columns), boxes, strict=False))
        if not view.warned and line == view.line and texts != shown(view.columns) and view.standing.line is not None:
            return self._kept(LINE_AS_IT_WAS, dataclasses.replace(view, warned=True), proposed_line(view, texts))
        return self.decide(self.session.correct, view, by, texts, line)

    def line(self, view: View, *boxes: str) -> object:
        """The printed line as it reads with the columns that are being written."""
        texts = dict(zip(shown(view.columns), boxes, strict=False))
        proposed = proposed_line(view, texts)
        return self.gr.skip() if proposed is None else proposed
