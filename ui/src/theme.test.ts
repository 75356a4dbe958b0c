// Colours live in theme.css alone; the made-up pictures of the fake library are pictures, not interface.
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const HERE = new URL(".", import.meta.url).pathname;
const COLOUR = /#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|lab)a?\(/iu;
const ALLOWED = ["theme.css", "ipc/fakePictures.ts", "theme.test.ts"];

it("no_colour_is_named_outside_the_theme", () => {
  const files = readdirSync(HERE, { recursive: true, encoding: "utf8" }).filter((path) => /\.(svelte|css|ts)$/u.test(path) && !ALLOWED.includes(path));
  const styled = files.filter((path) => {
    const source = readFileSync(HERE + path, "utf8");
    const styles = path.endsWith(".svelte") ? (source.split("<style>")[1] ?? "") : path.endsWith(".css") ? source : "";
    return COLOUR.test(styles);
  });
  expect(files.length).toBeGreaterThan(50);
  expect(styled).toEqual([]);
});

it("every_variable_used_is_in_the_theme", () => {
  const theme = readFileSync(`${HERE}theme.css`, "utf8");
  const sources = readdirSync(HERE, { recursive: true, encoding: "utf8" }).filter((path) => /\.(svelte|css)$/u.test(path)).map((path) => readFileSync(HERE + path, "utf8")).join("\n");
  const used = new Set([...sources.matchAll(/var\((--[a-z0-9-]+)/gu)].map((found) => found[1] ?? ""));
  const defined = (name: string) => theme.includes(`${name}:`) || sources.includes(`${name}=`) || sources.includes(`${name}: `);
  expect([...used].filter((name) => !defined(name))).toEqual([]);
});
