// Reports of long runs, of many endpoints, of damaged recordings, and of databases.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ARTIFACTS, assertAccessible, assertClean, browser, cleanUp, dataOf, demo, folder, open, openFile, picture, run, scenario, unfold, withData } from "./support.mjs";

const place = folder();
const report = join(place, "report.html");
let chrome;

before(async () => {
  chrome = await browser();
  const service = await demo(["--latency", "fixed:2ms"]);
  writeFileSync(join(place, "scenario.toml"), scenario(service.url, { duration: "5s", users: 2, targets: ["p50 < 1s"] }));
  const outcome = run(["load", join(place, "scenario.toml"), "--quiet", "--out", `html=${report}`, "--record", join(place, "run.pulse")]);
  assert.ok([0, 98, 99].includes(outcome.status), outcome.stdout + outcome.stderr);
  await service.stop();
});

after(async () => {
  await chrome?.close();
  cleanUp();
});

const opened = (path, options) => openFile(chrome, path, options);

const chartOf = (page, title) => page.locator("figure.chart", { has: page.locator(`h3:text-is("${title}")`) });

/** How many points of a chart's upper half are coloured, in a strip about a share of its width. */
function colouredAt(page, title, share) {
  return chartOf(page, title)
    .locator("canvas")
    .evaluate((canvas, share) => {
      const [left, right] = [78, canvas.width - 12];
      const x = Math.round(left + (right - left) * share) - 4;
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(x, 12, 9, Math.round(canvas.height * 0.3));
      let n = 0;
      for (let at = 0; at < data.length; at += 4) {
        const [red, , blue, alpha] = data.slice(at, at + 4);
        if (alpha > 0 && blue - red > 12) n += 1;
      }
      return n;
    }, share);
}

describe("a day", () => {
  const DAY = 24 * 3600_000;
  const PEAK = 0.62;

  /** A day as the engine keeps it: 4000 intervals and 600 columns, in one of which a second was slow. */
  const day = (peak) => (data) => {
    const [points, columns] = [4000, 600];
    const at = (i, n) => Math.round((i * DAY) / n);
    const numbers = Array.from({ length: points }, (_, i) => i);
    const slow = peak ? Math.floor(points * PEAK) : -1;
    const same = (value) => numbers.map(() => value);
    const timeline = Object.fromEntries(Object.keys(data.timeline).map((name) => [name, same(0)]));
    Object.assign(timeline, {
      from_ms: numbers.map((i) => at(i, points)),
      to_ms: numbers.map((i) => at(i + 1, points)),
      due: same(21_600),
      requests: same(21_600),
      p50_us: same(2000),
      p95_us: same(4000),
      p99_us: same(5000),
      max_us: numbers.map((i) => (i === slow ? 3_000_000 : 6000)),
      failures: {},
    });
    const usual = 84;
    const column = (i) => {
      const cells = [at(i, columns), at(i + 1, columns), 0, usual, 100_000, 40_000];
      const first = peak && i === Math.floor(columns * PEAK);
      return first ? [...cells, ...Array.from({ length: 40 }, () => 0), 900] : cells;
    };
    const course = { endpoint: null, schema: 2, columns: Array.from({ length: columns }, (_, i) => column(i)) };
    const run = { ...data.report.run, elapsed_ms: DAY, planned_duration_ms: DAY, warmup_ms: 0 };
    return { ...data, report: { ...data.report, run, errors: [] }, timeline, courses: [course], moments: [] };
  };

  test("shows a peak of a second", async () => {
    withData(report, join(place, "day.html"), day(true));
    const { page, ...seen } = await opened(join(place, "day.html"));
    assert.match(await page.locator(".zoom span").innerText(), /^0:00 to 24:00:00$/);
    for (const title of ["Response time", "Where response times lay"]) {
      assert.ok((await colouredAt(page, title, PEAK)) > 0, title);
      assert.equal(await colouredAt(page, title, PEAK - 0.2), 0, title);
    }
    assert.match(await chartOf(page, "Where response times lay").locator("[role=img]").getAttribute("aria-label"), /slowest .* at 14:5\d:/);
    const rows = await unfold(page, "The same as a table");
    assert.ok((await rows.allInnerTexts()).some((row) => row.endsWith("3 s") || row.includes("3.00 s")));
    await page.screenshot({ path: join(ARTIFACTS, "day.png"), fullPage: true });
    const peaked = await picture(page, "Response time");
    assertClean(seen, "file://");
    withData(report, join(place, "calm.html"), day(false));
    const calm = await opened(join(place, "calm.html"));
    assert.notEqual(await picture(calm.page, "Response time"), peaked);
  });
});

