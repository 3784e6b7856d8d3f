"""The page of the app: what is on it, and what happens when it is used."""

from typing import Any

import gradio as gr

from nst_lightning.app import answers
from nst_lightning.app.choices import COLOURS, CONTROLS, DEFAULT_LOOK, looks, of_look, spoken
from nst_lightning.app.gallery import Gallery
from nst_lightning.app.jobs import Jobs
from nst_lightning.data.samples import SAMPLES
from nst_lightning.data.sources import SAMPLE_PREFIX

TITLE = "Paint a photograph"
PHOTOGRAPHS = tuple(name for name in SAMPLES if name in ("cat", "astronaut", "coffee"))
PAINTINGS = tuple(name for name in SAMPLES if name not in PHOTOGRAPHS)

SIZES = {
    "128: a stamp": "128",
    "256: a first look": "256",
    "512: for a screen": "512",
    "768": "768",
    "1024": "1024",
    "2048: for a print, takes long": "2048",
}

# A browser opens what is dropped beside Gradio's boxes, and so leaves the page: here a whole part
# of the page takes a file, and the rest of it none.
SCRIPT = """() => {
  const part = (event) => event.target.closest?.(".takes-files");
  const mark = (marked) => document.querySelectorAll(".takes-files").forEach(
    (each) => each.classList.toggle("dragged", each === marked));
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    event.dataTransfer.dropEffect = part(event) ? "copy" : "none";
    mark(part(event));
  }, true);
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(null); }, true);
  addEventListener("drop", (event) => {
    mark(null);
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const input = part(event)?.querySelector("input[type=file]");
    if (!input || !event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }, true);
  // On a phone what becomes of it is far below the button, which stays in sight.
  addEventListener("click", (event) => {
    if (event.target.closest?.("#paint") && matchMedia("(max-width: 699px)").matches)
      document.querySelector("#right")?.scrollIntoView();
  });
}"""

STYLE = """
.gradio-container { max-width: 1280px !important; margin: 0 auto; }
.html-container { padding: 0 !important; }
.block:has(> .html-container .line:only-child:empty) { display: none; }
.block:has(> .html-container .no-file) { display: none; }
.line { margin: 0; overflow-wrap: anywhere; }
.line.wrong { color: #b91c1c; font-weight: 600; }
.dark .line.wrong { color: #fca5a5; }
.status progress { width: 100%; height: 12px; accent-color: #d97706; }
.status p { margin: 4px 0; }
.status ol { margin: 4px 0 0 1.4em; list-style: decimal; }
.pictures .grid-wrap { min-height: 0 !important; max-height: none !important; }
.samples .grid-container { grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
.pictures .caption-label { white-space: normal; max-width: 100%; font-size: 0.8em; }
#gallery .thumbnail-item { aspect-ratio: auto; display: block; height: auto; }
#gallery .thumbnail-item img { aspect-ratio: 1; height: auto; }
#gallery .caption-label { position: static; border: 0; text-align: left; }
.takes-files.dragged { outline: 3px dashed #d97706; outline-offset: 4px; border-radius: 6px; }
@media (max-width: 699px) {
  #run { position: fixed; bottom: 0; left: 0; right: 0; z-index: 50; padding: 8px 16px;
    background: var(--body-background-fill); border-top: 1px solid var(--border-color-primary); }
  #gallery, #chosen { margin-bottom: 72px; } }
@media (min-width: 700px) { #right { position: sticky; top: 8px; align-self: flex-start; } }
#gallery .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)) !important; }
.keep { display: block; text-align: center; padding: 10px; border-radius: 6px; font-weight: 600;
  background: var(--button-secondary-background-fill); text-decoration: none !important;
  color: var(--button-secondary-text-color) !important; }
.keep:hover, .keep:focus { background: var(--button-secondary-background-fill-hover); }
footer { display: none !important; }
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; transition: none !important; }
}
"""


