// Makes the pictures of the documents, docs/images: a report, and a run while it goes on.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { browser, cleanUp, demo, eventually, folder, open, run, start } from "./support.mjs";

const images = fileURLToPath(new URL("../../docs/images", import.meta.url));
const place = folder();
const file = join(place, "checkout.toml");
const report = join(place, "report.html");

const step = (name, request) => `[[scenario.step]]\nname = "${name}"\nrequest = "${request}"\nchecks = [{ status = 200 }]\n`;

const scenario = (url) =>
  `name = "checkout"\ntargets = ["p50 < 50ms", "p95 < 200ms", "errors < 2%", "checks > 97%"]\n[service]\nurl = "${url}"\n` +
  `[load]\nusers = 20\npace = 2\nduration = "40s"\nwarmup = "5s"\n[[scenario]]\nname = "browse"\n` +
  step("health", "GET /health") +
  step("trades", "GET /api/v1/trades?limit=20");

const chrome = await browser();
try {
  const service = await demo(["--latency", "lognormal:p50=12ms,p99=90ms", "--stall", "2s/8s", "--error-rate", "0.5%"]);
  writeFileSync(file, scenario(service.url));
  const job = await start(["load", file, "--dashboard", "--listen", "127.0.0.1:0"], /Dashboard: (\S+)/);
  const context = await chrome.newContext({ viewport: { width: 1280, height: 960 }, colorScheme: "dark" });
  const { page } = await open(context, job.match[1]);
  await eventually("half of the run", async () => /0:2[6-9] of/.test(await page.locator(".facts").innerText()), 60_000);
  await page.locator("#over-time").evaluate((heading) => window.scrollTo(0, heading.getBoundingClientRect().top + scrollY - 150));
  await page.screenshot({ path: join(images, "live.png") });
  await job.ended;
  const calm = await demo(["--latency", "lognormal:p50=12ms,p99=90ms"]);
  writeFileSync(file, scenario(calm.url));
  run(["load", file, "--quiet", "--out", `html=${report}`]);
  const light = await chrome.newContext({ viewport: { width: 1200, height: 1000 } });
  const finished = await open(light, pathToFileURL(report).href);
  await finished.page.screenshot({ path: join(images, "report.png") });
} finally {
  await chrome.close();
  cleanUp();
}
