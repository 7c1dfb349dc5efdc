"""Every operation of the vendor's authoring SDK, once, in the order of a project's life.

    sdk_operations.py ACCESS_JSON LABEL_FILE

The operations are found in the package itself: one without a row in CALLS fails, and so does a row that names none.
REFUSED says which of them this server does not carry out, and how it says so. Prints one JSON object: operation → outcome.
"""

import inspect
import json
import pathlib
import sys
import time
import typing

from azure.ai.textanalytics.authoring import TextAuthoringClient, TextAuthoringProjectClient
from azure.ai.textanalytics.authoring import models
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

POLL_SECONDS = 0.2
CANCEL_SECONDS_MAX = 120
KIND = models.ProjectKind.CUSTOM_ENTITY_RECOGNITION

# What is no operation of the service, but of the client.
OF_THE_CLIENT = {"close", "send_request", "get_project_client"}

# Operations that are refused: status and outer code of the answer. A row that is removed makes the call one that must succeed.
REFUSED = {
    "project.begin_assign_deployment_resources": (400, "InvalidArgument"),
    "project.begin_unassign_deployment_resources": (404, "NotFound"),
    "deployment.begin_delete_deployment_from_resources": (404, "NotFound"),
}

RESOURCE = "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/elsewhere"


def operations():
    """All operations, as `group.method`; `client` is the group of those that belong to no project."""
    found = {f"client.{name}" for name in methods(TextAuthoringClient)}
    for group, kind in typing.get_type_hints(TextAuthoringProjectClient).items():
        found |= {f"{group}.{name}" for name in methods(kind)}
    return found


def methods(kind):
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name for name, _ in members if not name.startswith("_")} - OF_THE_CLIENT


