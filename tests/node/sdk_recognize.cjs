// What users of the vendor's JavaScript SDK see: sdk_recognize.cjs ACCESS_JSON PROJECT DEPLOYMENT
//
// Several documents with one in error, emoji in both units, more than one page, a cancelled job, an unknown project and
// a wrong key. Prints one line.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const { AzureKeyCredential, TextAnalysisClient } = require("@azure/ai-language-text");

const TEXT = "Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250.";
const EMOJI = "\u{1F469}\u{1F3FB}\u{200D}\u{1F469}\u{1F3FD} \u{1F44D}\u{1F3FD} ";
const OPTIONS = { allowInsecureConnection: true };

async function results(client, action, documents, options) {
  const poller = await client.beginAnalyzeBatch([action], documents, "en", { updateIntervalInMs: 100, ...options });
  const found = [];
  for await (const result of await poller.pollUntilDone()) {
    assert.strictEqual(result.error, undefined, JSON.stringify(result.error));
    found.push(...result.results);
  }
  return found;
}

async function succeeded(client, action) {
  const texts = [TEXT, "", EMOJI + TEXT];
  const found = await results(client, { ...action, stringIndexType: "Utf16CodeUnit" }, texts);
  assert.strictEqual(found.length, 3);
  assert.strictEqual(found[1].error.code, "InvalidDocument");
  assert.ok(found[0].entities.length > 0, "nothing was found");
  for (const at of [0, 2]) {
    for (const entity of found[at].entities) {
      assert.strictEqual(texts[at].slice(entity.offset, entity.offset + entity.length), entity.text);
    }
  }
  // Without the option the SDK sends no unit, and the contract's default counts text elements.
  const [counted] = await results(client, action, [EMOJI + TEXT]);
  const elements = Array.from(new Intl.Segmenter("en").segment(EMOJI + TEXT), (one) => one.segment);
  for (const entity of counted.entities) {
    assert.strictEqual(elements.slice(entity.offset, entity.offset + entity.length).join(""), entity.text);
  }
  const many = await results(client, action, Array(25).fill(TEXT), { includeStatistics: true });
  assert.deepStrictEqual(many.map((one) => one.id), Array.from({ length: 25 }, (_, id) => String(id)));
}

async function cancelled(client, action) {
  const text = `${TEXT}\n`.repeat(Math.floor(125_000 / (TEXT.length + 1)));
  const poller = await client.beginAnalyzeBatch(Array(10).fill(action), [text], "en", { updateIntervalInMs: 100 });
  await poller.sendCancellationRequest();
  await assert.rejects(poller.pollUntilDone(), /cancel/i);
}

async function refused(endpoint, client, action) {
  await assert.rejects(client.beginAnalyzeBatch([{ ...action, projectName: "Absent" }], [TEXT]), { statusCode: 404 });
  const stranger = new TextAnalysisClient(endpoint, new AzureKeyCredential("0".repeat(32)), OPTIONS);
  await assert.rejects(stranger.beginAnalyzeBatch([action], [TEXT]), { statusCode: 401 });
}

async function main(accessFile, projectName, deploymentName) {
  const access = JSON.parse(fs.readFileSync(accessFile, "utf8"));
  const client = new TextAnalysisClient(access.endpoint, new AzureKeyCredential(access.key), OPTIONS);
  const action = { kind: "CustomEntityRecognition", projectName, deploymentName };
  await succeeded(client, action);
  await cancelled(client, action);
  await refused(access.endpoint, client, action);
  console.log("@azure/ai-language-text agrees");
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
