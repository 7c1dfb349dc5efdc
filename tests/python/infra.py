"""Reads what operators deploy with, and prints it as JSON.

  infra.py render CHART VALUES…   for each file of values: what Helm makes of the chart, held against Kubernetes' schemas
  infra.py yaml FILE              the documents of a YAML file
  infra.py hcl FOLDER             the Terraform files under a folder, by path
"""

import json
import pathlib
import sys

import hcl2
import helm_python
import jsonschema
import kubernetes_validate
import yaml

# The oldest and the newest Kubernetes that the chart is made for.
KUBERNETES = ("1.29.0", "1.37.0")
HELM_WARNING = 2


class OnceLoader(yaml.SafeLoader):
    """YAML where a key that comes twice is an error, as in Kubernetes and Compose."""


def mapping(loader, node):
    keys = [key.value for key, _ in node.value if key.value != "<<"]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"{node.start_mark}: these keys come twice: {sorted(twice)}")
    loader.flatten_mapping(node)
    return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value}


OnceLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def documents(text):
    return [document for document in yaml.load_all(text, OnceLoader) if document]


def check(document):
    """Fails with what Kubernetes, or who defines the custom resource, would not take."""
    own = json.loads((pathlib.Path(__file__).parent / "custom_resources.json").read_text())
    schema = own.get(document["kind"])
    if schema:
        jsonschema.validate(document, schema)
        return
    for version in KUBERNETES:
        kubernetes_validate.validate(document, version, strict=True)


def render(chart, *files):
    made = {}
    loaded = helm_python.Chart.load(chart)
    for file in files:
        values = documents(pathlib.Path(file).read_text())[0]
        report = helm_python.lint(chart, values, strict=True)
        bad = [message for message in report["messages"] if message["severity"] >= HELM_WARNING]
        if report["errors"] or bad:
            raise SystemExit(f"{file}: helm lint: {report['errors']} {bad}")
        loaded.validate_schema(values)
        made[file] = []
        for template, text in loaded.render(values, name="spindle", namespace="ner").items():
            if not template.endswith((".yaml", ".yml")):
                continue
            for document in documents(text):
                try:
                    check(document)
                except Exception as error:
                    raise SystemExit(f"{file}: {template}: {document['kind']}: {error}") from error
                made[file].append(document)
    return made


def hcl(folder):
    files = sorted(pathlib.Path(folder).rglob("*.tf"))
    return {str(file.relative_to(folder)): hcl2.loads(file.read_text()) for file in files}


def main():
    command, *arguments = sys.argv[1:]
    if command == "render":
        result = render(*arguments)
    elif command == "yaml":
        result = documents(pathlib.Path(arguments[0]).read_text())
    else:
        result = hcl(arguments[0])
    print(json.dumps(result))


main()
