"""A merged model to the Hugging Face Hub, if and only if somebody asks for it."""

from pathlib import Path

from huggingface_hub import HfApi

FILES = ("*.safetensors", "*.json", "*.jinja", "README.md")  # what a model folder holds; no page, whatever lies there


def push(folder: str | Path, repository: str, *, private: bool = True, api: HfApi | None = None) -> str:
    """Upload the files of a merged folder to `repository` (made if need be, private); returns the commit's address.

    Raises ValueError when the folder holds no merged model.
    """
    if not (Path(folder) / "config.json").is_file():
        raise ValueError(f"{folder}: no config.json in this folder, so it holds no model to push: run notebook 06")
    api = api or HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    return str(api.upload_folder(folder_path=str(folder), repo_id=repository, allow_patterns=list(FILES)))
