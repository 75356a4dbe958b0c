// A photo as the window knows it. Photos are replaced, never changed in place, so that a cell redraws only when its own did.
import type { PhotoState, Problem } from "../ipc/bindings";

/** A label by name and its score in 0…1. */
export interface Score {
  label: string;
  score: number;
}

/** What is given to a photo: how many labels at most, and from which score on. */
export interface Rule {
  topK: number;
  threshold: number;
}

export interface Photo {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly state: PhotoState;
  /** Pixels after EXIF orientation; 0 until decoded. */
  readonly width: number;
  readonly height: number;
  /** The best labels, best first, at most ten. */
  readonly best: readonly Score[];
  /** The `labelsVersion` that `best` was computed for. */
  readonly scoredFor: number;
  /** Whether `best` is of the model or device before, and newer scores are on their way. */
  readonly outdated: boolean;
  readonly problem: Problem | null;
  /** Tags that a person confirmed. */
  readonly tags: readonly string[];
  /** Whether no file of it is there. */
  readonly missing: boolean;
  /** Files with this content. */
  readonly files: number;
}

/** What a photo is given: its k best labels, as far as they reach the threshold. */
export function givenLabels(photo: Photo, { topK, threshold }: Rule): Score[] {
  return photo.best.slice(0, topK).filter((entry) => entry.score >= threshold);
}

/** Labels that only the machine gives: what a person has confirmed is shown as a tag. */
export function machineLabels(photo: Photo, rule: Rule): Score[] {
  return givenLabels(photo, rule).filter(({ label }) => !photo.tags.includes(label));
}

/** Whether the photo's thumbnail can be fetched. */
export function hasThumbnail(photo: Photo): boolean {
  return photo.width > 0;
}
