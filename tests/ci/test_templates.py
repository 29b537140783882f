"""The CI templates: valid by their CI's schema, pinned, and their script parts run as that CI runs them."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import onnx
import pytest
from ruamel.yaml import YAML

import gate
from tests.ci.conftest import ROOT, Models, ci_environment
from tests.ci.guarded_proxy import guarded_proxy
from tests.mlflow_server import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACTION = ROOT / "ci" / "github" / "action.yml"
GITLAB = ROOT / "ci" / "gitlab" / "template.yml"
AZURE = ROOT / "ci" / "azure" / "spectral-gate.yml"
JENKINS = ROOT / "ci" / "jenkins" / "vars" / "spectralGate.groovy"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
TOKEN = "a token and nothing else"  # noqa: S105 - the test's own
BASIC = "Basic " + base64.b64encode(b"ci:secret").decode()
HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned; \" ${{ x }}"


def documents(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path.read_text(encoding="utf-8")))


def validate(schema: str, document: Any, folder: Path) -> None:
    """Check with the schemas that check-jsonschema carries."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def registry(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a sound and a damaged version, behind a proxy that wants a token."""
    with (
        running_server(tmp_path_factory.mktemp("server")) as server,
        guarded_proxy(server, f"Bearer {TOKEN}", BASIC) as address,
    ):
        mlflow.set_tracking_uri(server)
        mlflow.set_registry_uri(server)
        for path in (models.sound, models.damaged):
            with mlflow.start_run():
                mlflow.onnx.log_model(
                    onnx.load(path),
                    name="model",
                    registered_model_name="silero",
                    pip_requirements=["onnxruntime"],
                )
        yield address


def remote(registry: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_URI": registry, "MLFLOW_TRACKING_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def borrowed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Let pip find the wheel and nothing else; what the wheel needs is lent by this environment."""
    lent = tmp_path_factory.mktemp("lent")
    for folder in map(Path, site.getsitepackages()):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if not re.match(r"_*(editable_*.*)?mlflow_spectral_gate|gate$", entry.name):
                (lent / entry.name).symlink_to(entry)
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheel),
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONPATH": str(lent),
    }


def sh(
    script: str, folder: Path, changes: Mapping[str, str], *shell: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*shell, script],
        cwd=folder,
        env=ci_environment(changes),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


# GitHub


def github_steps(inputs: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each step's script and variables, as the runner evaluates the expressions."""
    (action,) = documents(ACTION)
    values = {name: inputs.get(name, entry.get("default")) for name, entry in action["inputs"].items()}
    for step in action["runs"]["steps"]:
        if step.get("if") == "inputs.version != ''" and not values["version"]:
            continue
        assert step["shell"] == "bash"
        variables = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: values[found.group(1)], str(value))
            for name, value in step["env"].items()
        }
        yield step["run"], variables


