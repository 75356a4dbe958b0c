// Prompt templates: sentences with `{}` where the label goes.
import type { TemplateSet } from "../ipc/bindings";

export const PLACEHOLDER = "{}";

export function fill(template: string, label: string): string {
  return template.replaceAll(PLACEHOLDER, label);
}

export function isTemplate(text: string): boolean {
  return text.includes(PLACEHOLDER);
}

/** One template a line; empty lines do not count. */
export function parseTemplates(text: string): { templates: string[]; wrong: string[] } {
  const lines = text.split(/\r?\n/u).map((line) => line.trim()).filter((line) => line !== "");
  return { templates: lines.filter(isTemplate), wrong: lines.filter((line) => !isTemplate(line)) };
}

/** The ready-made set that these templates are, or null for a list of one's own. */
export function setOf(templates: readonly string[], sets: readonly TemplateSet[]): TemplateSet | null {
  return sets.find((set) => isSame(set.templates, templates)) ?? null;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
