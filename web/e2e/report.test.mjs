// A finished report, opened from disk.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ARTIFACTS, assertAccessible, assertClean, browser, cleanUp, demo, EVIL, folder, follow, openFile, picture, run, scenario, unfold } from "./support.mjs";

const place = folder();
let chrome;
let report;
let suite;

before(async () => {
  chrome = await browser();
  // The service stands still for a second in every four: two bands of response times, and a target that is missed.
  const service = await demo(["--latency", "lognormal:p50=12ms,p99=90ms", "--stall", "1s/4s"]);
  const file = join(place, "scenario.toml");
  writeFileSync(file, scenario(service.url, { duration: "12s" }));
  report = join(place, "report.html");
  const json = join(place, "report.json");
  const outcome = run(["load", file, "--quiet", "--out", `html=${report}`, "--out", `json=${json}`, "--record", join(place, "run.pulse")]);
  assert.ok([1, 97, 98, 99].includes(outcome.status), `${outcome.status}: ${outcome.stdout}${outcome.stderr}`);
  const cases = join(place, "suite.toml");
  writeFileSync(
    cases,
    `[service]\nurl = "${service.url}"\n[[test]]\nname = "health is fast"\nrequest = "GET /health"\nsamples = 40\nmax_duration = "4s"\ntargets = ["p50 < 9s"]\n` +
      `[[test]]\nname = "never this fast"\nrequest = "GET /health"\nsamples = 40\nmax_duration = "4s"\ntargets = ["p50 < 1us"]\n`,
  );
  suite = join(place, "suite.html");
  const tested = run(["test", cases, "--no-history", "--out", `html=${suite}`], { cwd: place });
  assert.ok(tested.status !== 2, tested.stdout + tested.stderr);
  await service.stop();
});

after(async () => {
  await chrome?.close();
  cleanUp();
});

const opened = (path, options) => openFile(chrome, path, options);

