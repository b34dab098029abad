"""Prints what the package needs to run, from pyproject.toml, for a layer of the image that holds nothing of our own."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
print("\n".join(project["dependencies"]))
