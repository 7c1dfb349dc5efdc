// Projects, models, deployments and training jobs, read from the REST API every few seconds.

const API_VERSION = "2023-04-01";
const REFRESH_MS = 3000;
const PROJECTS = "/language/authoring/analyze-text/projects";

const message = document.getElementById("message");
const list = document.getElementById("projects");
const keyField = document.getElementById("key");
let key = sessionStorage.getItem("key") ?? "";
let timer;

/** One API answer; throws with the server's own words. */
async function get(path) {
  const response = await fetch(`${path}?api-version=${API_VERSION}`, {
    headers: { "Ocp-Apim-Subscription-Key": key },
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `the server answered ${response.status}`);
  return body;
}

/** All pages of a list. */
async function all(path) {
  return (await get(path)).value;
}

const date = (text) => (text ? new Date(text).toLocaleString() : "never");

/** Fills a table's body; every cell is text, never markup. */
function fill(table, rows) {
  const body = table.tBodies[0];
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }),
  );
  if (rows.length === 0) {
    const cell = Object.assign(body.insertRow().insertCell(), { textContent: "none yet", className: "empty" });
    cell.colSpan = table.tHead.rows[0].cells.length;
  }
}

async function models(path) {
  const found = await all(`${path}/models`);
  return Promise.all(
    found.map(async (model) => {
      const summary = await get(`${path}/models/${encodeURIComponent(model.label)}/evaluation/summary-result`);
      const f1 = summary.customEntityRecognitionEvaluation.microF1;
      return [model.label, date(model.lastTrainedDateTime), model.lastTrainingDurationInSeconds, f1.toFixed(3), model.modelTrainingConfigVersion];
    }),
  );
}

async function show(project) {
  const path = `${PROJECTS}/${encodeURIComponent(project.projectName)}`;
  const [trained, deployments, jobs] = await Promise.all([
    models(path),
    all(`${path}/deployments`),
    all(`${path}/train/jobs`),
  ]);
  const section = document.getElementById("project").content.firstElementChild.cloneNode(true);
  section.querySelector("h2").textContent = project.projectName;
  section.querySelector(".facts").textContent =
    `${project.language} · bucket ${project.storageInputContainerName} · changed ${date(project.lastModifiedDateTime)}`;
  fill(section.querySelector(".models"), trained);
  fill(section.querySelector(".deployments"), deployments.map((one) => [one.deploymentName, one.modelId, date(one.lastDeployedDateTime)]));
  fill(
    section.querySelector(".jobs"),
    jobs.map((job) => [
      date(job.createdDateTime),
      job.result.modelLabel,
      job.errors?.length ? `${job.status}: ${job.errors[0].message}` : job.status,
      `${job.result.trainingStatus.percentComplete} %`,
    ]),
  );
  return section;
}

async function refresh() {
  clearTimeout(timer);
  if (!key) return;
  try {
    const projects = await all(PROJECTS);
    list.replaceChildren(...(await Promise.all(projects.map(show))));
    message.textContent = projects.length ? "" : "No projects yet. Create one over the API, or run the demo.";
  } catch (error) {
    message.textContent = error.message;
  }
  timer = setTimeout(refresh, REFRESH_MS);
}

document.getElementById("access").addEventListener("submit", (event) => {
  event.preventDefault();
  key = keyField.value.trim();
  sessionStorage.setItem("key", key);
  refresh();
});
keyField.value = key;
refresh();
