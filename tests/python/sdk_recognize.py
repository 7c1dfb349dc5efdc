"""Entities of text files through the vendor's prediction SDK.

    sdk_recognize.py ACCESS_JSON PROJECT DEPLOYMENT FILE...

Checks that every entity's text is the slice its offset and length name, that an empty document is an error of its own
and that an unknown project is the SDK's "not found". Prints one JSON object: categories by file name.
"""

import json
import pathlib
import sys

from azure.ai.textanalytics import TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError

POLL_SECONDS = 1


def recognize(client, texts, project, deployment):
    """Categories by document id; every span is checked against its text."""
    documents = [{"id": name, "language": "en", "text": text} for name, text in texts.items()]
    documents.append({"id": "empty", "language": "en", "text": ""})
    poller = client.begin_recognize_custom_entities(
        documents, project_name=project, deployment_name=deployment, polling_interval=POLL_SECONDS, show_stats=True
    )
    results = list(poller.result())
    assert [result.id for result in results] == [document["id"] for document in documents], results
    assert results[-1].is_error and results[-1].error.code == "InvalidDocument", results[-1]
    found = {}
    for result in results[:-1]:
        assert not result.is_error, result
        assert result.statistics.character_count > 0, result
        for entity in result.entities:
            sliced = texts[result.id][entity.offset : entity.offset + entity.length]
            assert entity.text == sliced, (result.id, entity.offset, entity.length)
            assert 0 <= entity.confidence_score <= 1, entity
        found[result.id] = [entity.category for entity in result.entities]
    return found


def refusals(access, client, project, deployment):
    """The SDK's own exceptions for a project that is not there and for a wrong key."""
    for name, wanted in [("Absent", deployment), (project, "absent")]:
        try:
            client.begin_recognize_custom_entities(["some text"], project_name=name, deployment_name=wanted)
        except ResourceNotFoundError:
            continue
        raise AssertionError(f"{name}/{wanted} was accepted")
    stranger = TextAnalyticsClient(access["endpoint"], AzureKeyCredential("0" * 32))
    try:
        stranger.begin_recognize_custom_entities(["some text"], project_name=project, deployment_name=deployment)
    except ClientAuthenticationError:
        return
    raise AssertionError("a wrong key was accepted")


def main(access_file, project, deployment, *files):
    access = json.loads(pathlib.Path(access_file).read_text())
    # newline="" keeps CR LF, which offsets count.
    texts = {}
    for file in files:
        with open(file, encoding="utf-8", newline="") as source:
            texts[pathlib.Path(file).name] = source.read()
    with TextAnalyticsClient(access["endpoint"], AzureKeyCredential(access["key"])) as client:
        found = recognize(client, texts, project, deployment)
        refusals(access, client, project, deployment)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