def theme() -> Any:
    """Return the colours and the system's own fonts: nothing is loaded for them."""
    return gr.themes.Default(
        primary_hue="amber",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300")


def build(jobs: Jobs, gallery: Gallery) -> Any:
    """Return the page, a ``gradio.Blocks``."""
    answer = answers.Answers(jobs, gallery)
    known, first = looks(), of_look(DEFAULT_LOOK)
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600), fill_width=True
    ) as page:
        gr.Markdown(f"# {TITLE}")
        with gr.Row():
            with gr.Column(min_width=280):
                with gr.Column(elem_classes="takes-files"):
                    photograph = _picture("1. Photograph", "photograph", PHOTOGRAPHS, answer)
                with gr.Column(elem_classes="takes-files"):
                    painting = _picture("2. Painting", "painting", PAINTINGS, answer)
                gr.Markdown("## 3. How")
                settings_line = gr.HTML(answers.line(""), padding=False, elem_id="settings-line")
                look = gr.Radio(
                    [(spoken(name), name) for name in known],
                    value=first.look,
                    label="Look",
                    info=known[first.look],
                )
                base = gr.State({})
                strength = gr.Slider(
                    0,
                    1,
                    value=first.strength,
                    step=0.01,
                    label="Strength",
                    elem_id="strength",
                    info="0 is nearly the photograph, 1 the painting's own forms.",
                )
                stroke_size = gr.Slider(
                    0.25,
                    4,
                    value=first.stroke_size,
                    step=0.05,
                    label="Stroke size",
                    info="Larger strokes come from a larger painting.",
                )
                colours = gr.Radio([*COLOURS.items()], value=first.colours, label="Colours")
                size = gr.Textbox(
                    str(first.size),
                    label="Size in pixels",
                    info="The long side, 16 to 16384. Twice the size takes four times as long.",
                    max_lines=1,
                    elem_id="size",
                )
                sizes = gr.Radio(
                    [*SIZES.items()], value=str(first.size), label="Usual sizes", show_label=False
                )
                strokes = gr.Radio(
                    [("grow with the picture", "large"), ("stay as fine as at 1000 px", "fine")],
                    value=first.strokes,
                    label="Strokes of a picture over 1000 px",
                    visible=False,
                )
                controls = {
                    **{"look": look, "strength": strength, "stroke_size": stroke_size},
                    **{"strokes": strokes, "colours": colours, "size": size},
                }
                with gr.Accordion(
                    "Use the settings of a picture",
                    open=False,
                    elem_id="settings-of",
                    elem_classes="takes-files",
                ):
                    settings_of = gr.File(
                        label="Drop a picture that was painted here", height=110, elem_id="settings"
                    )
            with gr.Column(min_width=280, elem_id="right"):
                gr.Markdown("## 4. Paint")
                expected = gr.HTML(answers.line(""), padding=False)
                with gr.Row(elem_id="run"):
                    paint = gr.Button("Paint", variant="primary", elem_id="paint", min_width=120)
                    stop = gr.Button("Stop", interactive=False, elem_id="stop", min_width=120)
                problem = gr.HTML(answers.line(""), padding=False, elem_id="problem")
                status = gr.HTML(
                    answers.line(""), padding=False, elem_id="status", elem_classes="status"
                )
                forget = gr.Button("Paint nothing of what waits", visible=False, size="sm")
                picture = gr.Image(
                    label="Picture",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="picture",
                    height="min(520px, 90vw)",
                )
                download = gr.HTML(answers.download(None), padding=False, elem_id="download")
        gr.Markdown("## Painted so far")
        shown = gr.Gallery(
            label="Painted so far; choose one",
            show_label=False,
            allow_preview=False,
            columns=6,
            height="auto",
            object_fit="contain",
            buttons=[],
            elem_id="gallery",
            elem_classes="pictures",
        )
        with gr.Column(visible=False, elem_id="chosen") as chosen:
            chosen_file = gr.State("")
            with gr.Row():
                chosen_picture = gr.Image(
                    show_label=False,
                    interactive=False,
                    buttons=["fullscreen"],
                    height="min(420px, 90vw)",
                )
                with gr.Column():
                    chosen_words = gr.Markdown()
                    use = gr.Button("Use these settings", elem_id="use")
                    chosen_download = gr.HTML(answers.download(None), padding=False)

        # What a job is added by, so that every page follows it.
        added = gr.State(0)
        put: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        once = put | {"trigger_mode": "once"}
        estimate = [*controls.values()]
        sizes.input(None, sizes, size, js="(chosen) => chosen", **put)
        for source in (photograph, painting):
            source.change(lambda: answers.line(""), None, problem, **put)
        for control in (look, size):
            control.change(answer.expect, estimate, [expected, strokes, sizes], **put)
        look.input(answer.choose_look, look, [*controls.values(), settings_line], **put)
        settings_outputs = [*controls.values(), base, settings_line, settings_of]
        settings_of.upload(answer.read_settings, settings_of, settings_outputs, **put)
        use.click(answer.use_settings, chosen_file, settings_outputs, **put)
        paint.click(
            answer.add,
            [photograph, painting, base, added, *controls.values()],
            [added, problem],
            **put | {"trigger_mode": "multiple", "concurrency_limit": None},
        )
        stop.click(answer.stop, None, stop, **put, queue=False)
        forget.click(jobs.forget_waiting, None, None, **put, queue=False)
        gr.on(
            [page.load, added.change],
            answer.follow,
            None,
            [status, picture, download, stop, forget, shown],
            concurrency_limit=None,
            **once,
        )
        shown.change(answer.expect, estimate, [expected, strokes, sizes], **put)
        page.load(answer.expect, estimate, [expected, strokes, sizes], **put)
        shown.select(
            answer.choose,
            None,
            [chosen, chosen_file, chosen_picture, chosen_words, chosen_download],
            **put,
        )
    assert set(controls) == {"look", *CONTROLS}
    return page


def _picture(title: str, role: str, samples: tuple[str, ...], answer: Any) -> Any:
    """Put a place to drop a picture on the page; return what holds the one that was chosen."""
    gr.Markdown(f"## {title}")
    source = gr.State("")
    with gr.Row():
        with gr.Column(scale=2, min_width=200):
            # Of any kind: what is no picture is answered by the line of the command line.
            file = gr.File(label=f"Drop a {role}, or press", height=170, elem_id=role)
        with gr.Column(scale=1, min_width=140):
            view = gr.Image(
                label=title.partition(". ")[2],
                interactive=False,
                buttons=[],
                height=170,
                elem_id=f"{role}-view",
            )
    line = gr.HTML(answers.line(""), padding=False, elem_id=f"{role}-line")
    gr.Markdown(f"Or take a sample {role}:")
    tried = gr.Gallery(
        [(answers.sample_picture(name), name) for name in samples],
        label=f"Or take a sample {role}",
        show_label=False,
        columns=len(samples),
        height="auto",
        allow_preview=False,
        object_fit="cover",
        buttons=[],
        interactive=False,
        elem_id=f"{role}-samples",
        elem_classes=["pictures", "samples"],
    )
    put: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    outputs = [source, view, line]
    dropped = answer.drop_photograph if role == "photograph" else answer.drop_painting
    # The box is empty again at once: another file replaces the picture.
    file.upload(dropped, file, [*outputs, file], **put)

    def take(event: gr.SelectData) -> Any:
        return (*answer.take_sample(f"{SAMPLE_PREFIX}{samples[event.index]}"), None)

    tried.select(take, None, [*outputs, file], **put)
    return source