describe("ten thousand endpoints", () => {
  const COUNT = 10_000;
  const many = (data) => {
    const [one] = data.report.endpoints;
    const endpoint = (n) => ({ ...one, name: `GET /things/${n}`, requests: n + 1, time_share: ((n * 7919) % COUNT) / COUNT });
    return { ...data, report: { ...data.report, endpoints: Array.from({ length: COUNT }, (_, n) => endpoint(n)) } };
  };

  test("are a list of the top ones, a search, and no more in the page than somebody asked for", async () => {
    withData(report, join(place, "many.html"), many);
    const { page, ...seen } = await opened(join(place, "many.html"));
    const table = page.locator("section[aria-labelledby=endpoints]");
    const rows = table.locator("tbody tr");
    assert.equal(await rows.count(), 100);
    assert.match(await rows.first().innerText(), /99\.99 %/, "what took most of the time comes first");
    assert.match(await table.innerText(), /The first 100 of 10,000\./);
    assert.ok((await page.locator("*").count()) < 10_000, "elements");
    await table.getByRole("searchbox").fill("things/9999");
    assert.deepEqual(await rows.locator("td:first-child").allInnerTexts(), ["GET /things/9999"]);
    await table.getByRole("searchbox").fill("nothing of the kind");
    assert.match(await table.innerText(), /No endpoint has that in its name/);
    await table.getByRole("searchbox").fill("");
    await table.getByRole("button", { name: "Requests" }).click();
    assert.match(await rows.first().innerText(), /things\/9999/);
    await table.getByRole("button", { name: "Show 1,000 more" }).click();
    assert.equal(await rows.count(), 1100);
    await page.screenshot({ path: join(ARTIFACTS, "many.png") });
    assertClean(seen, "file://");
  });
});

describe("what a figure rests on", () => {
  test("is beside it", async () => {
    const { page } = await opened(report);
    const figures = await page.locator(".figures").innerText();
    const { report: told, percentiles } = dataOf(report);
    const samples = told.response_time.count.toLocaleString("en-US");
    assert.equal(figures.split(`${samples} samples, bucket ± 0.14 %`).length - 1, 3, figures);
    assert.ok(percentiles.length >= 1, "intervals");
    assert.match(figures, /ms to .*, \d+ samples/);
  });

  test("and too little is grey, in the figures and in the table", async () => {
    const { page } = await opened(report);
    const few = dataOf(report).report.response_time.count;
    assert.ok(few < 1000, `${few} samples`);
    const p99 = page.locator(".figures > div", { has: page.locator('dt:text-is("p99")') }).locator(".weak");
    assert.match(await p99.innerText(), /\*$/);
    assert.match(await p99.getAttribute("title"), /1,000 are needed/);
    const [grey, plain] = await p99.evaluate((one) => [one, one.closest("dd").previousSibling].map((e) => getComputedStyle(e).color));
    assert.equal(grey, plain, "the colour of what is said less loudly");
    assert.ok((await page.locator("section[aria-labelledby=endpoints] .weak").count()) > 0);
    assert.equal(await page.locator(".figures > div", { has: page.locator('dt:text-is("Median")') }).locator(".weak").count(), 0);
    assert.equal(await page.getByText("Fewer samples than 10 / (1 − q)").count(), 2);
  });

  test("is less where a monitor could not record everything", async () => {
    withData(report, join(place, "dropped.html"), (data) => {
      const nothing = { database: [], timers: [], caches: [], pools: [], processes: [], counters: [], slow_statements: [] };
      const service = { ...nothing, covered_ms: 5000, slow_queries: 0, memory_limit_bytes: null, dropped: [{ name: "too many endpoints", count: 1234 }] };
      return { ...data, report: { ...data.report, service } };
    });
    const { page } = await opened(join(place, "dropped.html"));
    assert.match(await page.locator("p.warning").innerText(), /could not record everything: 1,234 \(too many endpoints\)/);
  });
});

