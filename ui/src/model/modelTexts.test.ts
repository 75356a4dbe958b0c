// What the page says of models must fit the catalogue that the program has.
import { describe, expect, it } from "vitest";
import catalogue from "../../../assets/models/catalogue.json";
import en from "../i18n/en.json";
import type { Check } from "../ipc/bindings";
import { CHECK_IDS, countOf, figureText, reportText, sentenceKeys } from "./checks";
import { faultOf } from "./hubAddress";

const ENGLISH: Record<string, string> = en;

describe("words_for_the_catalogue", () => {
  it("name_every_kind_and_say_its_towers_as_the_catalogue_does", () => {
    for (const { id, vision, text } of catalogue.groups) {
      expect([id, ENGLISH[`group.${id}`] !== undefined, ENGLISH[`group.${id}.image`], ENGLISH[`group.${id}.text`]]).toEqual([id, true, vision, text]);
    }
  });
  it("give_its_reasons_word_for_word", () => {
    const reasons = Object.fromEntries(catalogue.models.flatMap(({ name, why }) => (why === null ? [] : [[`why.${name}`, why]])));
    const said = Object.fromEntries(Object.entries(ENGLISH).filter(([key]) => key.startsWith("why.")));
    expect(said).toEqual(reasons);
  });
  it("know_every_licence_language_and_purpose", () => {
    const wanted = catalogue.models.flatMap(({ licence, language, recommended }) => [
      ...(licence === null ? [] : [`licence.${licence}`]), `language.${language}`, ...(recommended === null ? [] : [`recommended.${recommended}`]),
    ]);
    expect([...new Set(wanted)].filter((key) => ENGLISH[key] === undefined)).toEqual([]);
  });
});

describe("checks", () => {
  const check = (change: Partial<Check>): Check => ({ id: "files", outcome: "pass", figure: null, params: {}, message: "All good.", ...change });
  it("have_words_for_each", () => {
    const wanted = CHECK_IDS.flatMap((id) => [`check.${id}`, `check.${id}.pass`, `figure.${id}`]);
    expect(wanted.filter((key) => ENGLISH[key] === undefined)).toEqual([]);
    expect(new Set(CHECK_IDS).size).toBe(15);
  });
  it("say_the_reason_before_the_rule", () => {
    expect(sentenceKeys(check({ outcome: "skipped", params: { reason: "noGpu" } }))).toEqual(["check.skipped.noGpu"]);
    expect(sentenceKeys(check({ outcome: "fail", params: { cause: "x" } }))).toEqual(["check.files.cause", "check.cause"]);
    expect(sentenceKeys(check({ outcome: "warn" }))).toEqual(["check.files.warn", "check.files.bad"]);
  });
  it("are_counted_by_outcome", () => {
    expect(countOf([check({}), check({ outcome: "warn" }), check({})])).toEqual({ skipped: 0, pass: 2, warn: 1, fail: 0 });
  });
  it("are_copied_with_their_full_figures", () => {
    const report = { name: "a", outcome: "warn" as const, checks: [check({}), check({ id: "spread", outcome: "warn", figure: 0.12345678, message: "Close." })] };
    expect(reportText(report)).toBe("a: warn\npass    files: All good.\nwarn    spread [0.12345678]: Close.\n");
  });
  it("show_as_many_digits_as_matter", () => {
    expect([3.14159e-6, -0.041, 0, 14.287, 100, 2.5e6].map(figureText)).toEqual(["3.1e−6", "−0.041", "0.000", "14.3", "100", "2.5e+6"]);
  });
});

describe("hub_addresses", () => {
  it.each(["", "  ", "https://huggingface.co", "http://127.0.0.1:8080/hf/", "https://hf-mirror.com/"])("takes %j", (text) => expect(faultOf(text)).toBeNull());
  it.each([
    ["huggingface.co", "scheme"], ["ftp://a.example", "scheme"], ["https://", "server"], ["https://me:pass@a.example", "user"], ["https://a/?x", "query"],
    ["https://a/#x", "query"], ["https://a b", "form"], ["https:///a", "form"],
  ])("refuses %j: %s", (text, fault) => expect(faultOf(text)).toBe(fault));
});
