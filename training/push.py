"""Puts an adapter with its card on the Hugging Face Hub:

    python -m training push assets/adapters/coder-0.5b --repo OWNER/NAME --dry-run
    python -m training push build/sft-gemma --repo OWNER/NAME

The card's figures are the published results of this very adapter, found by the SHA-256 of its file. A dry run
needs no token and no network: it leaves what would be uploaded in build/push, and shows it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from agent.models import registry, weights
from agent.models.registry import OnHub
from training import results, summary

BUILD = Path("build/push")
# In the folder itself or, in one of a training run, in its `adapter`.
ADAPTERS = ("*.gguf", "adapter_model.safetensors")
BESIDE = ("adapter_config.json", "card.json", "run.json")
METRICS = {
    "official": "accuracy, official rule",
    "exec_ok": "a step ran without error",
    "verified": "verified",
}


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `push` to the command line of `python -m training`."""
    command = commands.add_parser(
        "push", help="put an adapter on the Hub", description="Puts an adapter with its card on the Hub."
    )
    command.set_defaults(function=run_push)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="of the adapter, or of its training")
    command.add_argument("--repo", required=True, metavar="OWNER/NAME")
    command.add_argument("--dry-run", action="store_true", help="only show what would be uploaded")


def run_push(options: argparse.Namespace) -> None:
    """Prepares the folder and uploads it, or only shows it."""
    ready = prepare(options.folder, options.repo)
    files = sorted(ready.iterdir())
    if options.dry_run:
        print(f"{ready} would be uploaded to {options.repo}:")
        print("\n".join(f"{file.stat().st_size:>12,}  {file.name}" for file in files))
        print(f"\n{(ready / 'README.md').read_text(encoding='utf-8')}")
        return
    print(f"{len(files)} files are at {upload(ready, options.repo)}")


def prepare(folder: Path, repo: str, published: Path = results.PUBLISHED, build: Path = BUILD) -> Path:
    """Makes the folder that is to be uploaded, with README.md as the model's card; returns it.

    Args:
        published: Where the results are that `python -m training bench --publish` wrote.

    Raises:
        ValueError: the repository's name is none, or the folder holds no adapter of a known model.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ValueError(f"{repo!r} is no name of a repository: give OWNER/NAME.")
    adapters = _files(folder, ADAPTERS)
    if not adapters:
        raise ValueError(f"{folder} holds no adapter ({' or '.join(ADAPTERS)}): export or train one first.")
    ready = build / repo.replace("/", "--")
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir(parents=True)
    for file in [*adapters, *_files(folder, BESIDE)]:
        shutil.copy(file, ready / file.name)
    digests = {file.name: weights.sha256(file) for file in adapters}
    measured = _measured(published, digests.values())
    (ready / "README.md").write_text(str(_card(repo, _model(folder), digests, measured)), encoding="utf-8")
    return ready


def upload(ready: Path, repo: str) -> str:
    """Uploads a prepared folder, making the repository where it is not there; returns its address.

    Raises:
        ValueError: there is no token.
        OSError: the Hub cannot be reached or refuses.
    """
    import huggingface_hub

    if not huggingface_hub.get_token():
        raise ValueError("There is no token of the Hugging Face Hub: set HF_TOKEN, or run hf auth login.")
    hub = huggingface_hub.HfApi()
    address = hub.create_repo(repo, exist_ok=True)
    hub.upload_folder(repo_id=repo, folder_path=ready)
    return str(address)


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    places = (folder, folder / "adapter")
    return [file for place in places for pattern in patterns for file in sorted(place.glob(pattern))]


def _model(folder: Path) -> str:
    """The name of the model that the adapter is for: its run card says it, or the folder is called so."""
    card = folder / "run.json"
    name = json.loads(card.read_text(encoding="utf-8"))["model"] if card.is_file() else folder.resolve().name
    if name not in registry.MODELS:
        raise ValueError(
            f"{folder} does not say which model its adapter is for: put the run.json of its training into "
            f"it, or name the folder as the model ({', '.join(registry.MODELS)})."
        )
    return name


def _measured(published: Path, digests: Sequence[str]) -> list[dict]:
    """The results of the model with one of these adapters."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(published.glob("*.json"))]
    ends = tuple(f"+{digest}" for digest in digests)
    return [result for result in found if result.get("model_digest", "").endswith(ends)]


def _card(repo: str, model: str, digests: dict[str, str], measured: Sequence[dict]):
    """A ModelCard with the results in its model-index."""
    from huggingface_hub import ModelCard, ModelCardData

    known = registry.MODELS[model]
    data = ModelCardData(
        model_name=repo.partition("/")[2],
        base_model=known.repo if isinstance(known, OnHub) else known.weights.repo,
        library_name="peft" if "adapter_model.safetensors" in digests else "gguf",
        license="apache-2.0",
        language="en",
        tags=["lora", "data-analysis", "table-question-answering"],
        eval_results=[entry for result in measured for entry in _entries(result)] or None,
    )
    files = "\n".join(f"- `{name}`, SHA-256 `{digest}`" for name, digest in digests.items())
    figures = "\n\n".join(
        summary.table({f"{result['benchmark']}, {result['mode']}": result}) for result in measured
    )
    return ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n# {data.model_name}\n\nA LoRA adapter of DataSense for `{model}` "
        f"({data.base_model}): it answers questions about tables by running Python on them, and claims only "
        f"what execution confirmed.\n\n{files}\n\n## Results\n\n"
        f"{figures or 'No result of this adapter is published yet.'}\n"
    )


def _entries(result: dict) -> list:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="table-question-answering",
            dataset_type=result["benchmark"],
            dataset_name=f"{result['benchmark']}, {result['mode']}",
            metric_type="accuracy",
            metric_name=name,
            metric_value=round(100 * result[key]["rate"], 2),
        )
        for key, name in METRICS.items()
    ]
