import { describe, expect, it } from "vitest";
import { includesAll, parseLabels, reinserted, renamed, withLabels, without } from "./labels";

describe("parseLabels", () => {
  it("splits_at_commas_semicolons_and_line_breaks", () => expect(parseLabels("cat, dog;bird\nfish\r\nhorse")).toEqual(["cat", "dog", "bird", "fish", "horse"]));
  it("splits_at_chinese_punctuation", () => expect(parseLabels("cat，dog、bird；fish")).toEqual(["cat", "dog", "bird", "fish"]));
  it("takes_off_bullets_quotes_and_space", () => expect(parseLabels("- cat\n* \"red  car\"\n• “sea”")).toEqual(["cat", "red car", "sea"]));
  it("keeps_hyphens_and_apostrophes_inside", () => expect(parseLabels("t-shirt, bird's nest")).toEqual(["t-shirt", "bird's nest"]));
  it("leaves_out_empties_and_repeats", () => expect(parseLabels(",, cat, Cat,\n\n")).toEqual(["cat"]));
});

describe("changing the list", () => {
  it("adds_behind_and_names_what_was_there", () => {
    expect(withLabels(["cat"], ["dog", "CAT"])).toEqual({ labels: ["cat", "dog"], repeated: ["CAT"] });
  });

  it("refuses_an_empty_name_and_another_rows_name", () => {
    expect(renamed(["cat", "dog"], 0, "  ")).toBeNull();
    expect(renamed(["cat", "dog"], 0, "Dog")).toBeNull();
  });

  it("lets_a_row_change_its_own_case", () => expect(renamed(["cat", "dog"], 0, "Cat")).toEqual(["Cat", "dog"]));

  it("puts_a_removed_label_back_where_it_was", () => {
    const fewer = without(["a", "b", "c"], ["b"]);
    expect(reinserted(fewer, "b", 1)).toEqual(["a", "b", "c"]);
    expect(reinserted(["a"], "b", 5)).toEqual(["a", "b"]);
    expect(reinserted(["b"], "b", 0)).toEqual(["b"]);
  });

  it("knows_when_a_set_is_all_there", () => {
    expect(includesAll(["Cat", "dog"], ["cat"])).toBe(true);
    expect(includesAll(["cat"], ["cat", "dog"])).toBe(false);
  });
});
