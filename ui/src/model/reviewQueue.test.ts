import { describe, expect, it } from "vitest";
import type { Suggested } from "../ipc/bindings";
import { nextOpen, NO_ROW, openAhead, refilled, strip } from "./reviewQueue";

const item = (photo: number, label = "dog"): Suggested => ({ photo, label, by: { model: "m", prompt: "p", cosine: 0, score: 0, probability: 0.5, suggestedMs: 0 } });
const items = [1, 2, 3, 4, 5].map((photo) => item(photo));
const photos = (row: { items: readonly Suggested[] }) => row.items.map(({ photo }) => photo);
const open = (...ids: number[]) => (one: Suggested) => ids.includes(one.photo);

describe("the next suggestion", () => {
  it("is_the_next_open_one_ahead", () => expect(nextOpen(items, 1, open(1, 4))).toBe(3));
  it("comes_from_the_beginning_when_none_is_ahead", () => expect(nextOpen(items, 3, open(1, 2))).toBe(0));
  it("is_the_end_when_all_are_decided", () => expect(nextOpen(items, 3, open())).toBe(5));
  it("is_not_the_one_just_decided", () => expect(nextOpen(items, 2, open(3))).toBe(5));
});

describe("a refill", () => {
  it("begins_a_row", () => expect(refilled(NO_ROW, items, () => false)).toEqual({ items, at: 0 }));
  it("keeps_what_is_gone_by_and_the_one_in_question_in_its_place", () => {
    const row = refilled({ items, at: 2 }, [5, 4, 3, 6].map((photo) => item(photo)), open(1, 2));
    expect([photos(row), row.at]).toEqual([[1, 2, 3, 5, 4, 6], 2]);
  });
  it("drops_what_waits_no_more", () => {
    const row = refilled({ items, at: 2 }, [item(6)], open(1, 2));
    expect([photos(row), row.at]).toEqual([[1, 2, 6], 2]);
  });
  it("brings_nothing_again_that_is_decided_or_passed_over", () => {
    const row = refilled({ items, at: 1 }, items, open(1, 4));
    expect(photos(row)).toEqual([1, 2, 3, 5]);
  });
  it("brings_back_what_was_gone_by_and_is_open_again", () => {
    const row = refilled({ items, at: 2 }, [1, 3, 4].map((photo) => item(photo)), open(2));
    expect([photos(row), row.at]).toEqual([[2, 3, 1, 4], 1]);
  });
  it("leaves_a_decided_one_in_sight_that_was_gone_back_to", () => {
    const row = refilled({ items, at: 0 }, [2, 3].map((photo) => item(photo)), open(1));
    expect([photos(row), row.at]).toEqual([[1, 2, 3], 0]);
  });
  it("tells_the_same_photo_with_another_label_apart", () => {
    const row = refilled({ items: [item(1)], at: 1 }, [item(1, "cat"), item(1)], (one) => one.label === "dog");
    expect(row.items.map(({ label }) => label)).toEqual(["dog", "cat"]);
  });
});

it("counts_what_is_still_ahead", () => expect(openAhead({ items, at: 2 }, open(1, 3, 5))).toBe(2));
it("shows_a_strip_around_the_place", () => {
  expect(strip({ items, at: 2 }, 1, 1).map(({ item: { photo }, index }) => [photo, index])).toEqual([[2, 1], [3, 2], [4, 3]]);
  expect(strip({ items, at: 5 }, 2, 4).map(({ index }) => index)).toEqual([3, 4]);
});
