// Label lists as people type and paste them.

/** Commas and semicolons of English and of Chinese, and line breaks. */
const SEPARATOR = /[\n\r,;，、；]+/u;
/** Bullets and quotes around an entry of a pasted list. */
const WRAPPING = /^[\s\-*•"'“”‘’]+|[\s"'“”‘’]+$/gu;

/** The labels in a typed or pasted text, in order, without empties and repeats. */
export function parseLabels(text: string): string[] {
  return distinct(text.split(SEPARATOR).map(tidy));
}

/** Surrounding space, bullets and quotes off; inner runs of space become one. */
export function tidy(label: string): string {
  return label.replace(WRAPPING, "").replace(/\s+/gu, " ");
}

/** Two labels that differ only in case would always score alike or confuse. */
export function sameLabel(a: string, b: string): boolean {
  return a.toLocaleLowerCase() === b.toLocaleLowerCase();
}

function distinct(labels: readonly string[]): string[] {
  const seen = new Map<string, string>();
  for (const label of labels) {
    const key = label.toLocaleLowerCase();
    if (label !== "" && !seen.has(key)) seen.set(key, label);
  }
  return [...seen.values()];
}

/** `added` goes behind `labels`; those that are there already are named in `repeated`. */
export function withLabels(labels: readonly string[], added: readonly string[]): { labels: string[]; repeated: string[] } {
  const isKnown = (label: string) => labels.some((known) => sameLabel(known, label));
  const fresh = distinct(added).filter((label) => !isKnown(label));
  return { labels: [...labels, ...fresh], repeated: added.filter(isKnown) };
}

/** Null when the new name is empty or is another row's. */
export function renamed(labels: readonly string[], index: number, name: string): string[] | null {
  const next = tidy(name);
  if (next === "") return null;
  if (labels.some((label, other) => other !== index && sameLabel(label, next))) return null;
  return labels.map((label, other) => (other === index ? next : label));
}

export function without(labels: readonly string[], removed: readonly string[]): string[] {
  const gone = new Set(removed);
  return labels.filter((label) => !gone.has(label));
}

/** Whether every label of `set` is in `labels`. */
export function includesAll(labels: readonly string[], set: readonly string[]): boolean {
  const known = new Set(labels.map((label) => label.toLocaleLowerCase()));
  return set.every((label) => known.has(label.toLocaleLowerCase()));
}
/** `label` at `index`, or at the end when the list is shorter now; nothing when it is there already. */
export function reinserted(labels: readonly string[], label: string, index: number): string[] {
  return labels.includes(label) ? [...labels] : labels.toSpliced(index, 0, label);
}
