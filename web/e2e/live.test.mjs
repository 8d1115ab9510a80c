// A running load, and a watched service.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test as declared } from "node:test";
import { ARTIFACTS, assertAccessible, assertClean, browser, cleanUp, demo, EVIL, eventually, figure, folder, follow, open, picture, scenario, start, unfold } from "./support.mjs";

const place = folder();
const DASHBOARD = /Dashboard: (http:\/\/127\.0\.0\.1:\d+)\//;
let chrome;
let service;
let number = 0;

before(async () => {
  chrome = await browser();
  service = await demo(["--latency", "lognormal:p50=12ms,p99=90ms", "--stall", "2s/8s"]);
});

after(async () => {
  await chrome?.close();
  cleanUp();
});

async function load(duration, flags = []) {
  const file = join(place, `scenario-${(number += 1)}.toml`);
  writeFileSync(file, scenario(service.url, { duration }));
  return start(["load", file, "--dashboard", "--listen", "127.0.0.1:0", ...flags], DASHBOARD);
}

const test = (name, body) => declared(name, { timeout: 90_000 }, body);
const context = (options = {}) => chrome.newContext({ viewport: { width: 1280, height: 900 }, ...options });

describe("a running load", () => {
  test("moves, survives a reload, shows a stall, and says when it is over", async () => {
    const job = await load("20s");
    const { page, ...seen } = await open(await context(), job.match[1]);
    await page.getByText("Live", { exact: true }).waitFor();
    await page.waitForSelector("canvas");
    const [first, drawn] = [await figure(page, "Requests"), await picture(page, "Requests")];
    await eventually("more requests", async () => (await figure(page, "Requests")) > first);
    assert.notEqual(await picture(page, "Requests"), drawn);
    assert.equal(await page.getByRole("button", { name: EVIL }).count(), 1);
    // The beginning is still there after a reload.
    const rows = await unfold(page, "The same as a table");
    const before = await rows.count();
    await page.reload();
    await page.waitForSelector("canvas");
    await unfold(page, "The same as a table");
    assert.ok((await rows.count()) >= before);
    assert.equal(await rows.first().locator("td").first().innerText(), "0:00");
    await eventually("the breach", async () => /p99 < 200ms is missed/.test(await page.locator(".moments").innerText()));
    await assertAccessible(page);
    // The stall: seconds without an answer, and response times of seconds.
    await eventually("the stall", async () => {
      const words = await page.locator('[aria-label^="Where response times lay"]').getAttribute("aria-label");
      return /slowest (1|2)\.?\d* s/.test(words);
    });
    await page.screenshot({ path: join(ARTIFACTS, "live.png") });
    await page.getByText("Finished", { exact: true }).waitFor({ timeout: 30_000 });
    assert.match(await page.locator(".sentence").innerText(), /Targets met: 1 of 2; 1 missed\./);
    await job.ended;
    assertClean(seen, job.match[1]);
  });

  test("is shared by eight tabs through one stream", async () => {
    const job = await load("40s");
    const shared = await context();
    const tabs = await Promise.all(Array.from({ length: 8 }, () => open(shared, job.match[1])));
    const moves = async ({ page }) => {
      const first = await figure(page, "Requests");
      await eventually("a tab that goes on", async () => (await figure(page, "Requests")) > first, 30_000);
    };
    await Promise.all(tabs.map(moves));
    const streams = tabs.flatMap(({ asked }) => asked).filter((url) => url.includes("/events"));
    assert.equal(streams.length, 1, streams.join());
    // The tab that listens goes, and another one takes its place.
    const listens = tabs.findIndex(({ asked }) => asked.some((url) => url.includes("/events")));
    const [gone] = tabs.splice(listens, 1);
    await gone.page.close();
    await Promise.all(tabs.map(moves));
    assert.equal(tabs.flatMap(({ asked }) => asked).filter((url) => url.includes("/events")).length, 1);
    await job.stop();
  });

  test("is seen without events, too", async () => {
    const job = await load("40s");
    const without = await context();
    await without.addInitScript(() => delete window.EventSource);
    const { page, ...seen } = await open(without, job.match[1]);
    const first = await figure(page, "Requests");
    await eventually("more requests", async () => (await figure(page, "Requests")) > first);
    await job.stop();
    assert.ok(!seen.asked.some((url) => url.includes("/events")));
  });

  test("needs its token where there is one", async () => {
    const job = await load("40s", ["--token", "s3cret-token"]);
    const [, url] = job.match;
    assert.equal((await fetch(url)).status, 401);
    assert.equal((await fetch(`${url}/events`)).status, 401);
    const { page, ...seen } = await open(await context(), `${url}/?token=s3cret-token`);
    const first = await figure(page, "Requests");
    await eventually("more requests", async () => (await figure(page, "Requests")) > first);
    assertClean(seen, url);
    await job.stop();
  });
});

