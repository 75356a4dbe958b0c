import { describe, expect, it } from "vitest";
import type { SidecarOptions } from "../ipc/bindings";
import { diffLines, fileOf, isSameQuestion, rootProblem, sidecarName } from "./shelfSidecars";

const OPTIONS: SidecarOptions = { naming: "nameExt", microsoft: false, mediapro: false, suggestions: false, root: "Cliploupe", onConflict: "ask" };

describe("a sidecar's name", () => {
  it("keeps_the_photos_extension_or_takes_its_place", () => {
    expect([sidecarName("a.b.jpg", "nameExt"), sidecarName("a.b.jpg", "name")]).toEqual(["a.b.jpg.xmp", "a.b.xmp"]);
  });
  it("takes_a_leading_dot_for_a_part_of_the_name", () => expect([sidecarName(".jpg", "name"), sidecarName("scan", "name")]).toEqual([".jpg.xmp", "scan.xmp"]));
});

describe("a dry run", () => {
  it("holds_for_the_same_photos_and_options_in_any_order", () => {
    expect(isSameQuestion({ ids: [1, 2], options: OPTIONS }, { ids: [2, 1], options: { ...OPTIONS } })).toBe(true);
    expect(isSameQuestion({ ids: null, options: OPTIONS }, { ids: null, options: OPTIONS })).toBe(true);
  });
  it("does_not_hold_for_other_ones", () => {
    expect(isSameQuestion({ ids: null, options: OPTIONS }, { ids: [], options: OPTIONS })).toBe(false);
    expect(isSameQuestion({ ids: [1, 2], options: OPTIONS }, { ids: [1, 3], options: OPTIONS })).toBe(false);
    for (const change of [{ naming: "name" }, { microsoft: true }, { mediapro: true }, { suggestions: true }, { root: "AI" }, { onConflict: "union" }] as const) {
      expect(isSameQuestion({ ids: null, options: OPTIONS }, { ids: null, options: { ...OPTIONS, ...change } })).toBe(false);
    }
    expect(isSameQuestion(null, { ids: null, options: OPTIONS })).toBe(false);
  });
});

it("a_root_is_one_name", () => {
  expect(["", "  ", "AI|x", "a/b", "a,b", "Cliploupe", "机器"].map(rootProblem)).toEqual(["empty", "empty", "parts", "parts", "parts", null, null]);
});

it("a_path_of_either_separator_ends_in_a_name", () => expect([fileOf("/a/b.xmp"), fileOf("C:\\a\\b.xmp"), fileOf("b.xmp")]).toEqual(["b.xmp", "b.xmp", "b.xmp"]));

describe("a diff", () => {
  const DIFF = "--- a.xmp\n+++ a.xmp\n@@ -2,4 +2,4 @@\n <rdf:Bag>\n- <rdf:li>dog</rdf:li>\n--- odd\n++ <rdf:li>cat</rdf:li>\n+++ odder\n </rdf:Bag>\n@@ -20 +20,2 @@ tail\n-old\n\\ No newline at end of file\n+new\n+newer\n";
  it("numbers_the_lines_of_both_texts", () => {
    expect(diffLines(DIFF).map(({ kind, before, after }) => [kind, before, after])).toEqual([
      ["head", null, null], ["head", null, null], ["place", null, null],
      ["same", 2, 2], ["remove", 3, null], ["remove", 4, null], ["add", null, 3], ["add", null, 4], ["same", 5, 5],
      ["place", null, null], ["remove", 20, null], ["note", null, null], ["add", null, 20], ["add", null, 21],
    ]);
  });
  it("takes_a_line_that_begins_with_dashes_for_what_the_hunk_says_it_is", () => expect(diffLines(DIFF)[5]?.text).toBe("-- odd"));
  it("of_a_new_file_begins_at_its_first_line", () => {
    expect(diffLines("--- /dev/null\n+++ a.xmp\n@@ -0,0 +1,2 @@\n+one\n+two\n").slice(3)).toEqual([
      { kind: "add", text: "one", before: null, after: 1 }, { kind: "add", text: "two", before: null, after: 2 },
    ]);
  });
  it("of_nothing_is_nothing", () => expect(diffLines("")).toEqual([]));
});
