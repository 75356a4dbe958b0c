// The two catalogues must match each other, and the sources.
import { parse, TYPE, type MessageFormatElement } from "@formatjs/icu-messageformat-parser";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PROBLEM_CODES } from "../model/problems";
import { SHORTCUTS } from "../model/keys";
import en from "./en.json";
import zhCN from "./zh-CN.json";

const ENGLISH: Record<string, string> = en;
const CHINESE: Record<string, string> = zhCN;
const KEYS = Object.keys(ENGLISH);
const SOURCE = new URL("..", import.meta.url).pathname;

function placeholders(message: string): string[] {
  const names = new Set<string>();
  const visit = (elements: MessageFormatElement[]) => {
    for (const element of elements) {
      if (element.type === TYPE.literal || element.type === TYPE.pound) continue;
      names.add(element.value);
      if (element.type === TYPE.plural || element.type === TYPE.select) Object.values(element.options).forEach((option) => visit(option.value));
    }
  };
  visit(parse(message, { ignoreTag: true }));
  return [...names].sort();
}

function sources(folder = SOURCE): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(svelte|ts)$/u.test(entry.name) && !entry.name.endsWith(".test.ts") ? [readFileSync(path, "utf8")] : [];
  });
}

describe("catalogues", () => {
  it("have_the_same_keys_in_the_same_order", () => expect(Object.keys(CHINESE)).toEqual(KEYS));

  it.each(KEYS)("%s takes the same values in both languages", (key) => {
    expect(placeholders(CHINESE[key] ?? "")).toEqual(placeholders(ENGLISH[key] ?? ""));
  });

  it("say_something_for_every_key", () => {
    expect(KEYS.filter((key) => ENGLISH[key]?.trim() === "" || CHINESE[key]?.trim() === "")).toEqual([]);
  });

  it("raise_their_voice_nowhere", () => {
    expect(KEYS.filter((key) => /[!！]/u.test(`${ENGLISH[key]}${CHINESE[key]}`))).toEqual([]);
  });

  it("use_full_width_punctuation_between_chinese_words", () => {
    expect(KEYS.filter((key) => /\p{Script=Han}[,:;?]|[,:;?]\p{Script=Han}/u.test(CHINESE[key] ?? ""))).toEqual([]);
  });

  it("explain_every_problem_and_its_remedy", () => {
    const wanted = Object.keys(PROBLEM_CODES).flatMap((code) => [`problem.${code}`, `remedy.${code}`]);
    expect(wanted.filter((key) => !(key in ENGLISH))).toEqual([]);
    const listed = KEYS.filter((key) => /^(problem|remedy)\./u.test(key));
    expect(listed.filter((key) => !wanted.includes(key))).toEqual([]);
  });

  it("name_every_shortcut", () => expect(Object.keys(SHORTCUTS).filter((id) => !(`shortcut.${id}` in ENGLISH))).toEqual([]));
});

describe("sources", () => {
  const text = sources().join("\n");
  const prefixes = [...text.matchAll(/\bt(?:IfKnown)?\(`([a-zA-Z.]+\.)\$\{/gu)].map((found) => found[1] ?? "");
  const literals = new Set([...text.matchAll(/"([a-zA-Z]+(?:\.[a-zA-Z0-9]+)+)"/gu)].map((found) => found[1] ?? ""));

  it("use_every_message", () => {
    expect(KEYS.filter((key) => !literals.has(key) && !prefixes.some((prefix) => key.startsWith(prefix)))).toEqual([]);
  });

  it("ask_for_no_message_that_is_missing", () => {
    const asked = [...text.matchAll(/\bt\("([^"]+)"/gu)].map((found) => found[1] ?? "");
    expect(asked.filter((key) => !(key in ENGLISH))).toEqual([]);
    expect(prefixes.filter((prefix) => !KEYS.some((key) => key.startsWith(prefix)))).toEqual([]);
  });
});
