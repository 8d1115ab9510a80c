// A real browser, the real program, and what every test wants to know of a page: errors, requests, accessibility.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The program; cargo's usual place unless PULSE names another. */
export const PULSE = resolve(process.env.PULSE ?? join(here, "../../target/debug/pulse"));
export const ARTIFACTS = join(here, "artifacts");
/** A name that would run if it were ever taken for markup. */
export const EVIL = `</script><img src=x onerror="document.title='hacked'">`;

mkdirSync(ARTIFACTS, { recursive: true });

/** A folder that is gone when the process ends. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "pulse-e2e-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs the program to its end. */
export function run(args, options = {}) {
  const outcome = spawnSync(PULSE, args, { encoding: "utf8", timeout: 60_000, ...options });
  assert.equal(outcome.error, undefined, `${PULSE} cannot be run: ${outcome.error}`);
  return outcome;
}

const children = new Set();

/** Ends what a failed test has left running, which would otherwise be waited for. */
export function cleanUp() {
  for (const child of children) child.kill("SIGKILL");
}

/** Starts the program, and waits until it says something that matches. */
export async function start(args, pattern) {
  const child = spawn(PULSE, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  child.on("close", () => children.delete(child));
  let said = "";
  const ended = new Promise((done) => child.on("close", (code) => done(code)));
  const match = await new Promise((found, failed) => {
    const hear = (bytes) => {
      said += bytes;
      const match = pattern.exec(said);
      if (match) found(match);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", failed);
    child.on("close", () => failed(new Error(`it ended without saying ${pattern}: ${said}`)));
  });
  const stop = async () => {
    child.kill("SIGTERM");
    return ended;
  };
  return { match, stop, ended, said: () => said };
}

export function browser() {
  const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
    (path) => path && existsSync(path),
  );
  assert.ok(executablePath, "there is no Chromium; name one with CHROMIUM=PATH");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens a file from disk, where there is no network. */
export async function openFile(chrome, path, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, offline: true, ...options });
  return open(context, pathToFileURL(path).href);
}

/** A page, with what it complained about and what it asked for. */
export async function open(context, url) {
  const page = await context.newPage();
  const complaints = [];
  const asked = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(url);
  await page.waitForSelector("h1");
  return { page, complaints, asked };
}

/** What stands before, within and after the place of a report's data. */
function parts(report) {
  const begin = 'id="pulse-data">';
  const html = readFileSync(report, "utf8");
  const from = html.indexOf(begin) + begin.length;
  const to = html.indexOf("</script>", from);
  return [html.slice(0, from), html.slice(from, to), html.slice(to)];
}

/** The data of a report. */
export function dataOf(report) {
  return JSON.parse(parts(report)[1]);
}

/** Writes a report with other data than it had. */
export function withData(report, target, change) {
  const [before, data, after] = parts(report);
  writeFileSync(target, before + JSON.stringify(change(JSON.parse(data))).replaceAll("<", "\\u003c") + after);
}

/** Nothing was complained about, and nobody but `own` was asked for anything. */
export function assertClean({ complaints, asked }, own) {
  assert.deepEqual(complaints, []);
  const foreign = asked.filter((url) => !url.startsWith(own) && !url.startsWith("data:") && !url.startsWith("blob:"));
  assert.deepEqual(foreign, []);
}

/** What axe finds wrong. */
export async function assertAccessible(page) {
  await page.evaluate(`${axeSource};0`);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
  });
  assert.deepEqual(violations, []);
}

/** Follows a link within the page, to what has this title: the address changes first and the page a moment later. */
export async function follow(page, link, title) {
  await link.click();
  await page.locator("h1", { hasText: title }).waitFor();
}

/** Opens what is folded up, and waits for its rows: the page hears of it a moment after it is open. */
export async function unfold(page, summary) {
  await page.getByText(summary).click();
  const rows = page.locator("details tbody tr");
  await rows.first().waitFor();
  return rows;
}

/** A figure of the row below the verdict. */
export async function figure(page, name) {
  const text = await page.locator(".figures > div", { has: page.locator(`dt:text-is("${name}")`) }).locator("b").innerText();
  return Number(text.replaceAll(",", ""));
}

/** What a chart's canvas shows, for comparison only. */
export function picture(page, title) {
  const chart = page.locator("figure.chart", { has: page.locator(`h3:text-is("${title}")`) });
  return chart.locator("canvas").evaluate((canvas) => canvas.toDataURL());
}

/** Waits until a condition holds; tells the last value when it does not. */
export async function eventually(what, probe, patience = 15_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await probe();
    if (value) return value;
    assert.ok(Date.now() < end, `${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A scenario on the demo API: one name that is meant to break out, one usual name. */
export function scenario(url, { duration, targets = ["p99 < 200ms", "errors < 1%"], users = 10 }) {
  return `
name = "checkout <b>bold</b>"
targets = ${JSON.stringify(targets)}
[service]
url = "${url}"
[load]
users = ${users}
pace = 5
duration = "${duration}"
[[scenario]]
name = "browse"
[[scenario.step]]
name = '''${EVIL}'''
request = "GET /health"
checks = [{ status = 200 }]
[[scenario.step]]
name = "trades"
request = "GET /api/v1/trades?limit=5"
`;
}

/** The demo API with a character. */
export async function demo(character = []) {
  const served = await start(["demo", "serve", "--port", "0", "--trades", "200", ...character], /on (http:\/\/127\.0\.0\.1:\d+)/);
  return { url: served.match[1], stop: served.stop };
}
