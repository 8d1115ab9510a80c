// How quickly reports open: `node e2e/opening.mjs ROUNDS REPORT…` opens them in turns, each time in a browser's context of its
// own, and prints a line per round and report: its number, then the milliseconds from the navigation to the first picture,
// and to the picture that answers a word typed into the search of endpoints.
import { pathToFileURL } from "node:url";
import { browser } from "./support.mjs";

const [rounds, ...reports] = process.argv.slice(2);
const chrome = await browser();
try {
  // One round more than is told of: the first one fills caches.
  for (let round = 0; round <= Number(rounds); round += 1) {
    for (const [number, report] of reports.entries()) {
      const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, offline: true });
      const page = await context.newPage();
      await page.goto(pathToFileURL(report).href, { waitUntil: "commit" });
      const [painted, answered] = await page.evaluate(opening);
      if (round > 0) console.log(number, painted, answered);
      await context.close();
    }
  }
} finally {
  await chrome.close();
}

/** Runs within the page. */
async function opening() {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const search = () => document.querySelector("input[type=search]");
  while (!search()) await frame();
  search().value = "parts/77";
  search().dispatchEvent(new Event("input", { bubbles: true }));
  const rows = () => [...document.querySelectorAll("section[aria-labelledby=endpoints] tbody tr")];
  while (!rows().every((row) => row.textContent.includes("parts/77"))) await frame();
  await frame();
  const answered = performance.now();
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  while (painted() === undefined) await frame();
  return [painted(), answered];
}
