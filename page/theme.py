"""How the page looks: one accent colour, system fonts, space; light and dark; nothing from another host."""

from pathlib import Path

import gradio as gr

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

# A tab icon that is part of the page: three bars in the accent colour.
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><g fill='%230b6e4f'>"
    "<rect x='1' y='8' width='4' height='7' rx='1'/><rect x='6' y='4' width='4' height='11' rx='1'/>"
    "<rect x='11' y='1' width='4' height='14' rx='1'/></g></svg>"
)
HEAD = f'<link rel="icon" href="data:image/svg+xml,{_ICON}">'

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")

THEME = gr.themes.Base(
    primary_hue="emerald", neutral_hue="stone", font=SANS, font_mono=_MONO, radius_size="lg"
).set(
    body_background_fill="var(--ds-paper)",
    body_background_fill_dark="var(--ds-paper)",
    body_text_color="var(--ds-ink)",
    body_text_color_dark="var(--ds-ink)",
    background_fill_primary="var(--ds-raised)",
    background_fill_primary_dark="var(--ds-raised)",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_border_width="0px",
    block_border_width_dark="0px",
    block_padding="0px",
    block_shadow="none",
    block_shadow_dark="none",
    border_color_primary="var(--ds-line)",
    border_color_primary_dark="var(--ds-line)",
    input_background_fill="var(--ds-raised)",
    input_background_fill_dark="var(--ds-raised)",
    input_border_color="var(--ds-line)",
    input_border_color_dark="var(--ds-line)",
    input_border_color_focus="var(--ds-accent)",
    input_border_color_focus_dark="var(--ds-accent)",
    input_shadow="none",
    input_shadow_focus="none",
    input_padding="14px 16px",
    input_text_size="17px",
    button_primary_background_fill="var(--ds-accent)",
    button_primary_background_fill_dark="var(--ds-accent)",
    button_primary_background_fill_hover="var(--ds-accent-strong)",
    button_primary_background_fill_hover_dark="var(--ds-accent-strong)",
    button_primary_text_color="var(--ds-on-accent)",
    button_primary_text_color_dark="var(--ds-on-accent)",
    button_secondary_background_fill="transparent",
    button_secondary_background_fill_dark="transparent",
    button_secondary_text_color="var(--ds-ink)",
    button_secondary_text_color_dark="var(--ds-ink)",
    button_secondary_border_color="var(--ds-line)",
    button_secondary_border_color_dark="var(--ds-line)",
    button_border_width="1px",
)