def run_github(
    folder: Path, inputs: Mapping[str, str], changes: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    files = {name: folder / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH")}
    for file in files.values():
        file.touch()
    given = {
        "GITHUB_ACTIONS": "true",
        "RUNNER_TEMP": str(folder / "temp"),
        **{k: str(v) for k, v in files.items()},
    }
    (folder / "temp").mkdir()
    for script, variables in github_steps(inputs):
        path = os.pathsep.join([*files["GITHUB_PATH"].read_text().split(), ci_environment(changes)["PATH"]])
        shell = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
        done = sh(script, folder, {**given, **changes, **variables, "PATH": path}, *shell)
        if done.returncode:
            return done
    return done


@pytest.mark.timeout(900)
def test_the_action_judges_a_remote_registry_with_a_token_and_skinny(
    registry: str, wheel: Path, tmp_path: Path
) -> None:
    """What a user gets: a fresh environment, mlflow-skinny, nothing of this one but the index."""
    changes = {"PIP_FIND_LINKS": str(wheel), **remote(registry)}
    done = run_github(tmp_path, {"source": "models:/silero/2", "baselines": "models:/silero/1"}, changes)
    assert done.returncode == 1, done.stdout + done.stderr
    (library,) = (tmp_path / "temp" / "spectral-gate" / "lib").glob("python*/site-packages")
    assert (library / "mlflow").is_dir()
    assert list(library.glob("mlflow_skinny-*"))
    assert not list(library.glob("mlflow-*.dist-info"))
    assert not (library / "onnx").exists()
    assert "::error " in done.stdout
    assert "✖ Blocked" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    outputs = dict(line.split("=", 1) for line in (tmp_path / "GITHUB_OUTPUT").read_text().splitlines())
    assert outputs == {"outcome": "blocked", "exit-code": "1", "reports": "gate-report"}
    assert "gate: recorded" in done.stderr
    (action,) = documents(ACTION)
    for name, entry in action["outputs"].items():
        assert entry["value"] == f"${{{{ steps.check.outputs.{name} }}}}"


def test_the_action_is_valid_and_never_puts_an_expression_into_a_script(tmp_path: Path) -> None:
    (action,) = documents(ACTION)
    validate("github-actions", action, tmp_path)
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]
    for name in ("source", "policies", "baselines", "fail-on", "reports"):
        folder = tmp_path / name
        folder.mkdir()
        done = run_github(
            folder, {"version": "", "mlflow": "present", "source": "nowhere.onnx", name: HOSTILE}, {}
        )
        assert done.returncode == 2, (name, done.stderr)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ({"MLFLOW_TRACKING_USERNAME": "ci", "MLFLOW_TRACKING_PASSWORD": "secret"}, 0),
        ({"MLFLOW_TRACKING_USERNAME": "ci", "MLFLOW_TRACKING_PASSWORD": "guessed"}, 3),
        ({"MLFLOW_TRACKING_TOKEN": "guessed"}, 3),
        ({}, 3),
    ],
)
def test_credentials_open_the_registry_or_nothing_is_judged(
    registry: str, tmp_path: Path, credentials: dict[str, str], code: int
) -> None:
    inputs = {"version": "", "mlflow": "present", "source": "models:/silero/1"}
    done = run_github(tmp_path, inputs, {"MLFLOW_TRACKING_URI": registry, **credentials})
    assert done.returncode == code, done.stderr
    assert "secret" not in done.stdout + done.stderr


# GitLab


def gitlab_job(inputs: Mapping[str, str], folder: Path) -> tuple[str, Any]:
    """Interpolate the inputs into the text, as GitLab does before it reads the YAML."""
    header, template = GITLAB.read_text(encoding="utf-8").split("\n---\n")
    spec = YAML(typ="safe").load(header)["spec"]["inputs"]
    values = {name: inputs.get(name, entry.get("default")) for name, entry in spec.items()}
    assert None not in values.values()
    for name, value in values.items():
        if "options" in spec[name]:
            assert value in spec[name]["options"]
    text = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda found: str(values[found.group(1)]), template)
    configuration = YAML(typ="safe").load(io.StringIO(text))
    validate("gitlab-ci", configuration, folder)
    ((name, job),) = configuration.items()
    return name, job


