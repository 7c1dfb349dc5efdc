"""Made-up calls of every described operation: no answer may be a server error, undocumented, or of another shape.

    conformance.py ACCESS_JSON NAMES_JSON

NAMES_JSON names what is there: `projectName`, `modelLabel`, `deploymentName`, `extractionJobId`, and under `jobs` the ids of
ended jobs by the part of the path before them. Calls that would spoil it for others are made on other names.
The same description and server give the same calls. Prints the tool's report.
"""

import json
import pathlib
import sys
import zlib

import schemathesis
from schemathesis.cli import schemathesis as command

EXAMPLES = 12
SEED = 20230401
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
MADE_UP_OF = 4
SPOILING = {"deleteProject", "importProject", "loadSnapshot", "deleteModel", "deleteDeployment", "swapDeployments"}


def made_up(value):
    """Decided by the value alone, so that a run can be repeated."""
    return zlib.crc32(str(value).encode("utf-8", "surrogatepass")) % MADE_UP_OF == 0


def known_names(names):
    """Puts names of things that are there into most paths and bodies: made-up ones would all be answered 404."""

    def spoils(context):
        return context.operation.definition.raw.get("operationId") in SPOILING

    def known(context, key):
        if key == "jobId":
            route = context.operation.path.split("/{jobId}")[0].split("{projectName}/")[-1]
            return names["jobs"].get(route)
        return names.get(key)

    @schemathesis.hook
    def map_path_parameters(context, path_parameters):
        for key, value in (path_parameters or {}).items():
            there = known(context, key)
            if there and not made_up(value) and not spoils(context):
                path_parameters[key] = there
        return path_parameters

    @schemathesis.hook
    def map_body(context, body):
        if isinstance(body, dict):
            fill(body)
        return body

    def fill(body):
        for key, value in body.items():
            if isinstance(value, dict):
                fill(value)
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, dict):
                        fill(item)
            elif key in ("projectName", "deploymentName", "trainedModelLabel", "storageInputContainerName"):
                if isinstance(value, str) and not made_up(value):
                    body[key] = names[key]


def main(access_file, names_file):
    access = json.loads(pathlib.Path(access_file).read_text())
    known_names(json.loads(pathlib.Path(names_file).read_text()))
    arguments = [
        "run",
        f"{access['endpoint']}/openapi.json",
        f"--header=Ocp-Apim-Subscription-Key:{access['key']}",
        f"--checks={','.join(CHECKS)}",
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        f"--seed={SEED}",
        "--generation-deterministic",
        "--generation-database=none",
        "--suppress-health-check=all",
        "--warnings=off",
        "--continue-on-failure",
        "--no-color",
        # In order: what one call changes, the next one sees.
        "--workers=1",
        "--request-timeout=60",
    ]
    sys.exit(command(arguments, standalone_mode=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
