"""The documentation says what is there: links, files, commands, options, parameters, result codes and diagnostics."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from audio2shape_core.cli.main import build_parser
from audio2shape_ros import parameters

ROOT = Path(__file__).parents[1]
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
PLACEHOLDERS = re.compile(r"\b(COMMAND|STAGE|WHAT|AUDIO)\b")  # `audio2shape COMMAND --help` speaks of any command
RUN = re.compile(r"^(?:\.venv/bin/)?audio2shape ")


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def fenced(page: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.M | re.S)


def inline(page: str) -> list[str]:
    """What stands in single backticks, outside code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S))


def lines_of(page: str) -> list[str]:
    """The lines of the shell blocks, without comments, continued lines joined."""
    joined = "\n".join(fenced(page, "bash")).replace("\\\n", " ")
    return [" ".join(shlex.split(line, comments=True)) for line in joined.splitlines() if line.strip()]


def subparser(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that `words` begin with."""
    parser = build_parser()
    for word in words:
        choices = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not choices:
            break
        assert word in choices[0].choices, f"audio2shape has no command {word!r}"
        parser = choices[0].choices[word]
    return parser


def exit_code(line: str) -> int:
    """With which the command line refuses the arguments of a command, 0 where it takes them."""
    try:
        build_parser().parse_args(shlex.split(line)[1:])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def every_option(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= every_option(below)
    return found


def anchor(heading: str) -> str:
    """As the toc extension of Python-Markdown and GitHub make it of a heading in plain letters."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        assert place.exists(), f"{page}: {target}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", place.read_text(), re.M)
            assert fragment in {anchor(h) for h in headings}, f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    folders = (
        "audio2shape_core|audio2shape_ros|docs|tests|scripts|examples|benchmarks|config|launch|msg|srv|action|.github"
    )
    for code in inline(page):
        if re.fullmatch(rf"({folders})/([\w./-]*\.\w+|([\w-]+/)*)", code):
            assert (ROOT / code).exists(), f"{page}: {code}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_shell_blocks_are_understood(page: str) -> None:
    for line in lines_of(page):
        if RUN.match(line) and not PLACEHOLDERS.search(line):
            assert not exit_code(line), f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_options_that_are_named_exist(page: str) -> None:
    options = every_option(build_parser())
    for code in inline(page):
        words = code.split()
        if RUN.match(code) and not PLACEHOLDERS.search(code):
            known = set(subparser(words[1:])._option_string_actions)
        elif code.startswith("--"):
            known = options
        else:
            continue
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{page}: {code}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = [line.split()[1] for line in [*inline(page), *lines_of(page)] if re.match(r"make [a-z-]+", line)]
    assert set(named) <= targets, page


@pytest.mark.parametrize("page", PAGES)
def test_launch_arguments_exist(page: str) -> None:
    for line in [*inline(page), *lines_of(page)]:
        if match := re.match(r"ros2 launch audio2shape_ros (\S+)(.*)", line):
            launch = (ROOT / "launch" / match[1]).read_text()
            for name in re.findall(r"(\w+):=", match[2]):
                assert f'"{name}": (' in launch, f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_parameters_that_are_named_exist(page: str) -> None:
    groups = {name.split(".")[0] for name in parameters.BY_NAME if "." in name}
    files = (".py", ".ply", ".png", ".json", ".npz", ".wav")
    for code in inline(page):
        name = code.partition(":")[0]
        if re.fullmatch(rf"({'|'.join(groups)})\.[a-z_]+", name) and not name.endswith(files):
            assert name in parameters.BY_NAME, f"{page}: {code}"


def test_the_library_example_of_the_readme_runs(monkeypatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = fenced("README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("guitar (2048, 3) ")


@pytest.mark.parametrize("page", ["docs/library.md"])
def test_examples_of_the_library_import_what_there_is(page: str) -> None:
    for code in fenced(page, "python"):
        imports = [n for n in ast.walk(ast.parse(code)) if isinstance(n, (ast.Import, ast.ImportFrom))]
        exec(compile(ast.Module(imports, type_ignores=[]), page, "exec"), {})


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.py")), ids=lambda p: p.name)
def test_examples_are_python(path: Path) -> None:
    compile(path.read_text(), str(path), "exec")


# --- troubleshooting: nothing that the node says is missing -----------------------------------------------------------


def plain(text: str) -> str:
    """Without quotes, backticks and doubled blanks, for comparing prose."""
    return re.sub(r"\s+", " ", re.sub(r"[`'\"]", "", text))


def literals(node: ast.expr) -> str:
    """The fixed parts of a string or f-string, `...` where a value goes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literals(part) if isinstance(part, ast.Constant) else "..." for part in node.values)
    return ""


def said_by(path: Path) -> list[tuple[int, str]]:
    """Every message that a file refuses something with, by line."""
    refusals = ["InputError", "NotActive", "NoAudio", "Silence", "BadRequest", "Busy", "OutOfMemory"]
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in refusals and node.args:
            found.append((node.lineno, literals(node.args[0])))
    return found


def diagnoses_of(path: Path) -> list[tuple[int, str]]:
    """Every summary of a diagnostic status that is written where it is reported: Report(LEVEL, "summary", values)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        is_report = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Report" and len(node.args) > 1
        if is_report and (summary := literals(node.args[1])):
            found.append((node.lineno, summary))
    return found


def explained(message: str, page: str) -> bool:
    """Whether the page holds the first telling words of a message."""
    parts = [plain(part).strip(" ,;:()") for part in re.split(r"\.\.\.|: |, expected|; | \(|, or ", message)]
    telling = [part for part in parts if len(part) >= 5]
    return not telling or telling[0] in page


ROS_FILES = sorted((ROOT / "audio2shape_ros").rglob("*.py"))


def test_every_code_is_explained() -> None:
    page = TROUBLESHOOTING.read_text()
    for path in [*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv"), *ROOT.glob("action/*.action")]:
        for name, value in re.findall(r"^uint8 ([A-Z_]+)\s*=\s*(\d+)", path.read_text(), re.M):
            assert re.search(rf"^\| {value} \| `{name}` \| \S", page, re.M), f"{path.name}: {name}={value}"


def test_every_diagnostic_is_explained() -> None:
    page = plain(TROUBLESHOOTING.read_text())
    found = [(path, *row) for path in ROS_FILES for row in diagnoses_of(path)]
    assert len(found) > 15  # the search above still finds them
    missing = [f"{path.name}:{line}: {text}" for path, line, text in found if not explained(text, page)]
    assert not missing, "\n".join(missing)


def test_every_status_is_explained() -> None:
    source = (ROOT / "audio2shape_ros/node.py").read_text()
    tasks = [*re.findall(r'^\s+"([a-z ]+)": (?:lambda: )?self\._\w+', source, re.M), "clock"]
    assert len(tasks) >= 6
    headings = re.findall(r"^### (.+)$", TROUBLESHOOTING.read_text(), re.M)
    assert set(tasks) <= set(headings)


def test_every_refusal_of_the_node_is_explained() -> None:
    page = plain(TROUBLESHOOTING.read_text())
    found = [(path, *row) for path in ROS_FILES for row in said_by(path)]
    assert len(found) > 20
    missing = [f"{path.name}:{line}: {text}" for path, line, text in found if text and not explained(text, page)]
    assert not missing, "\n".join(missing)


# --- language ---------------------------------------------------------------------------------------------------------


def test_no_archaic_words() -> None:
    words = re.compile(r"\b(whence|lest|hither|thither|thereof|fellows?|told)\b", re.I)
    kinds = ("*.md", "*.py", "*.msg", "*.srv", "*.action", "*.yaml", "*.toml", "*.rst", "Makefile", "Dockerfile")
    code = ["audio2shape_core", "audio2shape_ros", "scripts", "tests"]
    folders = ["", "docs", "launch", "config", "msg", "srv", "action", "examples", "benchmarks", *code]
    found = []
    for folder in folders:
        search = ROOT.glob if not folder else (ROOT / folder).rglob
        for path in (p for kind in kinds for p in search(kind) if p.name != "test_documentation.py"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if words.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_snippets_are_written_as_mkdocs_reads_them(page):
    """A formatter once took `--8<-- "file"` for Python, and the page showed it instead of the file."""
    for line in page.read_text().splitlines():
        if re.search(r"8\s*<\s*-", line):
            name = re.search(r'^--8<-- "([^":]+)', line)
            assert name, line
            assert (ROOT / name[1]).is_file()
