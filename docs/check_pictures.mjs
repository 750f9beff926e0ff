// Renders every ```mermaid block of README.md and docs/**/*.md in headless Chromium, from local files only.
// Writes a PNG per block to build/pictures/. Exits with 1 and names file and line if a block does not render.
import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "build/node-pictures");
const pictures = join(root, "build/pictures");
const { default: puppeteer } = await import(
  createRequire(join(modules, "package.json")).resolve("puppeteer-core")
);

/** README.md and all Markdown files under docs/. */
function pages() {
  const docs = readdirSync(join(root, "docs"), { recursive: true })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(root, "docs", name));
  return [join(root, "README.md"), ...docs.sort()];
}

/** The Mermaid blocks of a page: the line on which each begins, and its text. */
function blocksOf(page) {
  const blocks = [];
  let block = null;
  readFileSync(page, "utf8").split("\n").forEach((line, i) => {
    if (block && line.startsWith("```")) {
      blocks.push({ line: block.line, text: block.lines.join("\n") });
      block = null;
    } else if (block) {
      block.lines.push(line);
    } else if (line.startsWith("```mermaid")) {
      block = { line: i + 1, lines: [] };
    }
  });
  if (block) blocks.push({ line: block.line, text: block.lines.join("\n") });
  return blocks;
}

const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failures = 0;
let count = 0;
try {
  rmSync(pictures, { recursive: true, force: true });
  mkdirSync(pictures, { recursive: true });
  const tab = await browser.newPage();
  await tab.setViewport({ width: 1000, height: 800, deviceScaleFactor: 2 });
  // A page without an address. Nothing is loaded but the text below and the installed script.
  await tab.setContent("<!doctype html><meta charset=utf-8><body style='margin:16px;width:968px'><div id=picture></div>");
  await tab.addScriptTag({ path: join(modules, "node_modules/mermaid/dist/mermaid.min.js") });
  await tab.evaluate(() => globalThis.mermaid.initialize({ startOnLoad: false, securityLevel: "strict" }));

  for (const page of pages()) {
    for (const { line, text } of blocksOf(page)) {
      const name = relative(root, page);
      ++count;
      try {
        await tab.evaluate(async (source, id) => {
          const { svg } = await globalThis.mermaid.render(id, source);
          document.getElementById("picture").innerHTML = svg;
        }, text, `picture${count}`);
        const file = join(pictures, `${name.replaceAll("/", "-").replace(/\.md$/, "")}-${line}.png`);
        await (await tab.$("#picture")).screenshot({ path: file });
        console.log(`${name}:${line}: ${relative(root, file)}`);
      } catch (error) {
        ++failures;
        console.error(`${name}:${line}: does not render: ${error.message}`);
      }
    }
  }
} finally {
  await browser.close();
}
console.log(`${count - failures} passed, ${failures} failed`);
process.exit(failures > 0 || count === 0 ? 1 : 0);
