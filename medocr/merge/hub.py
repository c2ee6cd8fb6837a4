"""A merged model to the Hugging Face Hub, if and only if somebody asks for it."""

from pathlib import Path

from huggingface_hub import HfApi

FILES = ("*.safetensors", "*.json", "*.jinja", "README.md")  # what a model folder holds; no page, whatever lies there


def push(
    folder: str | Path, repository: str, *, phi: bool, phi_agreement: bool = False, api: HfApi | None = None
) -> str:
    """Upload the files of a merged folder to `repository` (made if need be, private); returns the commit's address.

    `phi` says whether pages that it was trained on may hold health information, which a model can give away again:
    then `phi_agreement` must say that this repository may have it. Raises ValueError where it does not, and when the
    folder holds no merged model.
    """
    if phi and not phi_agreement:
        raise ValueError(
            f"{repository} was not given the model: pages it was trained on may hold health information, of which a "
            "model can repeat some. Set push_phi_agreement where this repository may have it"
        )
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json in this folder, so it holds no model to push: run notebook 06")
    api = api or HfApi()
    api.create_repo(repository, private=True, exist_ok=True)
    return str(api.upload_folder(folder_path=str(folder), repo_id=repository, allow_patterns=list(FILES)))
