// What is asked about sidecars, and how an answer reads: names, the lines of a diff, and whether a dry run still holds.
import type { SidecarNaming, SidecarOptions } from "../ipc/bindings";

/** A sidecar that a photo without one would get. */
export function sidecarName(photo: string, naming: SidecarNaming): string {
  if (naming === "nameExt") return `${photo}.xmp`;
  const dot = photo.lastIndexOf(".");
  return `${dot > 0 ? photo.slice(0, dot) : photo}.xmp`;
}

/** What a dry run was asked: which photos, or all, and how. */
export interface Question {
  ids: readonly number[] | null;
  options: SidecarOptions;
}

export function isSameQuestion(a: Question | null, b: Question | null): boolean {
  return a !== null && b !== null && sameIds(a.ids, b.ids) && sameOptions(a.options, b.options);
}

function sameIds(a: readonly number[] | null, b: readonly number[] | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.length !== b.length) return false;
  const known = new Set(a);
  return b.every((id) => known.has(id));
}

function sameOptions(a: SidecarOptions, b: SidecarOptions): boolean {
  const keys = Object.keys(a) as (keyof SidecarOptions)[];
  return keys.every((key) => a[key] === b[key]);
}

/** Signs that part tags from each other, or a tag from what it is under, in one field or another. */
const PARTS = /[/|,;\\]/u;

/** Why a name cannot be the root of suggestions; null when it can. */
export function rootProblem(root: string): "empty" | "parts" | null {
  if (root.trim() === "") return "empty";
  return PARTS.test(root) ? "parts" : null;
}

export type DiffKind = "head" | "place" | "add" | "remove" | "same" | "note";
export interface DiffLine {
  kind: DiffKind;
  text: string;
  /** Lines in the text before and after, from 1; null where the line is not in it. */
  before: number | null;
  after: number | null;
}

const PLACE = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/u;

/** A unified diff line by line. Inside a hunk only its own counts say what a line is: text may begin with `--` or `++` too. */
export function diffLines(diff: string): DiffLine[] {
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  let [before, after, oldLeft, newLeft] = [0, 0, 0, 0];
  return lines.map((line): DiffLine => {
    const place = PLACE.exec(line);
    if (oldLeft <= 0 && newLeft <= 0) {
      if (!place) return { kind: line.startsWith("\\") ? "note" : "head", text: line, before: null, after: null };
      [before, after] = [Number(place[1]), Number(place[3])];
      [oldLeft, newLeft] = [Number(place[2] ?? 1), Number(place[4] ?? 1)];
      return { kind: "place", text: line, before: null, after: null };
    }
    const text = line.slice(1);
    if (line.startsWith("+")) {
      newLeft -= 1;
      return { kind: "add", text, before: null, after: after++ };
    }
    if (line.startsWith("-")) {
      oldLeft -= 1;
      return { kind: "remove", text, before: before++, after: null };
    }
    if (line.startsWith("\\")) return { kind: "note", text: line, before: null, after: null };
    oldLeft -= 1;
    newLeft -= 1;
    return { kind: "same", text, before: before++, after: after++ };
  });
}

/** The name of a file of either separator. */
export function fileOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
