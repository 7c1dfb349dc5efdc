"""What users of the vendor's preview SDK see: sdk_text_jobs.py ACCESS_JSON PROJECT DEPLOYMENT BROKEN_DEPLOYMENT

It sends what its user builds, so the unit of offsets is chosen here; `auto` as the language and a time limit for the job
exist in this version alone. Prints one line.
"""

import importlib.metadata
import json
import pathlib
import sys

from azure.ai.textanalytics import TextAnalysisClient, models
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

TEXT = "Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250."
EMOJI = "\U0001f469\U0001f3fb\u200d\U0001f469\U0001f3fd \U0001f44d\U0001f3fd "


def begin(client, texts, project, deployment):
    documents = [
        models.MultiLanguageInput(id=str(at), text=text, language="auto") for at, text in enumerate(texts)
    ]
    content = models.CustomEntitiesActionContent(
        project_name=project, deployment_name=deployment, string_index_type=models.StringIndexType.UNICODE_CODE_POINT
    )
    return client.begin_analyze_text_job(
        text_input=models.MultiLanguageTextInput(multi_language_inputs=documents),
        actions=[models.CustomEntitiesLROTask(name="fields", parameters=content)],
        cancel_after=600.5,
        polling_interval=0.1,
    )


def succeeded(client, project, deployment):
    texts = [TEXT, "", EMOJI + TEXT]
    state = begin(client, texts, project, deployment).result()
    item = state.actions.items_property[0]
    assert state.status == "succeeded" and item.task_name == "fields", state
    documents = {document.id: document.entities for document in item.results.documents}
    assert list(documents) == ["0", "2"] and documents["0"], documents
    assert [error.id for error in item.results.errors] == ["1"], item
    for at, entities in documents.items():
        for entity in entities:
            assert texts[int(at)][entity.offset : entity.offset + entity.length] == entity.text, entity


def refused(access, client, project, deployment, broken):
    stranger = TextAnalysisClient(access["endpoint"], AzureKeyCredential("0" * 32))
    for who, name, wanted, expected in [
        (client, "Absent", deployment, ResourceNotFoundError),
        (stranger, project, deployment, ClientAuthenticationError),
        (client, project, broken, HttpResponseError),
    ]:
        try:
            begin(who, [TEXT], name, wanted).result()
        except expected as error:
            assert wanted != broken or "head.bin" in error.response.text(), error
            continue
        raise AssertionError(f"{name}/{wanted} was answered")


def main(access_file, project, deployment, broken):
    access = json.loads(pathlib.Path(access_file).read_text())
    client = TextAnalysisClient(access["endpoint"], AzureKeyCredential(access["key"]))
    succeeded(client, project, deployment)
    refused(access, client, project, deployment, broken)
    print("azure-ai-textanalytics", importlib.metadata.version("azure-ai-textanalytics"), "agrees")


if __name__ == "__main__":
    main(*sys.argv[1:])
