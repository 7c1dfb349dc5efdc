"""Made-up calls of every described operation: no answer may be a server error, undocumented, or of another shape.

    conformance.py ACCESS_JSON NAMES_JSON

NAMES_JSON names what is there: `projectName`, `modelLabel`, `deploymentName`, `extractionJobId`, what bodies may name, the
`eventsSecret`, and under `jobs` the ids of ended jobs by the part of the path before them. Calls that would spoil it for others are made on other names.
Prints the tool's report.
"""

import json
import os
import pathlib
import sys
import tempfile
import zlib

import schemathesis
from schemathesis.cli import schemathesis as command

EXAMPLES = 12
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
)
# One name in so many stays made up.
MADE_UP_OF = 5
IN_BODIES = {"projectName", "deploymentName", "trainedModelLabel", "storageInputContainerName", "trainingConfigVersion"}
SPOILING = {"deleteProject", "importProject", "loadSnapshot", "deleteModel", "deleteDeployment", "swapDeployments"}


# The description knows lines of JSON as one text.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")


def made_up(key, value):
    """Decided by the value alone, so that a run can be repeated."""
    text = f"{key}={value}".encode("utf-8", "surrogatepass")
    return not isinstance(value, str) or zlib.crc32(text) % MADE_UP_OF == 0


def known_names(names):
    """Puts names of things that are there into most paths and bodies: made-up ones would all be answered 404."""

    def known(operation, key):
        if key == "jobId":
            route = operation.path.split("/{jobId}")[0].split("{projectName}/")[-1]
            return names["jobs"].get(route)
        return names.get(key)

    def filled(value, key=None):
        if isinstance(value, dict):
            return {key: filled(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner) for inner in value]
        return value if key not in IN_BODIES or made_up(key, value) else names[key]

    @schemathesis.hook
    def before_call(context, case, kwargs):
        if case.operation.definition.raw.get("operationId") in SPOILING:
            return
        # New values: the tool uses the old ones again for other calls.
        case.body = filled(case.body)
        case.query = filled(case.query or {})
        case.path_parameters = {
            key: value if made_up(key, value) else known(case.operation, key) or value
            for key, value in (case.path_parameters or {}).items()
        }


def main(access_file, names_file):
    access = json.loads(pathlib.Path(access_file).read_text())
    names = json.loads(pathlib.Path(names_file).read_text())
    known_names(names)
    arguments = [
        "run",
        f"{access['endpoint']}/openapi.json",
        f"--header=Ocp-Apim-Subscription-Key:{access['key']}",
        f"--header=Authorization:Bearer {names['eventsSecret']}",
        f"--checks={','.join(CHECKS)}",
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        # Every run makes the same calls.
        "--generation-deterministic",
        "--suppress-health-check=all",
        "--warnings=off",
        "--continue-on-failure",
        "--no-color",
        # In order: what one call changes, the next one sees.
        "--workers=1",
        "--request-timeout=60",
    ]
    # The tool leaves its notes where it runs.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.exit(command(arguments, standalone_mode=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
