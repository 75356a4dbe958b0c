import { expect, it } from "vitest";
import { AS_THEY_ARE, movedPrompts, parsePrompts, sameSettings, sentencesOf, withPrompts } from "./prompts";

const TEMPLATES = ["a photo of a {}", "a {}"];

it("reads_the_last_part_of_a_name_where_a_label_has_no_words_of_its_own", () => {
  expect(sentencesOf("animal/dog", {}, TEMPLATES)).toEqual(["a photo of a dog", "a dog"]);
});

it("puts_every_word_into_every_template_once", () => {
  const prompts = { dog: { prompts: ["puppy", "hound"], templates: ["a {}", "a {}"] } };
  expect(sentencesOf("dog", prompts, TEMPLATES)).toEqual(["a puppy", "a hound"]);
});

it("leaves_whole_sentences_as_they_are", () => {
  expect(sentencesOf("dog", { dog: { prompts: ["a dog that swims"], templates: [...AS_THEY_ARE] } }, TEMPLATES)).toEqual(["a dog that swims"]);
});

it("keeps_no_entry_that_says_nothing", () => {
  const some = withPrompts({}, "dog", { prompts: ["puppy"] });
  expect(some).toEqual({ dog: { prompts: ["puppy"], templates: null } });
  expect(withPrompts(some, "dog", { prompts: [] })).toEqual({});
  expect(withPrompts(some, "dog", { prompts: [], templates: ["{}"] })).toEqual({ dog: { prompts: [], templates: ["{}"] } });
});

it("takes_the_words_along_when_a_label_is_renamed", () => {
  expect(movedPrompts({ dog: { prompts: ["puppy"], templates: null } }, "dog", "animal/dog")).toEqual({ "animal/dog": { prompts: ["puppy"], templates: null } });
});

it("takes_lines_for_prompts", () => expect(parsePrompts(" a \r\n\nb\na")).toEqual(["a", "b"]));

it("tells_a_changed_set_from_one_that_only_has_another_origin", () => {
  const settings = { labels: ["a"], templates: ["{}"], topK: 5, threshold: 0.3, prompts: { a: { prompts: ["x"], templates: null }, b: { prompts: [], templates: null } }, set: null };
  expect(sameSettings(settings, { ...settings, prompts: { b: settings.prompts.b, a: settings.prompts.a }, set: { uid: "u", name: "n", version: 2 } })).toBe(true);
  expect(sameSettings(settings, { ...settings, labels: ["a", "b"] })).toBe(false);
});
