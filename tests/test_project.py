"""What stands in several files of the project agrees: versions, dependencies, tools, the house's own description."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

import audio2shape_core

ROOT = Path(__file__).parents[1]
PACKAGE = ET.parse(ROOT / "package.xml").getroot()
tomllib = pytest.importorskip("tomllib")  # Python 3.11
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(re.findall(r"^([\w.-]+)==([^;\s]+)", (ROOT / "constraints.txt").read_text(), re.M))


def bare(requirement: str) -> str:
    """The name of a requirement, as pip compares names."""
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PACKAGE.findtext("version") == audio2shape_core.__version__ == citation["version"]
    assert "version" in PYPROJECT["project"]["dynamic"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "audio2shape_core.__version__"}


def test_every_dependency_is_pinned() -> None:
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    pinned = {bare(name) for name in PINS}
    assert {bare(r) for r in wanted} - {"audio2shape"} <= pinned


def test_no_needless_dependency() -> None:
    """Each run time dependency is imported by the product somewhere, outside the tests."""
    imported = set()
    for path in (ROOT / "audio2shape_core").rglob("*.py"):
        imported |= set(re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.M))
    modules = {"scikit-image": "skimage", "opencv-python": "cv2", "pillow": "PIL"}
    for requirement in PYPROJECT["project"]["dependencies"]:
        name = bare(requirement)
        assert modules.get(name, name) in imported, f"{name} is a dependency that nothing imports"


def test_pre_commit_uses_the_same_ruff() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (ruff,) = [repo for repo in hooks["repos"] if "ruff" in repo["repo"]]
    assert ruff["rev"] == f"v{PINS['ruff']}"


def test_ci_runs_what_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    asked = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.M))
    assert asked == {"lint", "docs", "test"}
    for path in (ROOT / ".github/workflows").glob("*.yaml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                asked |= set(re.findall(r"\bmake ([a-z-]+)", step.get("run", "")))
    assert asked <= targets


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.y*ml")), ids=lambda p: p.name)
def test_github_files_are_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_issue_forms_have_what_github_requires() -> None:
    for name in ("bug.yml", "idea.yml"):
        form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / name).read_text())
        assert form["name"]
        assert form["description"]
        for element in form["body"]:
            assert element["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
            assert "value" in element["attributes"] if element["type"] == "markdown" else element["id"]


def test_citation_is_valid() -> None:
    """The required keys of CFF 1.2.0, and no key that it does not know."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    known = {
        "abstract",
        "authors",
        "cff-version",
        "commit",
        "contact",
        "date-released",
        "doi",
        "identifiers",
        "keywords",
    }
    known |= {"license", "license-url", "message", "preferred-citation", "references", "repository", "title"}
    known |= {"type", "repository-artifact", "repository-code", "url", "version"}
    assert {"authors", "cff-version", "message", "title"} <= set(citation) <= known
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert citation["license"] == PACKAGE.findtext("license") == PYPROJECT["project"]["license"]
    for author in citation["authors"]:
        assert set(author) <= {"name", "email", "family-names", "given-names", "orcid", "affiliation", "website"}
    for reference in citation["references"]:
        assert {"authors", "title", "type"} <= set(reference)


def test_the_maintainer_can_be_reached() -> None:
    address = PACKAGE.find("maintainer").get("email")
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", address)
    assert address in (ROOT / "SECURITY.md").read_text()


def test_docker_copies_what_is_there() -> None:
    for line in re.findall(r"^COPY (.+)$", (ROOT / "Dockerfile").read_text(), re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), line


def test_types_are_shipped() -> None:
    for package, patterns in PYPROJECT["tool"]["setuptools"]["package-data"].items():
        assert "py.typed" in patterns
        assert (ROOT / package / "py.typed").is_file()


def test_every_target_says_what_it_does() -> None:
    """`make help` lists it, unless it is a step of another."""
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.M))
    assert set(re.findall(r"^([a-z-]+):", makefile, re.M)) - described == {"ros-setup"}
