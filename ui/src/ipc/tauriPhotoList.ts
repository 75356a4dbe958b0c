// A list of photos as the shell sends it: bytes and not JSON, since there may be a million of them.
import type { PhotoList } from "./backend";
import type { PhotoListHead } from "./bindings";

/** The head as JSON behind its length, padded to whole words, then ids, aspects and, if there are any, scores. */
export function photoListFrom(buffer: ArrayBuffer): PhotoList {
  const [length = 0] = new Uint32Array(buffer, 0, 1);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as PhotoListHead;
  const { count } = head;
  const start = 4 + Math.ceil(length / 4) * 4;
  return {
    head,
    ids: new Uint32Array(buffer, start, count),
    aspects: new Float32Array(buffer, start + 4 * count, count),
    scores: head.scored ? new Float32Array(buffer, start + 8 * count, count) : null,
  };
}