class Life:
    """A project on its way through the calls, each of which is named as its operation."""

    def __init__(self, access, labels):
        self.labels = labels
        self.name = labels["metadata"]["projectName"]
        credential = AzureKeyCredential(access["key"])
        self.options = {"polling_interval": POLL_SECONDS}
        self.client = TextAuthoringClient(access["endpoint"], credential)
        self.at = TextAuthoringProjectClient(access["endpoint"], credential, project_name=self.name)
        self.copy = None

    def end(self, poller):
        """Waits for a long operation."""
        result = poller.result()
        assert poller.status().lower() == "succeeded", poller.status()
        return result

    def create_project(self):
        metadata = self.labels["metadata"]
        details = models.CreateProjectOptions(
            project_kind=KIND,
            storage_input_container_name=metadata["storageInputContainerName"],
            project_name=self.name,
            multilingual=metadata["multilingual"],
            language=metadata["language"],
        )
        assert self.client.create_project(self.name, details).project_name == self.name

    def import_labels(self):
        self.end(self.at.project.begin_import(self.labels, **self.options))

    def train(self, label):
        details = models.TrainingJobDetails(
            model_label=label,
            training_config_version="lexical",
            evaluation_options=models.EvaluationDetails(kind=models.EvaluationKind.MANUAL),
        )
        result = self.end(self.at.project.begin_train(details, **self.options))
        assert result.model_label == label and result.training_status.percent_complete == 100, result

    def cancel_training(self):
        """The SDK's poller knows no end called `cancelled`, which the contract has; so the list of jobs is asked."""
        details = models.TrainingJobDetails(
            model_label="cancelled",
            training_config_version="contextual",
            evaluation_options=models.EvaluationDetails(kind=models.EvaluationKind.MANUAL),
        )
        self.at.project.begin_train(details, polling=False)
        job = next(iter(self.at.project.list_training_jobs()))
        self.at.project.begin_cancel_training_job(job.job_id, polling=False)
        begun = time.monotonic()
        while (state := next(iter(self.at.project.list_training_jobs()))).status in ("running", "cancelling"):
            assert time.monotonic() - begun < CANCEL_SECONDS_MAX, state
            time.sleep(POLL_SECONDS)
        assert (state.job_id, state.status) == (job.job_id, "cancelled"), state

    def deploy(self, name, label):
        details = models.CreateDeploymentDetails(trained_model_label=label)
        self.end(self.at.deployment.begin_deploy_project(name, details, **self.options))

    def deployed(self, name):
        return self.at.deployment.get_deployment(name).model_id

    def swap(self):
        before = (self.deployed("production"), self.deployed("staging"))
        details = models.SwapDeploymentsDetails(first_deployment_name="production", second_deployment_name="staging")
        self.end(self.at.project.begin_swap_deployments(details, **self.options))
        assert (self.deployed("staging"), self.deployed("production")) == before

    def evaluate(self):
        details = models.EvaluationDetails(
            kind=models.EvaluationKind.PERCENTAGE, training_split_percentage=50, testing_split_percentage=50
        )
        result = self.end(self.at.trained_model.begin_evaluate_model("first", details, **self.options))
        assert (result.model_label, result.percent_complete) == ("first", 100), result

    def summary(self):
        summary = self.at.trained_model.get_model_evaluation_summary("first")
        assert 0 < summary.custom_entity_recognition_evaluation.micro_f1 <= 1, summary

    def results(self):
        listed = self.at.trained_model.list_model_evaluation_results("first", string_index_type="Utf16CodeUnit")
        assert [result.location for result in listed]

    def load_snapshot(self):
        self.end(self.at.trained_model.begin_load_snapshot("first", **self.options))

    def delete_model(self):
        """The model that no deployment uses."""
        self.at.trained_model.delete_trained_model("third")
        assert "third" not in {model.label for model in self.at.project.list_trained_models()}

    def authorize_copy(self):
        target = TextAuthoringProjectClient(
            self.client._config.endpoint, self.client._config.credential, project_name=f"{self.name}Copy"
        )
        self.copy = target.project.copy_project_authorization(
            project_kind=KIND, storage_input_container_name=self.labels["metadata"]["storageInputContainerName"]
        )
        assert self.copy.target_project_name == f"{self.name}Copy", self.copy

    def copy_project(self):
        details = self.copy or {
            "projectKind": "CustomEntityRecognition",
            "targetProjectName": f"{self.name}Copy",
            "accessToken": "none",
            "expiresAt": "2030-01-01T00:00:00Z",
            "targetResourceId": RESOURCE,
            "targetResourceRegion": "local",
        }
        self.end(self.at.project.begin_copy_project(details, **self.options))
        assert self.client.get_project(f"{self.name}Copy").project_name == f"{self.name}Copy"

    def export_model(self):
        details = models.ExportedModelDetails(trained_model_label="first")
        exported = self.at.exported_model
        self.end(exported.begin_create_or_update_exported_model("carried", details, **self.options))

    def assign(self):
        metadata = models.ResourceMetadata(azure_resource_id=RESOURCE, custom_domain="elsewhere", region="elsewhere")
        details = models.AssignDeploymentResourcesDetails(resources_metadata=[metadata])
        self.end(self.at.project.begin_assign_deployment_resources(details, **self.options))

    def unassign(self):
        details = models.UnassignDeploymentResourcesDetails(assigned_resource_ids=[RESOURCE])
        self.end(self.at.project.begin_unassign_deployment_resources(details, **self.options))

    def delete_from_resources(self):
        details = models.DeleteDeploymentDetails(assigned_resource_ids=[RESOURCE])
        poller = self.at.deployment.begin_delete_deployment_from_resources("production", details, **self.options)
        self.end(poller)

    def delete_project(self):
        self.end(self.client.begin_delete_project(self.name, **self.options))
        assert self.name not in {project.project_name for project in self.client.list_projects()}


def has(items, attribute, *wanted):
    found = {getattr(item, attribute) for item in items}
    assert set(wanted) <= found, (wanted, found)


def equal(found, wanted):
    assert found == wanted, (found, wanted)


