import { describe, expect, it } from "vitest";
import { accuracy, ago, bytes, cameraTime, done, folderOf, memory, percent, probability, signed, timeLeft } from "./format";

describe("numbers", () => {
  it("uses_a_real_minus", () => expect(signed(-1.25, 2)).toBe("−1.25"));
  it("does_not_show_a_small_score_as_none", () => {
    expect(percent(0.934, "en")).toBe("93%");
    expect(percent(0.002, "en")).toBe("0.2%");
    expect(percent(0, "en")).toBe("0%");
  });
  it("tells_small_probabilities_apart", () => {
    expect(probability(0.5)).toBe("0.500");
    expect(probability(0.00012)).toBe("0.00012");
  });
  it("gives_sizes_a_fitting_unit", () => {
    expect(bytes(33_900_000, "en")).toBe("34 MB");
    expect(bytes(3_210_000, "en")).toBe("3.2 MB");
    expect(bytes(12, "en")).toBe("12 bytes");
    expect([bytes(999_600_000, "en"), bytes(2_000_398_934_016, "en")]).toEqual(["1 GB", "2 TB"]);
  });
  it("counts_memory_in_powers_of_two", () => {
    expect([12 * 2 ** 30, 2 ** 31 - 4, 49_152, 12].map((size) => memory(size, "en"))).toEqual(["12 GiB", "2 GiB", "48 KiB", "12 B"]);
  });
  it("says_all_of_it_only_when_all_is_there", () => {
    expect([done(0.4297, "en"), done(0.9999, "en"), done(1, "en")]).toEqual(["42%", "99%", "100%"]);
  });
  it("prints_accuracies_as_papers_do", () => expect([accuracy(0.7281, "en"), accuracy(0.72, "zh-CN")]).toEqual(["72.8%", "72.0%"]));
});

describe("times", () => {
  it("says_how_long_ago_in_one_unit_and_never_too_long", () => {
    const hour = 3_600_000;
    expect([0.5, 23.9, 25, 49, 24 * 45, 24 * 800].map((hours) => ago(0, hours * hour, "en"))).toEqual(["30 minutes ago", "23 hours ago", "1 day ago", "2 days ago", "1 month ago", "2 years ago"]);
    expect([ago(0, 59_000, "en"), ago(0, -hour, "en"), ago(0, 49 * hour, "zh-CN")]).toEqual([null, null, "2天前"]);
  });
  it("says_what_is_left_in_two_units_at_most", () => {
    expect(timeLeft(0.2).values).toEqual({ seconds: 1 });
    expect(timeLeft(82)).toEqual({ key: "progress.left.minutes", values: { minutes: 1, seconds: 22 } });
    expect(timeLeft(7320)).toEqual({ key: "progress.left.hours", values: { hours: 2, minutes: 2 } });
  });
  it("shows_the_cameras_own_clock_in_every_time_zone", () => expect(cameraTime(Date.UTC(2024, 6, 2, 18, 5), "en-GB")).toContain("18:05"));
});

describe("folderOf", () => {
  it("knows_both_separators_and_the_root", () => {
    expect(folderOf("/a/b/c.jpg")).toBe("/a/b");
    expect(folderOf("C:\\a\\c.jpg")).toBe("C:\\a");
    expect(folderOf("/c.jpg")).toBe("/");
  });
});
