// Tags: what completes a typed one.
import type { TagCount } from "../ipc/bindings";
import { sameLabel } from "./labels";

const OFFERED = 7;

/** Tags that fit what is typed: those that begin with it (or a part of whose path does) first, then those that have it in them. */
export function completions(typed: string, tags: readonly TagCount[], labels: readonly string[], taken: readonly string[]): string[] {
  const text = typed.trim().toLocaleLowerCase();
  const known = [...tags.toSorted((a, b) => b.count - a.count).map(({ name }) => name), ...labels];
  const distinct = known.filter((name, index) => known.findIndex((other) => sameLabel(other, name)) === index);
  const free = distinct.filter((name) => !taken.some((other) => sameLabel(other, name)));
  if (text === "") return free.slice(0, OFFERED);
  const begins = (name: string) => name.toLocaleLowerCase().startsWith(text) || name.toLocaleLowerCase().includes(`/${text}`);
  const fitting = free.filter((name) => name.toLocaleLowerCase().includes(text) && name.toLocaleLowerCase() !== text);
  return [...fitting.filter(begins), ...fitting.filter((name) => !begins(name))].slice(0, OFFERED);
}
