// The photos of a grid in their order: numbers, shapes and scores, side by side. Lists are replaced, never changed in place.
import type { PhotoList } from "../ipc/backend";
import type { CutOff, PhotoDecoded, PhotoListHead } from "../ipc/bindings";
import { IdSet } from "./idSet";

export const NO_PHOTOS: PhotoList = {
  head: { count: 0, filtered: 0, total: 0, scored: false, cut: null, tookMs: 0 },
  ids: new Uint32Array(0), aspects: new Float32Array(0), scores: null,
};

/** Looking for so many one by one costs more than going through the list once. */
const ONE_BY_ONE = 40;

/** Photos come in the order in which they stand, so that the next place is the first guess. */
export function placeOf(ids: Uint32Array, id: number, guess = 0): number {
  return ids[guess] === id ? guess : ids.indexOf(id);
}

/** With photos at its end that were added; those that are in it already are left out. */
export function appended(list: PhotoList, ids: readonly number[]): PhotoList {
  const fresh = newTo(list.ids, ids);
  if (fresh.length === 0) return list;
  const count = list.ids.length + fresh.length;
  const [nextIds, aspects] = [grown(list.ids, count), grown(list.aspects, count)];
  nextIds.set(fresh, list.ids.length);
  HIGHEST.set(nextIds.buffer, fresh.reduce((a, b) => Math.max(a, b), highestOf(list.ids)));
  aspects.fill(0, list.ids.length);
  const head = { ...list.head, count, filtered: list.head.filtered + fresh.length, total: list.head.total + fresh.length };
  return { head, ids: nextIds, aspects, scores: null };
}

/** New photos have higher numbers than all before them, so that a growing library is seldom looked through. */
function newTo(known: Uint32Array, ids: readonly number[]): number[] {
  const highest = highestOf(known);
  const doubted = ids.filter((id) => id <= highest);
  if (doubted.length === 0) return [...ids];
  const set = doubted.length > ONE_BY_ONE ? IdSet.of(known) : null;
  return ids.filter((id) => id > highest || !(set ? set.has(id) : known.includes(id)));
}

/** The highest number in a memory, once looked for; a shorter list in the same memory may have only lower ones. */
const HIGHEST = new WeakMap<ArrayBufferLike, number>();

function highestOf(ids: Uint32Array): number {
  return HIGHEST.get(ids.buffer) ?? ids.reduce((a, b) => Math.max(a, b), 0);
}

/** Memory that was made here, with room behind its numbers; what the shell sent has other numbers there. */
const ROOMY = new WeakSet<ArrayBufferLike>();

/** A list of a growing library is longer in memory than it says, or every photo that comes would copy all before it. */
function grown<Numbers extends Uint32Array | Float32Array>(numbers: Numbers, count: number): Numbers {
  const Kind = numbers.constructor as { new (buffer: ArrayBufferLike, offset: number, length: number): Numbers; new (length: number): Numbers };
  if (ROOMY.has(numbers.buffer) && numbers.buffer.byteLength >= count * numbers.BYTES_PER_ELEMENT) return new Kind(numbers.buffer, 0, count);
  const larger = new Kind(Math.ceil(count * 1.5) + 64);
  larger.set(numbers);
  ROOMY.add(larger.buffer);
  return new Kind(larger.buffer, 0, count);
}

/** Without photos that went. */
export function withoutIds(list: PhotoList, gone: IdSet): PhotoList {
  const { head, ids, aspects, scores } = list;
  const keep = new Uint32Array(ids.length);
  let count = 0;
  for (let index = 0; index < ids.length; index++) {
    if (!gone.has(ids[index] ?? 0)) keep[count++] = index;
  }
  const lost = ids.length - count;
  if (lost === 0) return list;
  const pick = <Numbers extends Uint32Array | Float32Array>(into: Numbers, from: Numbers): Numbers => {
    for (let index = 0; index < count; index++) into[index] = from[keep[index] ?? 0] ?? 0;
    return into;
  };
  return {
    head: { ...head, ...fewer(head, lost), count },
    ids: pick(new Uint32Array(count), ids),
    aspects: pick(new Float32Array(count), aspects),
    scores: scores && pick(new Float32Array(count), scores),
  };
}

function fewer(head: PhotoListHead, lost: number): { filtered: number; total: number; cut: CutOff | null } {
  const cut = head.cut && { ...head.cut, kept: Math.max(0, Math.min(head.cut.kept, head.count - lost)) };
  return { filtered: Math.max(0, head.filtered - lost), total: Math.max(0, head.total - lost), cut };
}

/** Puts in the shapes of photos that were read. Gives the first place that changed, or −1. The numbers are changed where they are. */
export function setAspects(list: PhotoList, photos: readonly PhotoDecoded[]): number {
  let first = -1;
  const put = (index: number, aspect: number) => {
    if (index < 0 || list.aspects[index] === Math.fround(aspect)) return;
    list.aspects[index] = aspect;
    if (first < 0 || index < first) first = index;
  };
  if (photos.length > ONE_BY_ONE) {
    const shapes = new Map(photos.map(({ id, width, height }) => [id, width / height]));
    list.ids.forEach((id, index) => {
      const aspect = shapes.get(id);
      if (aspect !== undefined) put(index, aspect);
    });
    return first;
  }
  let guess = 0;
  for (const { id, width, height } of photos) {
    const index = placeOf(list.ids, id, guess);
    put(index, width / height);
    guess = index + 1;
  }
  return first;
}