# Operation and call, in the order in which they are made.
CALLS = [
    ("client.create_project", Life.create_project),
    ("client.get_project", lambda life: equal(life.client.get_project(life.name).project_kind, KIND)),
    ("client.list_projects", lambda life: has(life.client.list_projects(), "project_name", life.name)),
    (
        "client.list_supported_languages",
        lambda life: has(life.client.list_supported_languages(project_kind=KIND), "language_code", "en-us", "de"),
    ),
    (
        "client.list_training_config_versions",
        lambda life: has(life.client.list_training_config_versions(project_kind=KIND), "training_config_version", "lexical"),
    ),
    (
        "client.list_supported_prebuilt_entities",
        lambda life: equal(list(life.client.list_supported_prebuilt_entities()), []),
    ),
    (
        "client.list_assigned_resource_deployments",
        lambda life: equal(list(life.client.list_assigned_resource_deployments()), []),
    ),
    ("project.begin_import", Life.import_labels),
    ("project.get_project", lambda life: equal(life.at.project.get_project().project_name, life.name)),
    ("project.begin_train", lambda life: [life.train(label) for label in ("first", "second", "third")]),
    ("project.begin_cancel_training_job", Life.cancel_training),
    ("project.list_training_jobs", lambda life: equal(len(list(life.at.project.list_training_jobs())), 4)),
    (
        "project.list_trained_models",
        lambda life: has(life.at.project.list_trained_models(), "label", "first", "second", "third"),
    ),
    ("trained_model.get_trained_model", lambda life: equal(life.at.trained_model.get_trained_model("first").label, "first")),
    ("trained_model.get_model_evaluation_summary", Life.summary),
    ("trained_model.list_model_evaluation_results", Life.results),
    ("trained_model.begin_evaluate_model", Life.evaluate),
    ("trained_model.begin_load_snapshot", Life.load_snapshot),
    (
        "project.begin_export",
        lambda life: life.end(life.at.project.begin_export(string_index_type="Utf16CodeUnit", **life.options)),
    ),
    ("trained_model.delete_trained_model", Life.delete_model),
    ("deployment.begin_deploy_project", lambda life: [life.deploy("production", "first"), life.deploy("staging", "second")]),
    ("deployment.get_deployment", lambda life: equal(life.deployed("production").startswith("first-"), True)),
    (
        "project.list_deployments",
        lambda life: has(life.at.project.list_deployments(), "deployment_name", "production", "staging"),
    ),
    ("project.begin_swap_deployments", Life.swap),
    ("project.list_deployment_resources", lambda life: equal(list(life.at.project.list_deployment_resources()), [])),
    ("project.begin_assign_deployment_resources", Life.assign),
    ("project.begin_unassign_deployment_resources", Life.unassign),
    ("deployment.begin_delete_deployment_from_resources", Life.delete_from_resources),
    ("project.copy_project_authorization", Life.authorize_copy),
    ("project.begin_copy_project", Life.copy_project),
    ("exported_model.begin_create_or_update_exported_model", Life.export_model),
    (
        "exported_model.get_exported_model",
        lambda life: equal(life.at.exported_model.get_exported_model("carried").exported_model_name, "carried"),
    ),
    (
        "project.list_exported_models",
        lambda life: has(life.at.project.list_exported_models(), "exported_model_name", "carried"),
    ),
    (
        "exported_model.get_exported_model_manifest",
        lambda life: has(life.at.exported_model.get_exported_model_manifest("carried").model_files, "name"),
    ),
    (
        "exported_model.begin_delete_exported_model",
        lambda life: life.end(life.at.exported_model.begin_delete_exported_model("carried", **life.options)),
    ),
    (
        "deployment.begin_delete_deployment",
        lambda life: life.end(life.at.deployment.begin_delete_deployment("production", **life.options)),
    ),
    ("client.begin_delete_project", Life.delete_project),
]


def outcome(life, name, call):
    """Makes a call; an outcome that is not the expected one is an error."""
    refusal = REFUSED.get(name)
    try:
        call(life)
    except HttpResponseError as error:
        found = (error.status_code, error.error.code if error.error else None)
        if found != refusal:
            raise AssertionError(f"{name} was refused with {found}, expected {refusal or 'success'}: {error}") from error
        return f"{refusal[0]} {refusal[1]}"
    if refusal:
        raise AssertionError(f"{name} succeeded, expected {refusal}")
    return "succeeded"


def main(access_file, label_file):
    called = [name for name, _ in CALLS]
    assert len(called) == len(set(called)), "an operation has two rows"
    assert set(called) == operations(), f"without a row, or without an operation: {set(called) ^ operations()}"
    access = json.loads(pathlib.Path(access_file).read_text())
    life = Life(access, json.loads(pathlib.Path(label_file).read_bytes()))
    print(json.dumps({name: outcome(life, name, call) for name, call in CALLS}))


if __name__ == "__main__":
    main(*sys.argv[1:])