describe("a report", () => {
  test("says first whether targets are met and the measurement is valid", async () => {
    const { page, ...seen } = await opened(report);
    const sentence = await page.locator(".sentence").innerText();
    assert.match(sentence, /Targets met: 1 of 2; 1 missed\./);
    assert.match(sentence, /Measurement (valid|suspect|invalid)/);
    assert.match(await page.title(), /^(FAIL|INVALID) · checkout/);
    await page.screenshot({ path: join(ARTIFACTS, "report.png"), fullPage: true });
    assertClean(seen, "file://");
  });

  test("takes no name for markup", async () => {
    const { page, ...seen } = await opened(report);
    assert.equal(await page.locator("h1").innerText(), "checkout <b>bold</b>");
    assert.equal(await page.getByRole("button", { name: EVIL }).count(), 1);
    assert.equal(await page.locator("#page img").count(), 0);
    assert.notEqual(await page.title(), "hacked");
    assertClean(seen, "file://");
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`is accessible when it is ${colorScheme}`, async () => {
      const { page } = await opened(report, { colorScheme });
      await unfold(page, "The same as a table");
      await assertAccessible(page);
      await page.screenshot({ path: join(ARTIFACTS, `report-${colorScheme}.png`), fullPage: true });
    });
  }

  test("shows two speeds as two bands, and the breach as a mark", async () => {
    const { page } = await opened(report);
    const chart = page.locator("figure.chart", { has: page.locator('h3:text-is("Where response times lay")') });
    const rows = await chart.locator("canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      // Rows of the plot that are more than grid: coloured, beyond the labels.
      const coloured = [];
      for (let y = 0; y < canvas.height; y += 1) {
        let n = 0;
        for (let x = 90; x < canvas.width; x += 1) {
          const at = (y * canvas.width + x) * 4;
          if (data[at + 3] > 0 && data[at + 2] - data[at] > 12) n += 1;
        }
        coloured.push(n > 10);
      }
      return coloured;
    });
    const bands = rows.filter((row, i) => row && !rows[i - 1]).length;
    assert.ok(bands >= 2, `${bands} bands`);
    assert.match(await page.locator(".moments").innerText(), /Target p99 < 200ms is missed/);
  });

  test("shares its cursor and its zoom, with mouse and keyboard", async () => {
    const { page } = await opened(report);
    const over = page.locator(".u-over").first();
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const readouts = await page.locator("section[aria-labelledby=over-time] .readout").allInnerTexts();
    assert.ok(readouts.length >= 6 && readouts.every((text) => /0:0\d/.test(text)), readouts.join(" | "));
    const whole = await picture(page, "Users");
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => !document.querySelector(".zoom span").textContent.startsWith("0:00 to 0:12"));
    assert.notEqual(await picture(page, "Users"), whole);
    await page.getByRole("button", { name: "All", exact: true }).press("Enter");
    await page.getByRole("button", { name: "Zoom in" }).press("Enter");
    assert.match(await page.locator(".zoom span").innerText(), /0:03 to 0:09/);
  });

  test("sorts, filters and selects endpoints, which drives the charts", async () => {
    const { page } = await opened(report);
    const table = page.locator("section[aria-labelledby=endpoints]");
    await table.getByRole("button", { name: "Max" }).click();
    assert.equal(await table.locator("th[aria-sort=descending]").innerText(), "Max ↓");
    await table.getByRole("searchbox").fill("trad");
    assert.equal(await table.locator("tbody tr").count(), 1);
    const before = await picture(page, "Response time");
    await table.getByRole("button", { name: "trades" }).click();
    assert.match(await page.locator("#over-time").innerText(), /trades/);
    assert.match(await page.locator("#spread").innerText(), /trades/);
    assert.notEqual(await picture(page, "Response time"), before);
    await page.screenshot({ path: join(ARTIFACTS, "selected.png"), fullPage: true });
  });

  test("gives the JSON report back", async () => {
    const { page } = await opened(report);
    const waiting = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download JSON" }).click();
    const saved = JSON.parse(readFileSync(await (await waiting).path(), "utf8"));
    const written = JSON.parse(readFileSync(join(place, "report.json"), "utf8"));
    assert.deepEqual(saved.endpoints, written.endpoints);
    assert.equal(saved.timeline.length, written.timeline.length);
    assert.equal(saved.timeline[3].requests, written.timeline[3].requests);
  });

  test("that is damaged says so", async () => {
    const cut = join(place, "cut.html");
    const html = readFileSync(report, "utf8");
    const at = html.indexOf('id="pulse-data">') + 2000;
    writeFileSync(cut, html.slice(0, at) + html.slice(html.indexOf("</script>", at)));
    const { page } = await opened(cut);
    assert.match(await page.getByRole("alert").innerText(), /damaged/);
  });

  test("of a recording that holds nothing, or only a part, says so", async () => {
    const lines = readFileSync(join(place, "run.pulse"), "utf8").split("\n");
    for (const [kept, sentence] of [
      [2, /2 without data/],
      [6, /Targets met/],
    ]) {
      writeFileSync(join(place, "cut.pulse"), lines.slice(0, kept).join("\n") + "\n");
      run(["report", join(place, "cut.pulse"), "--out", `html=${join(place, "part.html")}`]);
      const { page, ...seen } = await opened(join(place, "part.html"));
      assert.match(await page.locator(".sentence").innerText(), sentence);
      assert.match(await page.locator(".verdict").innerText(), /The recording ends before the run did/);
      await assertAccessible(page);
      assertClean(seen, "file://");
    }
  });

  test("of a suite opens the run of each case", async () => {
    const { page, ...seen } = await opened(suite);
    assert.match(await page.locator(".sentence").innerText(), /Cases passed: 1 of 2; 1 missed\./);
    await assertAccessible(page);
    await page.screenshot({ path: join(ARTIFACTS, "suite.png"), fullPage: true });
    await follow(page, page.getByRole("link", { name: "never this fast" }), /^never this fast$/);
    assert.match(await page.locator(".sentence").innerText(), /Targets met: 0 of 1; 1 missed\./);
    await page.goBack();
    await page.waitForSelector("#cases");
    assertClean(seen, "file://");
  });
});
