import { describe, expect, it } from "vitest";
import { History } from "./history";
import { pickLocale, Translator } from "./i18n";
import { parseMarkdown } from "./markdown";
import { problemFrom } from "./problems";
import { fill, parseTemplates, setOf } from "./templates";
import { DRAWN_WHOLE, rowsToDraw } from "./windowed";

describe("templates", () => {
  it("puts_the_label_in_every_place", () => expect(fill("a {} and a {}", "cat")).toBe("a cat and a cat"));
  it("names_lines_without_a_place", () => expect(parseTemplates("a {}\n\n no \n{} b")).toEqual({ templates: ["a {}", "{} b"], wrong: ["no"] }));
  it("recognises_a_ready_made_set", () => {
    const sets = [{ id: "one", templates: ["a {}"] }];
    expect(setOf(["a {}"], sets)?.id).toBe("one");
    expect(setOf(["a {}", "b {}"], sets)).toBeNull();
  });
});

describe("history", () => {
  it("goes_back_step_by_step_and_then_stops", () => {
    const history = new History<string>();
    history.remember("a");
    history.remember("b");
    expect([history.back(), history.back(), history.back()]).toEqual(["b", "a", undefined]);
  });
});

describe("translator", () => {
  const translator = new Translator("en", { n: "{count, plural, one {# photo} other {# photos}}", l: "label {label}" });
  it("follows_the_plural_rules", () => expect([1, 1204].map((count) => translator.say("n", { count }))).toEqual(["1 photo", "1,204 photos"]));
  it("leaves_markup_in_values_as_text", () => expect(translator.say("l", { label: "<b>{x}" })).toBe("label <b>{x}"));
  it("picks_the_first_language_it_knows", () => {
    expect(pickLocale(["de-DE", "zh-Hans-CN", "en"])).toBe("zh-CN");
    expect(pickLocale(["fr"])).toBe("en");
  });
});

describe("markdown", () => {
  it("reads_what_a_model_card_uses", () => {
    const blocks = parseMarkdown("# Title\n\nOne **bold**\nline\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | `2` |\n\n    code()\n");
    expect(blocks.map((block) => block.kind)).toEqual(["heading", "paragraph", "list", "table", "code"]);
    expect(blocks[1]).toEqual({ kind: "paragraph", text: [{ kind: "text", text: "One " }, { kind: "strong", text: "bold" }, { kind: "text", text: " line" }] });
    expect(blocks[3]).toMatchObject({ rows: [[[{ kind: "text", text: "1" }], [{ kind: "code", text: "2" }]]] });
  });
});

describe("windowed lists", () => {
  it("draws_short_lists_whole", () => expect(rowsToDraw(DRAWN_WHOLE, 26, 0, 100)).toEqual({ first: 0, end: DRAWN_WHOLE }));
  it("draws_the_same_few_rows_of_any_long_list", () => {
    const drawn = rowsToDraw(100_000, 26, 260_000, 520);
    expect(drawn.end - drawn.first).toBeLessThan(60);
    expect(drawn.first).toBeLessThanOrEqual(10_000);
  });
  it("draws_the_same_rows_behind_a_taller_one_as_without_it", () => {
    const taller = { index: 100, by: 300 };
    expect(rowsToDraw(100_000, 26, 260_300, 520, taller)).toEqual(rowsToDraw(100_000, 26, 260_000, 520));
    const inIt = rowsToDraw(100_000, 26, 101 * 26 + 100, 100, taller);
    expect(inIt.first <= 100 && inIt.end > 101).toBe(true);
  });
});

describe("problems", () => {
  it("passes_the_shells_problems_on", () => {
    const problem = { code: "emptyFile", params: {}, message: "x" };
    expect(problemFrom(problem)).toBe(problem);
  });
  it("wraps_anything_else", () => expect(problemFrom(new Error("boom"))).toMatchObject({ code: "internal", params: { cause: "boom" } }));
});
