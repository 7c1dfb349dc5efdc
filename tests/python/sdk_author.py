"""Project, import, training, evaluation and deployment through the vendor's authoring SDK.

    sdk_author.py ACCESS_JSON LABEL_FILE MODEL DEPLOYMENT

Prints one JSON object: project, micro F1 and the deployment's model id.
"""

import json
import pathlib
import sys

from azure.ai.textanalytics.authoring import TextAuthoringClient, TextAuthoringProjectClient
from azure.ai.textanalytics.authoring.models import (
    CreateDeploymentDetails,
    CreateProjectOptions,
    EvaluationDetails,
    EvaluationKind,
    ProjectKind,
    TrainingJobDetails,
)
from azure.core.credentials import AzureKeyCredential

POLL_SECONDS = 1


def create(client, metadata):
    """Makes the project as the label file describes it and reads it back."""
    client.create_project(
        metadata["projectName"],
        CreateProjectOptions(
            project_kind=ProjectKind.CUSTOM_ENTITY_RECOGNITION,
            storage_input_container_name=metadata["storageInputContainerName"],
            project_name=metadata["projectName"],
            multilingual=metadata["multilingual"],
            description=metadata["description"],
            language=metadata["language"],
        ),
    )
    found = client.get_project(metadata["projectName"])
    assert found.storage_input_container_name == metadata["storageInputContainerName"], found
    assert metadata["projectName"] in {project.project_name for project in client.list_projects()}


def train(project, model):
    """Trains with the service's own defaults and returns the micro F1 of the held-back documents."""
    poller = project.project.begin_train(
        TrainingJobDetails(
            model_label=model,
            training_config_version="latest",
            evaluation_options=EvaluationDetails(
                kind=EvaluationKind.PERCENTAGE, training_split_percentage=80, testing_split_percentage=20
            ),
        ),
        polling_interval=POLL_SECONDS,
    )
    result = poller.result()
    assert poller.status().lower() == "succeeded", poller.status()
    assert result.model_label == model, result
    assert result.training_config_version != "latest", result
    assert model in {trained.label for trained in project.project.list_trained_models()}
    summary = project.trained_model.get_model_evaluation_summary(model)
    return summary.custom_entity_recognition_evaluation.micro_f1


def deploy(project, model, deployment):
    """Deploys the model and returns the id of what is deployed."""
    project.deployment.begin_deploy_project(
        deployment, CreateDeploymentDetails(trained_model_label=model), polling_interval=POLL_SECONDS
    ).result()
    return project.deployment.get_deployment(deployment).model_id


def main(access_file, label_file, model, deployment):
    access = json.loads(pathlib.Path(access_file).read_text())
    labels = json.loads(pathlib.Path(label_file).read_bytes())
    credential = AzureKeyCredential(access["key"])
    name = labels["metadata"]["projectName"]
    with TextAuthoringClient(access["endpoint"], credential) as client:
        create(client, labels["metadata"])
    with TextAuthoringProjectClient(access["endpoint"], credential, project_name=name) as project:
        project.project.begin_import(labels, polling_interval=POLL_SECONDS).result()
        micro_f1 = train(project, model)
        model_id = deploy(project, model, deployment)
    print(json.dumps({"project": name, "microF1": micro_f1, "modelId": model_id}))


if __name__ == "__main__":
    main(*sys.argv[1:])
