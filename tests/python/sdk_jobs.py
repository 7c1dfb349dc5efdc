"""What users of the vendor's prediction SDK see of jobs that do not simply succeed.

    sdk_jobs.py ACCESS_JSON PROJECT DEPLOYMENT BROKEN_DEPLOYMENT

Several documents with one in error, emoji before the entities, a cancelled job, and a deployment whose model is damaged:
the SDK's exception must hold the server's own message. Prints one line.
"""

import importlib.metadata
import json
import pathlib
import sys

from azure.ai.textanalytics import TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

TEXT = "Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250."
EMOJI = "\U0001f469\U0001f3fb\u200d\U0001f469\U0001f3fd \U0001f44d\U0001f3fd "


def begin(client, documents, project, deployment):
    return client.begin_recognize_custom_entities(
        documents, project_name=project, deployment_name=deployment, polling_interval=0.1
    )


def succeeded(client, project, deployment):
    texts = [TEXT, "", EMOJI + TEXT]
    results = list(begin(client, texts, project, deployment).result())
    assert [result.is_error for result in results] == [False, True, False], results
    assert results[1].error.code == "InvalidDocument", results[1]
    assert results[0].entities, "nothing was found"
    for text, result in zip(texts, results):
        for entity in [] if result.is_error else result.entities:
            assert text[entity.offset : entity.offset + entity.length] == entity.text, entity


def cancelled(client, project, deployment):
    # The longest document there may be: cancelling comes while it is worked on, or it is done, and both end well.
    poller = begin(client, [(TEXT + "\n") * (125_000 // (len(TEXT) + 1))], project, deployment)
    try:
        poller.cancel()
    except HttpResponseError as error:
        # The SDK itself refuses to cancel what has ended.
        assert "terminal state" in str(error).lower(), error
    poller.wait()
    assert poller.status().lower() in ("cancelled", "succeeded"), poller.status()


def failed(client, project, deployment):
    try:
        list(begin(client, [TEXT], project, deployment).result())
    except HttpResponseError as error:
        assert "head.bin" in str(error), error
        return
    raise AssertionError("a damaged model answered")


def unknown(client, deployment):
    try:
        begin(client, [TEXT], "Absent", deployment)
    except ResourceNotFoundError:
        return
    raise AssertionError("an unknown project answered")


def main(access_file, project, deployment, broken):
    access = json.loads(pathlib.Path(access_file).read_text())
    with TextAnalyticsClient(access["endpoint"], AzureKeyCredential(access["key"])) as client:
        succeeded(client, project, deployment)
        cancelled(client, project, deployment)
        failed(client, project, broken)
        unknown(client, deployment)
    print("azure-ai-textanalytics", importlib.metadata.version("azure-ai-textanalytics"), "agrees")


if __name__ == "__main__":
    main(*sys.argv[1:])