describe("suites that run", () => {
  const suite = () => {
    const file = join(place, `suite-${(number += 1)}.toml`);
    const test = (name, more) => `[[test]]\nname = "${name}"\nrequest = "GET /health"\n${more}\n`;
    writeFileSync(
      file,
      `[service]\nurl = "${service.url}"\n` +
        test("never this fast", `samples = 40\nmax_duration = "4s"\ntargets = ["p50 < 1us"]`) +
        test("takes its time", `stages = ["1s:5", "14s:5"]\ntargets = ["p50 < 9s"]`),
    );
    return start(["test", file, "--no-history", "--dashboard", "--listen", "127.0.0.1:0"], DASHBOARD);
  };

  test("show each case with its verdict as it ends, and the one under way as it goes on", async () => {
    const job = await suite();
    const { page, ...seen } = await open(await context(), job.match[1]);
    const rows = page.locator("section[aria-labelledby=cases] tbody tr");
    await rows.filter({ hasText: "never this fast" }).filter({ hasText: "Fail" }).waitFor();
    const slow = rows.filter({ hasText: "takes its time" });
    await slow.filter({ hasText: "Running" }).waitFor();
    assert.match(await page.locator(".sentence").innerText(), /Cases passed so far: 0 of 1; 1 missed\./);
    await page.getByRole("heading", { name: "Over time takes its time" }).waitFor();
    await page.waitForSelector("canvas");
    const drawn = await picture(page, "Requests");
    await eventually("a chart that moves", async () => (await picture(page, "Requests")) !== drawn);
    // The process that listens at the service's port is looked at, too.
    for (const name of ["Failures", "Bytes", "Connections", "Service's CPU", "Service's memory", "Start lag", "Load generator"]) {
      await page.getByRole("heading", { name, exact: true }).waitFor();
    }
    await assertAccessible(page);
    await page.screenshot({ path: join(ARTIFACTS, "suite-live.png"), fullPage: true });
    // The run of a case that is over, and of the one under way.
    await follow(page, page.getByRole("link", { name: "never this fast" }), /^never this fast$/);
    assert.match(await page.locator(".sentence").innerText(), /Targets met: 0 of 1; 1 missed\./);
    await page.waitForSelector("canvas");
    await page.goBack();
    await follow(page, page.getByRole("link", { name: "takes its time" }), /^takes its time$/);
    const first = await figure(page, "Requests");
    await eventually("more requests", async () => (await figure(page, "Requests")) > first);
    await page.getByText("Finished", { exact: true }).waitFor({ timeout: 30_000 });
    assert.match(await page.locator(".sentence").innerText(), /Targets met: 1 of 1\./);
    await page.goBack();
    await rows.filter({ hasText: "never this fast" }).waitFor();
    assert.match(await page.locator(".sentence").innerText(), /Cases passed: 1 of 2; 1 missed\./);
    await job.ended;
    assertClean(seen, job.match[1]);
  });
});

describe("a watched service", () => {
  test("shows what it says about itself", async () => {
    const traffic = await load("20s");
    const watch = await start(["monitor", service.url, "--serve", "127.0.0.1:0"], DASHBOARD);
    const { page, ...seen } = await open(await context({ colorScheme: "dark" }), watch.match[1]);
    await page.getByRole("button", { name: "GET /api/v1/trades" }).waitFor({ timeout: 15_000 });
    await page.getByText("Inside the service").waitFor();
    await eventually("processes", async () => (await page.locator("table", { hasText: "Descriptors" }).count()) > 0);
    await assertAccessible(page);
    await page.screenshot({ path: join(ARTIFACTS, "monitor.png"), fullPage: true });
    // What takes the time comes first; the last minute is asked for as it goes on.
    const table = page.locator("section[aria-labelledby=endpoints]");
    assert.equal(await table.locator("th[aria-sort=descending]").innerText(), "Share of time ↓");
    const choice = page.getByRole("group", { name: "Part of the watch shown" });
    await choice.getByRole("button", { name: "1 m", exact: true }).click();
    await choice.getByText(/The last 0:\d\d/).waitFor();
    const first = await figure(page, "Requests");
    await eventually("more requests in the window", async () => (await figure(page, "Requests")) > first);
    const asked = seen.asked.filter((url) => url.includes("/api/summary?window=60"));
    assert.ok(asked.length >= 2, asked.join());
    assert.equal(await page.getByRole("heading", { name: "Distribution" }).count(), 0);
    await page.getByText("Inside the service").waitFor();
    await assertAccessible(page);
    await page.screenshot({ path: join(ARTIFACTS, "monitor-window.png"), fullPage: true });
    await watch.stop();
    await page.getByText("Finished", { exact: true }).waitFor();
    assertClean(seen, watch.match[1]);
    await traffic.stop();
  });
});
