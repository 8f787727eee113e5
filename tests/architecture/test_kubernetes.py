"""deploy/kubernetes, built as `kubectl apply --kustomize` builds it, and read. Its form: `make manifests`."""

import functools
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from ruamel.yaml import YAML
from sqlalchemy import make_url
from typer.main import get_command

import worker
from database.sessions import TRANSACTION_SECONDS
from devstack import topology
from starter.cli.app import app
from starter.cli.stack import Part
from starter.console.security import HEALTH
from starter.console.settings import ConsoleSettings, console_url
from starter.console.ways import sign_in_by
from starter.secret_files import DATABASE_PASSWORD_FILE, SECRETS
from stockkeeper.contracts.settings import PREFIX, require_known

ROOT = Path(__file__).parents[2]
OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"
SETUPS = ("development/setup", "production/setup")
RUNNING = ("development", "production", "production-versioned")
ALL = (*RUNNING, *SETUPS)

Resource = Mapping[str, Any]

BULK = "stockkeeper-bulk-worker"
WORKERS = {"app.kubernetes.io/name": "stockkeeper", "app.kubernetes.io/component": "worker"}
OWN_KINDS = {
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
}
# Their schemas aren't Kubernetes' own: `make manifests` passes them over, so a name that is misspelt is seen here.
OF_OTHERS = {
    "development": set[tuple[str, str]](),
    "production": {("keda.sh/v1alpha1", "ScaledObject"), ("monitoring.coreos.com/v1", "PodMonitor")},
    "production-versioned": {
        ("monitoring.coreos.com/v1", "PodMonitor"),
        ("temporal.io/v1alpha1", "Connection"),
        ("temporal.io/v1alpha1", "WorkerDeployment"),
        ("temporal.io/v1alpha1", "WorkerResourceTemplate"),
    },
    "development/setup": set[tuple[str, str]](),
    "production/setup": set[tuple[str, str]](),
}


@functools.cache
def built(path: str) -> tuple[Resource, ...]:
    """Every resource of an overlay, or of another directory."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", OVERLAYS / path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), path
    return tuple(YAML(typ="safe").load_all(done.stdout))


def of_kind(path: str, kind: str) -> dict[str, Resource]:
    """The resources of a kind in an overlay, by name."""
    return {each["metadata"]["name"]: each for each in built(path) if each["kind"] == kind}


def one(path: str, kind: str) -> Resource:
    [found] = of_kind(path, kind).values()
    return found


def pods(path: str) -> Iterator[tuple[str, Resource]]:
    """The template of every pod in an overlay, by the name of its container."""
    for each in built(path):
        if each["kind"] in {"Deployment", "Job", "WorkerDeployment"}:
            template = each["spec"]["template"]
            [container] = template["spec"]["containers"]
            yield container["name"], template


EVERY_POD = [(path, name) for path in RUNNING for name in ("worker",)] + [
    (path, name) for path in SETUPS for name in ("migrate", "schedules")
]


def pod(path: str, name: str) -> Resource:
    return dict(pods(path))[name]


def variables(path: str, name: str) -> dict[str, str]:
    """The variables of a container, from its own list and from config maps, which are in the same overlay."""
    maps = of_kind(path, "ConfigMap")
    [container] = pod(path, name)["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]["data"]
    for each in container.get("env", []):
        if "value" in each:
            found[each["name"]] = each["value"]
        else:
            key = each["valueFrom"]["configMapKeyRef"]
            found[each["name"]] = maps[key["name"]]["data"][key["key"]]
    return found


def settings(path: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> worker.Settings:
    """A worker's settings in an overlay."""
    for variable in [each for each in os.environ if each.startswith((PREFIX, "TEMPORAL_"))]:
        monkeypatch.delenv(variable)
    for variable, value in (variables(path, "worker") | more).items():
        monkeypatch.setenv(variable, value)
    return worker.Settings()


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def test_every_overlay_is_known_and_has_kinds_that_are_known() -> None:
    files = {file.parent.relative_to(OVERLAYS).as_posix() for file in OVERLAYS.rglob("kustomization.yaml")}
    assert {each for each in files if not each.endswith("settings")} == {*ALL}
    for path in ALL:
        kinds = {(each["apiVersion"], each["kind"]) for each in built(path)}
        assert kinds - OWN_KINDS == OF_OTHERS[path], path
        spaces = {each["metadata"].get("namespace") for each in built(path) if each["kind"] != "Namespace"}
        assert spaces == {"stockkeeper"}, path


