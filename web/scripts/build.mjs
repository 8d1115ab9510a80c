// Builds the page as one file: `node scripts/build.mjs FOLDER` leaves `page.html`, with a place for data, and
// `page.html.gz`, as a server gives it. Script and style are inline, and the page's policy names them by their hashes, so
// that nothing else is ever run, whatever a name in the data contains.
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const PLACE = "<!--pulse-data-->";
const root = fileURLToPath(new URL("..", import.meta.url));
const out = resolve(process.argv[2] ?? join(root, "dist"));

const result = await build({
  root,
  configFile: false,
  logLevel: "error",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    write: false,
    target: "es2022",
    minify: "esbuild",
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: { input: join(root, "src/main.tsx"), output: { format: "iife", entryFileNames: "page.js" } },
  },
});
const { output } = Array.isArray(result) ? result[0] : result;
const script = output.find((file) => file.type === "chunk").code.trim();
const style = String(output.find((file) => file.fileName.endsWith(".css")).source).trim();
// Within the elements nothing may look like their end, or like a comment that changes what the end is.
for (const text of [script, style]) {
  if (/<\/(script|style)|<!--/i.test(text)) throw new Error("the bundle contains the end of an element");
}
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>Pulse</title>
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. Without it: the report as text, or /api/summary of a running server.</noscript>
<script type="application/json" id="pulse-data">${PLACE}</script>
<script>${script}</script>
</body>
</html>
`;
await mkdir(out, { recursive: true });
await writeFile(join(out, "page.html"), page);
await writeFile(join(out, "page.html.gz"), gzipSync(page.replace(PLACE, "null"), { level: 9 }));
