// What stands for a label: its own words or sentences, and the templates they are put into.
import type { LabelPrompts, LabelSettings } from "../ipc/bindings";
import { labelParts } from "./review";
import { fill, PLACEHOLDER } from "./templates";

export type Prompts = LabelSettings["prompts"];

/** A template that leaves sentences as they are. */
export const AS_THEY_ARE: readonly string[] = [PLACEHOLDER];

const NONE: LabelPrompts = { prompts: [], templates: null };

export function promptsOf(prompts: Prompts, label: string): LabelPrompts {
  return prompts[label] ?? NONE;
}

/** One a line; empty lines and repeats do not count. */
export function parsePrompts(text: string): string[] {
  const lines = text.split(/\r?\n/u).map((line) => line.trim()).filter((line) => line !== "");
  return [...new Set(lines)];
}

/** The sentences that the text tower reads for a label, as far as they differ. */
export function sentencesOf(label: string, prompts: Prompts, templates: readonly string[]): string[] {
  const own = promptsOf(prompts, label);
  const words = own.prompts.length > 0 ? own.prompts : [labelParts(label).name];
  return [...new Set(words.flatMap((word) => (own.templates ?? templates).map((template) => fill(template, word))))];
}

/** A label without words and templates of its own needs no entry. */
export function withPrompts(prompts: Prompts, label: string, change: Partial<LabelPrompts>): Prompts {
  const next = { ...promptsOf(prompts, label), ...change };
  const others = withoutPrompts(prompts, [label]);
  return next.prompts.length === 0 && next.templates === null ? others : { ...others, [label]: next };
}

export function withoutPrompts(prompts: Prompts, labels: readonly string[]): Prompts {
  return Object.fromEntries(Object.entries(prompts).filter(([label]) => !labels.includes(label)));
}

/** A renamed label keeps its words. */
export function movedPrompts(prompts: Prompts, from: string, to: string): Prompts {
  const own = prompts[from];
  return own === undefined || from === to ? prompts : { ...withoutPrompts(prompts, [from]), [to]: own };
}

/** Whether two sets of labels say the same; where they come from does not count. */
export function sameSettings(a: LabelSettings, b: LabelSettings): boolean {
  const plain = ({ labels, templates, topK, threshold, prompts }: LabelSettings) =>
    JSON.stringify([labels, templates, topK, threshold, Object.entries(prompts).sort(([one], [other]) => (one < other ? -1 : 1))]);
  return plain(a) === plain(b);
}
