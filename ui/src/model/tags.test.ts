import { expect, it } from "vitest";
import { completions } from "./tags";

const TAGS = [{ name: "animal/dog", count: 3 }, { name: "dogma", count: 9 }, { name: "hot dog", count: 20 }];

it("offers_what_begins_with_the_word_before_what_has_it_inside", () => expect(completions("do", TAGS, ["document"], [])).toEqual(["dogma", "animal/dog", "document", "hot dog"]));
it("offers_nothing_twice_and_nothing_that_is_there", () => expect(completions("dog", TAGS, ["Dogma"], ["animal/dog"])).toEqual(["dogma", "hot dog"]));
it("offers_the_most_used_when_nothing_is_typed", () => expect(completions("", TAGS, [], [])[0]).toBe("hot dog"));