def test_the_gitlab_component(registry: str, borrowed: dict[str, str], tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    validate("gitlab-ci", documents(GITLAB)[0], tmp_path)
    _, job = gitlab_job(
        {"source": "models:/silero/2", "mlflow": "present", "policies": "default, strict"}, tmp_path
    )
    changes = {
        **borrowed,
        **remote(registry),
        **job["variables"],
        "CI_PROJECT_DIR": str(project),
        "GITLAB_CI": "true",
    }
    done = sh("\n".join(job["script"]), project, changes, "sh", "-ec")
    assert done.returncode == 1, done.stderr
    reports = job["artifacts"]["reports"]
    assert "<testsuite" in (project / reports["junit"]).read_text()
    entries = json.loads((project / reports["codequality"]).read_text())
    assert {entry["check_name"].partition("/")[0] for entry in entries} >= {"default"}
    assert (project / reports["dotenv"]).read_text() == "GATE_OUTCOME=blocked\nGATE_EXIT_CODE=1\n"
    for path in job["artifacts"]["paths"]:
        assert (project / path).exists()


def test_gitlab_inputs_are_only_values_of_variables() -> None:
    template = GITLAB.read_text(encoding="utf-8").split("\n---\n")[1]
    script = template[template.index("  script:") : template.index("  artifacts:")]
    assert "$[[" not in script


# Azure


def azure_steps(parameters: Mapping[str, str]) -> tuple[list[Any], dict[str, str]]:
    (template,) = documents(AZURE)
    values = {
        entry["name"]: parameters.get(entry["name"], entry.get("default")) for entry in template["parameters"]
    }
    assert None not in values.values()
    return template["steps"], values


def test_the_azure_template(registry: str, borrowed: dict[str, str], tmp_path: Path) -> None:
    validate("azure-pipelines", documents(AZURE)[0], tmp_path)
    steps, values = azure_steps({"source": "models:/silero/1", "mlflow": "present"})
    staging, temporary = tmp_path / "staging", tmp_path / "temp"
    staging.mkdir()
    temporary.mkdir()
    macros = {"Build.ArtifactStagingDirectory": str(staging), **remote(registry)}
    given = {
        **borrowed,
        "TF_BUILD": "True",
        "AGENT_TEMPDIRECTORY": str(temporary),
        "MLFLOW_TRACKING_URI": registry,
    }
    for step in steps:
        if "bash" not in step:
            continue
        assert "${{" not in step["bash"]
        variables = {
            name: re.sub(
                r"\$\(([\w.]+)\)",
                lambda found: macros[found.group(1)],
                re.sub(r"\$\{\{ parameters\.(\w+) \}\}", lambda found: values[found.group(1)], str(value)),
            )
            for name, value in step["env"].items()
        }
        done = sh(step["bash"], tmp_path, {**given, **variables}, "bash", "--noprofile", "--norc", "-c")
        assert done.returncode == 0, done.stderr
    assert f"##vso[task.uploadsummary]{staging}/gate-report/summary.md" in done.stdout
    for step in steps:
        wanted = step.get("publish") or step.get("inputs", {}).get("testResultsFiles")
        if wanted:
            assert Path(wanted.replace("$(Build.ArtifactStagingDirectory)", str(staging))).exists()


# Jenkins


def test_the_jenkins_step(registry: str, borrowed: dict[str, str], tmp_path: Path) -> None:
    text = JENKINS.read_text(encoding="utf-8")
    install, check = re.findall(r"script: ('''.*?'''|'[^']*')", text, re.DOTALL)
    defaults = dict(re.findall(r'"(GATE_CI_\w+)=\$\{.*?\?: \'?([^\'}]*)\'?\}"', text))
    workspace = {"WORKSPACE": str(tmp_path), "WORKSPACE_TMP": str(tmp_path / "workspace tmp")}
    (tmp_path / "workspace tmp").mkdir()
    given = {**borrowed, **remote(registry), **workspace, "GATE_CI_VERSION": defaults["GATE_CI_VERSION"]}
    for script in (install, check):
        body = script.strip("'").encode().decode("unicode_escape")
        changes = {**given, "GATE_CI_SOURCE": "models:/silero/1", "GATE_CI_POLICIES": "default"}
        done = sh(body, tmp_path, changes, "sh", "-xec")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "gate-report" / "junit.xml").exists()
    assert "GATE_OUTCOME=" in (tmp_path / "gate-report" / "outcome.env").read_text().splitlines()[0]
    assert not re.search(r"script: \"", text), "a double-quoted script would interpolate"


# All of them


def test_every_template_pins_this_version() -> None:
    assert documents(ACTION)[0]["inputs"]["version"]["default"] == gate.__version__
    assert documents(GITLAB)[0]["spec"]["inputs"]["version"]["default"] == gate.__version__
    parameters = {entry["name"]: entry.get("default") for entry in documents(AZURE)[0]["parameters"]}
    assert parameters["version"] == gate.__version__
    assert f"arguments.version ?: '{gate.__version__}'" in JENKINS.read_text()
    assert (
        f"mlflow-spectral-gate=={gate.__version__}" in (ROOT / "ci" / "requirements-skinny.txt").read_text()
    )


