"""Refuses files that are too large in the browser, before they are sent, in the sentence of `sandbox.inputs`.

Gradio refuses them as well, but names neither the file's size nor what to do.
"""

from __future__ import annotations

from sandbox import Limits, inputs
from sandbox.records import MIB

TOLD = '<p id="ds-too-large" class="ds-message" role="alert" hidden></p>'

_SENTENCE = inputs.TOO_LARGE.format(
    name="${large.name}", size="${mib(large.size)}", most=f"{Limits.input_bytes // MIB:,}"
)
SCRIPT = f"""<script>
(() => {{
  const mib = bytes => Math.round(bytes / {MIB}).toLocaleString("en");
  const told = () => document.getElementById("ds-too-large");
  const check = (event, files) => {{
    const large = [...(files || [])].find(file => file.size > {Limits.input_bytes});
    if (told()) told().hidden = !large;
    if (!large || !told()) return false;
    told().textContent = `{_SENTENCE}`;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }};
  document.addEventListener("change", event => {{
    const input = event.target;
    if (input.type === "file" && check(event, input.files)) input.value = "";
  }}, true);
  document.addEventListener("drop", event => check(event, event.dataTransfer?.files), true);
  document.addEventListener("click", event => {{
    if (told() && event.target.closest("button")) told().hidden = true;
  }}, true);
}})();
</script>"""
