// Two runs over each other, opened from disk.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ARTIFACTS, assertAccessible, assertClean, browser, cleanUp, demo, EVIL, folder, follow, open, picture, run, scenario, start } from "./support.mjs";

const place = folder();
let chrome;

/** Records a load, and a suite's run as a baseline, of the demo API with this latency. */
async function measured(name, latency, duration) {
  const service = await demo(["--latency", latency]);
  writeFileSync(join(place, `${name}.toml`), scenario(service.url, { duration, targets: ["p99 < 9s"] }));
  const cases = ["steady", "other", `only-${name}`].map((id) => `[[test]]\nname = "${id}"\nrequest = "GET /health"\nsamples = 40\nmax_duration = "3s"\ntargets = ["errors = 0"]\n`);
  writeFileSync(join(place, `${name}-suite.toml`), `[service]\nurl = "${service.url}"\n${cases.join("")}`);
  // An invalid measurement says nothing of a service: a machine that was busy for a moment gets another two chances.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const load = await start(["load", join(place, `${name}.toml`), "--record", join(place, `${name}.pulse`)], /RESULTS/);
    if ((await load.ended) !== 98) break;
  }
  const tested = run(["test", join(place, `${name}-suite.toml`), "--no-history", "--save-baseline", join(place, `${name}.json`)], { cwd: place });
  assert.ok([0, 98].includes(tested.status), tested.stdout + tested.stderr);
  await service.stop();
}

before(async () => {
  chrome = await browser();
  await Promise.all([measured("main", "lognormal:p50=20ms,p99=40ms", "10s"), measured("change", "lognormal:p50=45ms,p99=80ms", "13s")]);
});

after(async () => {
  await chrome?.close();
  cleanUp();
});

async function compared(first, second, options = {}) {
  const path = join(place, "compared.html");
  const outcome = run(["compare", first, second, "--out", `html=${path}`], { cwd: place });
  assert.ok([0, 97].includes(outcome.status), outcome.stdout + outcome.stderr);
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, offline: true, ...options });
  return open(context, pathToFileURL(path).href);
}

describe("a comparison", () => {
  test("says first what has changed, and sorts by what matters", async () => {
    const { page, ...seen } = await compared("main.pulse", "change.pulse");
    assert.match(await page.locator(".sentence").innerText(), /regression Worse\. \d+ figures: [1-9]\d* regressed/i);
    assert.match(await page.title(), /^REGRESSION · /);
    const rows = page.locator("section[aria-labelledby=changes] tbody tr");
    const effects = await rows.locator("td:first-child").allInnerTexts();
    const order = ["regression", "improvement", "unclear", "unchanged"];
    const ranks = effects.map((effect) => order.indexOf(effect));
    assert.ok(ranks.every((rank, i) => rank >= 0 && rank >= (ranks[i - 1] ?? 0)), effects.join());
    const text = await rows.first().innerText();
    assert.match(text, /\+\d+\.\d %.*\+\d+\.\d % to \+\d+\.\d %/s, text);
    assert.ok((await rows.allInnerTexts()).some((row) => row.includes('endpoint="trades"')), "figures of endpoints");
    await page.screenshot({ path: join(ARTIFACTS, "comparison.png"), fullPage: true });
    assertClean(seen, "file://");
  });

  test("draws both runs from the start of each, to the end of the longer one", async () => {
    const { page } = await compared("main.pulse", "change.pulse");
    assert.match(await page.locator(".zoom span").innerText(), /^0:00 to 0:1[34]$/);
    const chart = page.locator("figure.chart", { has: page.locator('h3:text-is("p95 of response time")') });
    assert.match(await chart.locator(".legend").innerText(), /main\.pulse.*change\.pulse/s);
    const words = await chart.locator("[role=img]").getAttribute("aria-label");
    const [first, second] = [...words.matchAll(/at most ([\d.]+) ms/g)].map(([, value]) => Number(value));
    assert.ok(first < second, words);
    const whole = await picture(page, "p95 of response time");
    await page.getByRole("button", { name: "Zoom in" }).click();
    assert.notEqual(await picture(page, "p95 of response time"), whole);
  });

  test("lays the percentiles over each other, of all requests or of an endpoint", async () => {
    const { page, ...seen } = await compared("main.pulse", "change.pulse");
    const all = await picture(page, "Percentiles");
    await page.getByLabel("Percentiles of").selectOption(EVIL);
    assert.notEqual(await picture(page, "Percentiles"), all);
    assertClean(seen, "file://");
  });

  test("has all of the second run below", async () => {
    const { page } = await compared("main.pulse", "change.pulse");
    await page.getByText("All of ").click();
    assert.match(await page.locator("section[aria-labelledby=targets]").innerText(), /p99 < 9s/);
    assert.equal(await page.locator("section[aria-labelledby=endpoints] tbody tr").count(), 2);
  });

  test("of a run with itself has two lines of one name", async () => {
    const { page } = await compared("main.pulse", "main.pulse");
    assert.match(await page.locator(".sentence").innerText(), / 0 regressed, 0 improved/);
    assert.match(await page.locator(".legend").first().innerText(), /\(first\).*\(second\)/s);
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`is accessible when it is ${colorScheme}`, async () => {
      const { page } = await compared("main.pulse", "change.pulse", { colorScheme });
      await assertAccessible(page);
      await page.screenshot({ path: join(ARTIFACTS, `comparison-${colorScheme}.png`), fullPage: true });
    });
  }

  test("of suites names the case of each difference, and opens it", async () => {
    const { page, ...seen } = await compared("main.json", "change.json");
    assert.match(await page.locator(".verdict").innerText(), /only in main\.json: only-main\n/);
    await assertAccessible(page);
    await page.screenshot({ path: join(ARTIFACTS, "comparison-suite.png"), fullPage: true });
    const title = await page.locator("h1").innerText();
    await follow(page, page.locator("section[aria-labelledby=changes]").getByRole("link", { name: "steady" }).first(), /^steady$/);
    assert.match(await page.locator(".legend").first().innerText(), /main\.json.*change\.json/s);
    await follow(page, page.getByRole("link", { name: "all cases" }), title);
    await follow(page, page.getByRole("link", { name: "only-change" }), /^only-change$/);
    assert.equal(await page.locator("section[aria-labelledby=changes]").count(), 0, "nothing to compare it with");
    assertClean(seen, "file://");
  });
});