_NOT_FOR_A_CI_STEP = (
    "mlflow|onnx|onnxruntime"  # the demo
    "|alembic|sqlalchemy"  # the enforcing server
    "|fastapi|uvicorn|prometheus-client"  # the watcher
)


def test_the_skinny_requirements_are_the_packages_own_less_what_no_ci_step_needs() -> None:
    project = [line for line in importlib.metadata.requires("mlflow-spectral-gate") or [] if ";" not in line]
    lines = (ROOT / "ci" / "requirements-skinny.txt").read_text().splitlines()
    skinny = {
        line.replace("ruamel.yaml", "ruamel-yaml") for line in lines if line and not line.startswith("#")
    }
    own = {line for line in project if not re.match(rf"({_NOT_FOR_A_CI_STEP})[<>=]", line)}
    (mlflow_bound,) = (line for line in project if re.match(r"mlflow\b", line))
    assert skinny == own | {mlflow_bound.replace("mlflow", "mlflow-skinny")}


def test_the_pre_commit_hook_validates_policies(tmp_path: Path) -> None:
    ((hook, tests),) = documents(HOOKS)
    command = hook["entry"].split()
    assert command[0] == "gate"
    every = [os.path.relpath(path, ROOT) for path in sorted((ROOT / "policies").glob("*.yaml"))]
    pattern, apart = re.compile(hook["files"]), re.compile(hook["exclude"])
    assert all(pattern.match(path) and re.match(tests["files"], path) for path in every)
    packaged = [str(ROOT / path) for path in every if not apart.search(path)]
    assert len(packaged) == 3
    assert not pattern.match("model/config.yaml")
    good = subprocess.run(
        [*command, *packaged], env=ci_environment({}), capture_output=True, text=True, check=False
    )
    assert good.returncode == 0, good.stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nname: bad\nrules: []\n")
    done = subprocess.run(
        [*command, packaged[0], str(bad)], env=ci_environment({}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"{bad}:3" in done.stderr


def test_the_pre_commit_hook_runs_the_tests_of_policies(tmp_path: Path) -> None:
    ((_, hook),) = documents(HOOKS)
    assert hook["pass_filenames"] is False
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    command = hook["entry"].split()

    def run() -> int:
        return subprocess.run(
            command, cwd=tmp_path, env=ci_environment({}), capture_output=True, check=False
        ).returncode

    assert run() == 0
    default = tmp_path / "policies" / "default.yaml"
    default.write_text(default.read_text().replace("within: [2, 6]", "within: [2, 9]"))
    assert run() == 1


def test_the_examples_of_the_page_use_inputs_that_exist() -> None:
    """docs/how-to/ci.md: a renamed input must not stay in an example."""
    page = (ROOT / "docs" / "how-to" / "ci.md").read_text(encoding="utf-8")
    examples = [YAML(typ="safe").load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    workflow, gitlab, azure, hooks = examples
    (step,) = (step for step in workflow["jobs"]["spectral-gate"]["steps"] if step.get("id") == "gate")
    assert set(step["with"]) <= set(documents(ACTION)[0]["inputs"])
    assert step["uses"].endswith(f"/ci/github@v{gate.__version__}")
    (included,) = gitlab["include"]
    assert set(included["inputs"]) <= set(documents(GITLAB)[0]["spec"]["inputs"])
    assert (ROOT / included["file"]) == GITLAB
    (template,) = azure["steps"]
    assert set(template["parameters"]) <= {entry["name"] for entry in documents(AZURE)[0]["parameters"]}
    assert (ROOT / template["template"].partition("@")[0]) == AZURE
    assert hooks["repos"][0]["hooks"][0]["id"] == documents(HOOKS)[0][0]["id"]