def test_the_pods_of_each_overlay_are_these() -> None:
    assert [(path, name) for path in ALL for name, _ in pods(path)] == EVERY_POD


@pytest.mark.parametrize(("path", "name"), EVERY_POD)
def test_a_pod_may_do_nothing_but_its_work(path: str, name: str) -> None:
    spec = pod(path, name)["spec"]
    account = re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert [str(spec["securityContext"]["runAsUser"])] == account
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (spec["automountServiceAccountToken"], "serviceAccountName" in spec) == (False, False)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["resources"]["limits"].keys() == {"memory"}
    written = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert [volume.get("emptyDir") for volume in spec["volumes"] if volume["name"] in written] == [
        {"sizeLimit": "64Mi"}
    ]


@pytest.mark.parametrize(("path", "name"), EVERY_POD)
def test_a_pods_image_is_of_this_version(path: str, name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    [container] = pod(path, name)["spec"]["containers"]
    assert container["image"].rpartition("/")[2] == f"stockkeeper:{version}"


@pytest.mark.parametrize(("path", "name"), EVERY_POD)
def test_a_pod_has_variables_that_are_known_and_no_secret_among_them(path: str, name: str) -> None:
    given = variables(path, name)
    require_known(given)
    known = {"DATABASE_URL", DATABASE_PASSWORD_FILE, "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
    assert {each for each in given if not each.startswith(PREFIX)} <= known
    assert not {*SECRETS} - {"DATABASE_URL"} & given.keys()
    if "DATABASE_URL" in given:
        assert make_url(given["DATABASE_URL"]).password is None


@pytest.mark.parametrize(
    ("name", "role", "secrets"),
    [
        (
            "worker",
            "stockkeeper_worker",
            {"stockkeeper-worker": "worker_password", "stockkeeper-notices": "notice_urls"},
        ),
        ("migrate", "stockkeeper_owner", {"stockkeeper-owner": "owner_password"}),
        ("schedules", None, {}),
    ],
)
def test_a_pod_logs_in_by_its_own_role_and_mounts_no_password_but_its_own(
    name: str, role: str | None, secrets: dict[str, str]
) -> None:
    path = "production/setup" if name != "worker" else "production"
    given = variables(path, name)
    assert (make_url(given["DATABASE_URL"]).username if role else given.get("DATABASE_URL")) == role
    spec = pod(path, name)["spec"]
    [container] = spec["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    mounted = {each["secret"]["secretName"]: each for each in spec["volumes"] if "secret" in each}
    assert mounted.keys() == secrets.keys()
    files = {value for variable, value in given.items() if variable.endswith("_FILE")}
    assert files == {f"{places[mounted[secret]['name']]}/{file}" for secret, file in secrets.items()}
    # For the group of the pod, and for nobody else.
    assert {each["secret"]["defaultMode"] for each in mounted.values()} <= {0o440}
    if mounted:
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"]


def test_roles_are_those_of_the_compose_file() -> None:
    for name, part in (("worker", "worker"), ("setup", "migrate")):
        compose = dotenv_values(ROOT / "deploy" / "env" / f"{name}.env", interpolate=False)
        path = "production" if part == "worker" else "production/setup"
        ours, theirs = make_url(variables(path, part)["DATABASE_URL"]), make_url(compose["DATABASE_URL"] or "")
        assert (ours.username, ours.port, ours.database) == (theirs.username, theirs.port, theirs.database)
        assert (
            Path(variables(path, part)[DATABASE_PASSWORD_FILE]).name == Path(compose[DATABASE_PASSWORD_FILE] or "").name
        )


def test_the_jobs_do_each_part_of_the_setup_once() -> None:
    for path in SETUPS:
        commands = {name: template["spec"]["containers"][0]["command"] for name, template in pods(path)}
        assert commands == {
            "migrate": ["stockkeeper", "setup", "--only", Part.DATABASE.value],
            "schedules": ["stockkeeper", "setup", "--only", Part.TEMPORAL.value],
        }
        assert len(Part) == len(commands)
        assert {template["spec"]["restartPolicy"] for _, template in pods(path)} == {"Never"}


@pytest.mark.parametrize("path", RUNNING)
def test_probes_ask_what_a_worker_answers_where_it_answers(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = pod(path, "worker")["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    told = settings(path, monkeypatch)
    assert (f"0.0.0.0:{ports['health']}", f"0.0.0.0:{ports['metrics']}") == (told.health_address, told.metrics_address)
    assert (told.health_address, told.metrics_address) == (topology.HEALTH, topology.METRICS)
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/livez", "port": "health"},
        "liveness": {"path": "/livez", "port": "health"},
        "readiness": {"path": "/readyz", "port": "health"},
    }
    answered = inspect.getsource(worker.serve_health)
    assert all(f'"{each["path"]}": health.' in answered for each in asked.values())


@pytest.mark.parametrize("path", RUNNING)
def test_a_worker_has_time_to_finish_its_transactions(path: str) -> None:
    needed = worker.GRACEFUL_SHUTDOWN.total_seconds() + TRANSACTION_SECONDS
    assert pod(path, "worker")["spec"]["terminationGracePeriodSeconds"] >= needed


@pytest.mark.parametrize("path", RUNNING)
def test_selectors_choose_the_workers_and_nothing_else(path: str) -> None:
    labels = pod(path, "worker")["metadata"]["labels"]
    assert selects(WORKERS, labels)
    setup = [template["metadata"]["labels"] for _, template in pods("production/setup")]
    selectors = [
        *(each["spec"]["podSelector"]["matchLabels"] for each in of_kind(path, "NetworkPolicy").values()),
        one(path, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(each["spec"]["selector"]["matchLabels"] for each in of_kind(path, "PodMonitor").values()),
        *(each["labelSelector"]["matchLabels"] for each in pod(path, "worker")["spec"]["topologySpreadConstraints"]),
        *(each["spec"]["selector"]["matchLabels"] for each in of_kind(path, "Deployment").values()),
    ]
    for selector in selectors:
        assert selects(selector, labels)
        assert not any(selects(selector, other) for other in setup)


def test_network_policies_open_the_ports_of_the_servers_and_of_the_metrics() -> None:
    def outwards(path: str, labels: Mapping[str, str]) -> set[int]:
        return {
            port["port"]
            for policy in of_kind(path, "NetworkPolicy").values()
            if selects(policy["spec"]["podSelector"]["matchLabels"], labels)
            for rule in policy["spec"].get("egress", [])
            for port in rule["ports"]
        }

    for path, name in EVERY_POD:
        given = variables(path, name)
        needed = {make_url(given["DATABASE_URL"]).port} if "DATABASE_URL" in given else set()
        needed |= {int(given["TEMPORAL_ADDRESS"].rpartition(":")[2])} if "TEMPORAL_ADDRESS" in given else set()
        notices = {443, 465, 587} if "STOCKKEEPER_NOTICE_URLS_FILE" in given else set()
        assert outwards(path, pod(path, name)["metadata"]["labels"]) == needed | {53} | notices, (path, name)
    inwards = [
        (name, rule["from"], rule["ports"])
        for name, policy in of_kind("production", "NetworkPolicy").items()
        for rule in policy["spec"].get("ingress", [])
    ]
    space = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert inwards == [("stockkeeper-metrics", [space], [{"port": "metrics", "protocol": "TCP"}])]


def test_prometheus_finds_the_workers_as_the_job_of_the_alerts() -> None:
    monitor = one("production", "PodMonitor")["spec"]
    job = pod("production", "worker")["metadata"]["labels"][monitor["jobLabel"]]
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    assert {*re.findall(r'job="([^"]+)"', rules)} == {job}
    [endpoint] = monitor["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")


def test_scalers_go_by_slots_and_cpu_within_the_databases_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    told = settings("production", monkeypatch)
    # Two that listen, one that numbers events, and one for a probe.
    assert told.connections + 4 == 24
    scaler = one("production", "ScaledObject")["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": one("production", "Deployment")["metadata"]["name"],
    }
    assert "replicas" not in one("production", "Deployment")["spec"]
    cpu, local, queued = scaler["triggers"]
    assert (cpu["type"], cpu["metadata"]) == ("cpu", {"containerName": "worker", "value": "70"})
    for trigger, slots, kind in (
        (local, told.local_slots // 2, 'worker_type="LocalActivityWorker"'),
        # Those who follow events only wait.
        (queued, told.concurrency * 7 // 10, 'worker_type="ActivityWorker", task_queue!~".+-events"'),
    ):
        assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
        assert trigger["metadata"]["threshold"] == str(slots)
        assert trigger["metadata"]["query"] == (
            f'sum(avg_over_time(temporal_worker_task_slots_used{{job="stockkeeper", {kind}}}[1m]))'
        )
    plain = YAML(typ="safe").load(OVERLAYS.parent / "components" / "autoscaling" / "scaler.yaml")["spec"]
    assert (plain["minReplicas"], plain["maxReplicas"]) == (scaler["minReplicaCount"], scaler["maxReplicaCount"])
    assert plain["scaleTargetRef"] == scaler["scaleTargetRef"]
    versioned = one("production-versioned", "WorkerResourceTemplate")["spec"]["template"]["spec"]
    assert 2 * versioned["maxReplicas"] == plain["maxReplicas"]
    for each in (plain, versioned):
        [metric] = each["metrics"]
        assert metric["containerResource"] == {
            "name": "cpu",
            "container": "worker",
            "target": {"type": "Utilization", "averageUtilization": 70},
        }


def test_versions_have_the_same_pods_and_are_connected_to_the_same_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = one("production-versioned", "WorkerDeployment")
    assert deployment["spec"]["template"] == one("production", "Deployment")["spec"]["template"]
    assert of_kind("production-versioned", "Deployment") == {}
    given = variables("production-versioned", "worker")
    connection = one("production-versioned", "Connection")
    options = deployment["spec"]["workerOptions"]
    assert options["connectionRef"] == {"name": connection["metadata"]["name"]}
    assert connection["spec"] == {"hostPort": given["TEMPORAL_ADDRESS"]}
    assert options["temporalNamespace"] == given["TEMPORAL_NAMESPACE"]
    template = one("production-versioned", "WorkerResourceTemplate")["spec"]
    assert template["workerDeploymentRef"] == {"name": deployment["metadata"]["name"]}
    assert template["template"]["spec"]["scaleTargetRef"] == {}
    # The names that the controller gives, as its source makes them: a namespace, a slash and the resource's name.
    name = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
    more = {"TEMPORAL_DEPLOYMENT_NAME": name, "TEMPORAL_WORKER_BUILD_ID": "0.1.0-5f7c9d"}
    version = settings("production-versioned", monkeypatch, **more).version
    assert version is not None
    assert (version.deployment_name, version.build_id) == (name, "0.1.0-5f7c9d")


def beside(component: str, path: str, tmp_path: Path) -> str:
    """An overlay with one more component, in a directory of its own."""
    here = Path(os.path.relpath(OVERLAYS, tmp_path))
    place = (here.parent / "components" / component).as_posix()
    (tmp_path / "kustomization.yaml").write_text(
        f"namespace: stockkeeper\nresources: [{(here / path).as_posix()}]\ncomponents: [{place}]\n"
    )
    return tmp_path.as_posix()


@pytest.mark.parametrize(("path", "name"), [("production", "worker"), ("production/setup", "schedules")])
def test_keys_for_payloads_come_as_a_file_to_whatever_talks_to_temporal(path: str, name: str, tmp_path: Path) -> None:
    encrypting = beside("encryption", path, tmp_path)
    with_keys, without = pod(encrypting, name)["spec"], pod(path, name)["spec"]
    secret = {"name": "encryption", "secret": {"secretName": "stockkeeper-encryption", "defaultMode": 0o440}}
    assert with_keys["volumes"] == [*without["volumes"], secret]
    place = {"name": "encryption", "mountPath": "/run/secrets/encryption", "readOnly": True}
    [container] = with_keys["containers"]
    assert place in container["volumeMounts"]
    given = variables(encrypting, name)
    assert given["STOCKKEEPER_ENCRYPTION_KEYS_FILE"] == f"{place['mountPath']}/encryption_keys"
    require_known(given)


@pytest.mark.parametrize(
    ("path", "name"), [("production", "worker"), ("production/setup", "schedules"), ("production/setup", "migrate")]
)
def test_certificates_come_as_files_and_the_keys_of_temporal_to_whatever_talks_to_it(
    path: str, name: str, tmp_path: Path
) -> None:
    secured = beside("tls", path, tmp_path)
    with_tls, without = pod(secured, name)["spec"], pod(path, name)["spec"]
    [container], [before] = with_tls["containers"], without["containers"]
    place = {"name": "tls", "mountPath": "/run/secrets/tls", "readOnly": True}
    assert container["volumeMounts"] == [*before.get("volumeMounts", []), place]
    secret: dict[str, Any] = {"secretName": "stockkeeper-tls", "defaultMode": 0o440}
    more = {
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/run/secrets/tls/ca.crt",
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "/run/secrets/tls/tls.crt",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "/run/secrets/tls/tls.key",
    }
    if name == "migrate":
        # It talks to the database alone, and needs to know whom to trust.
        secret["items"], more = [{"key": "ca.crt", "path": "ca.crt"}], {}
    assert with_tls["volumes"] == [*without.get("volumes", []), {"name": "tls", "secret": secret}]
    assert variables(secured, name) == variables(path, name) | more


def test_bulk_work_has_pods_of_its_own_that_are_a_workers_in_all_else(tmp_path: Path) -> None:
    apart = beside("bulk", "production", tmp_path)
    orders, bulk = of_kind(apart, "Deployment")["stockkeeper-worker"], of_kind(apart, "Deployment")[BULK]
    assert variables(apart, "worker") == variables("production", "worker") | {"STOCKKEEPER_SERVES": "orders"}
    assert variables(apart, "bulk-worker") == variables("production", "worker") | {"STOCKKEEPER_SERVES": "bulk"}
    own, other = bulk["spec"]["template"], orders["spec"]["template"]
    [container], [of_orders] = own["spec"]["containers"], other["spec"]["containers"]
    assert container["resources"] == of_orders["resources"] | {"requests": {"cpu": "500m", "memory": "400Mi"}}
    assert {**container, "name": "", "env": [], "resources": {}} == {
        **of_orders,
        "name": "",
        "env": [],
        "resources": {},
    }
    assert {**own["spec"], "containers": []} == {
        name: value
        for name, value in {**other["spec"], "containers": []}.items()
        if name != "topologySpreadConstraints"
    }
    # Neither Deployment chooses the other's pods, nor does what is there for orders' workers.
    labels, of_others = own["metadata"]["labels"], other["metadata"]["labels"]
    assert selects(bulk["spec"]["selector"]["matchLabels"], labels)
    assert not selects(bulk["spec"]["selector"]["matchLabels"], of_others)
    assert not selects(orders["spec"]["selector"]["matchLabels"], labels)
    policies = of_kind(apart, "NetworkPolicy")
    chosen = [name for name, each in policies.items() if selects(each["spec"]["podSelector"]["matchLabels"], labels)]
    assert chosen == [BULK]
    assert policies[BULK]["spec"]["egress"] == policies["stockkeeper-worker"]["spec"]["egress"]


def with_console(tmp_path: Path, *more: str) -> str:
    """The overlay for production, with the console: before the settings, which know its image; and more components."""
    production = YAML(typ="safe").load(OVERLAYS / "production" / "kustomization.yaml")
    here = OVERLAYS / "production"
    components = [here.parent.parent / "components" / "console", *(here / each for each in production["components"])]
    components += [here.parent.parent / "components" / each for each in more]
    listed = [Path(os.path.relpath(each.resolve(), tmp_path)).as_posix() for each in components]
    base = Path(os.path.relpath(OVERLAYS.parent / "base", tmp_path)).as_posix()
    (tmp_path / "kustomization.yaml").write_text(
        f"namespace: stockkeeper\nresources: [{base}]\ncomponents: [{', '.join(listed)}]\n"
    )
    return tmp_path.as_posix()


def test_the_console_has_a_pod_without_a_way_to_the_database(tmp_path: Path) -> None:
    path = with_console(tmp_path)
    for checks in (
        test_a_pod_may_do_nothing_but_its_work,
        test_a_pods_image_is_of_this_version,
        test_a_pod_has_variables_that_are_known_and_no_secret_among_them,
    ):
        checks(path, "console")
    given = variables(path, "console")
    assert "DATABASE_URL" not in given
    spec = pod(path, "console")["spec"]
    [container] = spec["containers"]
    files = {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "console"}
    assert given["STOCKKEEPER_CONSOLE_CLIENT_SECRET_FILE"] == f"{files.pop()}/client_secret"
    secret = {"secretName": "stockkeeper-console", "defaultMode": 0o440}
    assert [volume["secret"] for volume in spec["volumes"] if "secret" in volume] == [secret]
    # Sessions are in one process.
    deployment = of_kind(path, "Deployment")["stockkeeper-console"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})


def test_the_consoles_settings_are_sign_in_at_a_provider_and_it_is_asked_where_it_answers(tmp_path: Path) -> None:
    path = with_console(tmp_path)
    given = variables(path, "console") | {"STOCKKEEPER_CONSOLE_CLIENT_SECRET": "s3cret"}
    sign_in, people = sign_in_by(given, ConsoleSettings(console_url(given, "")), [], [])
    assert (sign_in.way, people) == ("provider", [])
    [container] = pod(path, "console")["spec"]["containers"]
    assert container["command"] == ["stockkeeper", "console", "--host", "0.0.0.0"]  # noqa: S104
    ports = {parameter.name: parameter.default for parameter in get_command(app).commands["console"].params}  # type: ignore[attr-defined]
    assert container["ports"] == [{"name": "pages", "containerPort": ports["port"]}]
    for kind in ("startup", "liveness", "readiness"):
        assert container[f"{kind}Probe"]["httpGet"] == {"path": HEALTH, "port": "pages"}


def test_the_console_is_reached_by_its_service_and_reaches_temporal_and_the_provider(tmp_path: Path) -> None:
    path = with_console(tmp_path)
    labels = pod(path, "console")["metadata"]["labels"]
    service = of_kind(path, "Service")["stockkeeper-console"]["spec"]
    assert (service["selector"], service["ports"]) == (labels, [{"name": "pages", "port": 80, "targetPort": "pages"}])
    assert of_kind(path, "Deployment")["stockkeeper-console"]["spec"]["selector"]["matchLabels"] == labels
    policies = of_kind(path, "NetworkPolicy")
    chosen = [name for name, each in policies.items() if selects(each["spec"]["podSelector"]["matchLabels"], labels)]
    assert chosen == ["stockkeeper-console"]
    policy = policies["stockkeeper-console"]["spec"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443, 7233}
    [rule] = policy["ingress"]
    assert rule["ports"] == [{"port": "pages", "protocol": "TCP"}]
    # What is there for workers chooses no console.
    worker_labels = pod(path, "worker")["metadata"]["labels"]
    assert not selects(service["selector"], worker_labels)
    assert not selects(of_kind(path, "Deployment")["stockkeeper-worker"]["spec"]["selector"]["matchLabels"], labels)
    assert not selects(one(path, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], labels)
    # Workers are told where it is, for links in notices, and nothing else of them changes.
    with_it, without = variables(path, "worker"), variables("production", "worker")
    assert with_it == without | {"STOCKKEEPER_CONSOLE_URL": variables(path, "console")["STOCKKEEPER_CONSOLE_URL"]}
    of_others = [
        each for each in built(path) if "console" not in each["metadata"]["name"] and each["kind"] != "Deployment"
    ]
    assert of_others == [each for each in built("production") if each["kind"] != "Deployment"]


def test_the_console_has_the_keys_and_certificates_of_whatever_talks_to_temporal(tmp_path: Path) -> None:
    given = variables(with_console(tmp_path, "encryption", "tls"), "console")
    assert given["STOCKKEEPER_ENCRYPTION_KEYS_FILE"] == "/run/secrets/encryption/encryption_keys"
    assert given["TEMPORAL_TLS_CLIENT_KEY_PATH"] == "/run/secrets/tls/tls.key"