describe("a recording that was edited", () => {
  /** The lines of the recording: a head, events, the end. */
  const lines = () => readFileSync(join(place, "run.pulse"), "utf8").trimEnd().split("\n");
  const isInterval = (line) => JSON.parse(line).snapshot !== undefined || line.includes('"snapshot"');

  async function edited(kept, options) {
    writeFileSync(join(place, "edited.pulse"), kept.join("\n") + "\n");
    const outcome = run(["report", join(place, "edited.pulse"), "--out", `html=${join(place, "edited.html")}`]);
    assert.notEqual(outcome.status, 2, outcome.stderr);
    return opened(join(place, "edited.html"), options);
  }

  test("says which parts are missing, and shows the others", async () => {
    const all = lines().slice(0, -1);
    const intervals = all.flatMap((line, i) => (isInterval(line) ? [i] : []));
    assert.ok(intervals.length >= 4, `${intervals.length} intervals`);
    const { page, ...seen } = await edited(all.filter((_, i) => i !== intervals[1]));
    const verdict = await page.locator(".verdict").innerText();
    assert.match(verdict, /The recording ends before the run did/);
    assert.match(verdict, /Nothing is told of 0:01(\.\d+)? to 0:02(\.\d+)?/);
    assert.ok((await page.locator("figure.chart").count()) >= 6);
    await assertAccessible(page);
    assertClean(seen, "file://");
  });

  test("whose lines are mixed up is told in order of time", async () => {
    const all = lines().slice(0, -1);
    const intervals = all.flatMap((line, i) => (isInterval(line) ? [i] : []));
    const [second, third] = [intervals[1], intervals[2]];
    [all[second], all[third]] = [all[third], all[second]];
    const { page, ...seen } = await edited(all);
    const rows = await unfold(page, "The same as a table");
    const times = await rows.locator("td:first-child").allInnerTexts();
    assert.deepEqual(times, [...times].sort(), times.join());
    assertClean(seen, "file://");
  });

  test("whose run began at no time of this world shows what was written", async () => {
    const { page, ...seen } = await edited(lines().map((line) => line.replace(/"started":"[^"]*"/g, '"started":"yesterday"')));
    assert.match(await page.locator(".facts").innerText(), /yesterday/);
    assertClean(seen, "file://");
  });
});

test("another clock and another zone change nothing but how the beginning is written", async () => {
  const pictures = [];
  for (const [timezoneId, now] of [["Etc/UTC", "2001-02-03T04:05:06Z"], ["Asia/Kathmandu", "2099-02-03T04:05:06Z"]]) {
    const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, offline: true, timezoneId });
    await context.clock.setFixedTime(new Date(now));
    const { page } = await open(context, pathToFileURL(report).href);
    const facts = await page.locator(".facts").innerText();
    pictures.push({ facts, charts: [await picture(page, "Response time"), await page.locator("#over-time").innerText(), await page.locator(".zoom span").innerText()] });
  }
  assert.deepEqual(pictures[0].charts, pictures[1].charts);
  assert.match(pictures[0].facts, /UTC/);
  assert.match(pictures[1].facts, /GMT\+5:45/);
});

test("a database has its findings, its statements before and after, and the sizes of its indexes", async () => {
  withData(report, join(place, "database.html"), (data) => {
    const finding = {
      code: "full_scan",
      severity: "warning",
      subject: "trades",
      message: "every row is read",
      help: "an index on symbol would do",
      evidence: ["SCAN trades"],
      fix: { sql: ["CREATE INDEX idx_symbol ON trades (symbol)"], undo: ["DROP INDEX idx_symbol"] },
    };
    const statement = { statement: "SELECT * FROM trades WHERE symbol = ?", calls: 1234, before: { mean_ms: 12, p95_ms: 20 }, after: { mean_ms: 1, p95_ms: 1.5 }, gain: { value: 12, lo: 11, hi: 13 } };
    const index = { name: "idx_symbol", table: "trades", recommended: true, reason: "12 times as fast", sql: finding.fix.sql, size_bytes: 123_456 };
    const table = { name: "trades", rows: 5000, indexes: 1, size_bytes: 1_000_000, index_bytes: 123_456, fill: null };
    const database = { engine: "SQLite 3.50", statements: [statement], indexes: [index], tables: [table] };
    return { ...data, report: { ...data.report, run: { ...data.report.run, kind: "db" }, targets: [], findings: [finding], database } };
  });
  const { page, ...seen } = await opened(join(place, "database.html"));
  assert.match(await page.locator(".findings").innerText(), /trades every row is read.*SCAN trades.*CREATE INDEX.*DROP INDEX/s);
  const row = (label) => page.getByRole("group", { name: `Table: ${label}` }).locator("tbody tr").innerText();
  assert.match(await row("Statements before and after"), /1,234\s+12 ms\s+20 ms\s+1 ms\s+1\.50 ms\s+12\.0×, 11\.0 to 13\.0/);
  assert.match(await row("Indexes"), /yes\s+12 times as fast\s+123 kB/);
  assert.match(await row("Tables"), /5,000\s+1 MB\s+123 kB/);
  assert.equal(await page.locator("figure.chart").count(), 0);
  await assertAccessible(page);
  await page.screenshot({ path: join(ARTIFACTS, "database.png"), fullPage: true });
  assertClean(seen, "file://");
});
