// Made-up groups of nearly the same photos, found among the made-up pictures that do look alike; and photos like no other.
import type { NearGroup, NearKind, NearPhoto, Outlier } from "./bindings";
import { random } from "./fakeData";
import { pictureOf } from "./fakePictures";

const FOLDERS = ["/home/ada/Pictures/2024 Summer/Lisbon", "/home/ada/Pictures/Family", "/home/ada/Pictures/2024 Summer/Exports for Ben"];
const KINDS: readonly NearKind[] = ["sameContent", "nearDuplicate", "similar"];
const MOST_IN_A_GROUP = 7;

export function nearGroups(minCosine: number, photos: number): NearGroup[] {
  const found = buckets(photos).flatMap((ids, index) => groupOf(ids, index));
  const close = found.map((group) => ({ ...group, photos: group.photos.filter(({ keep, cosine }) => keep || cosine >= minCosine) })).filter((group) => group.photos.length > 1);
  const certainty = (group: NearGroup) => group.photos[1]?.cosine ?? 0;
  return close.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || certainty(b) - certainty(a));
}

/** Pictures of one scene, shape and light. */
function buckets(photos: number): number[][] {
  const found = new Map<string, number[]>();
  for (let id = 1; id <= photos; id++) {
    const { scene, width, height, hue, light } = pictureOf(id);
    const key = [scene, width, height, Math.round(hue / 10), Math.round(light * 3)].join("/");
    const ids = found.get(key);
    if (ids) ids.push(id);
    else found.set(key, [id]);
  }
  return [...found.values()].flatMap(parts);
}

/** Some pairs, some more; what is left alone is no group. */
function parts(ids: number[]): number[][] {
  const next = random(ids[0] ?? 0);
  const made: number[][] = [];
  for (let from = 0; from < ids.length; ) {
    const size = 1 + Math.floor(next() ** 2 * MOST_IN_A_GROUP);
    if (size > 1 && from + size <= ids.length) made.push(ids.slice(from, from + size));
    from += size;
  }
  return made;
}

function groupOf(ids: number[], index: number): NearGroup[] {
  const next = random(index * 31 + 5);
  const kind = KINDS[Math.floor(next() ** 0.6 * KINDS.length)] ?? "similar";
  const [first] = ids;
  if (first === undefined) return [];
  const kept = photoOf(first, 0, kind, next);
  const others = ids.slice(1, kind === "sameContent" ? 2 : undefined).map((id, at) => photoOf(id, at + 1, kind, next));
  if (kind === "sameContent") for (const other of others) Object.assign(other, { id: kept.id, width: kept.width, height: kept.height, bytes: kept.bytes });
  return [{ kind, photos: [kept, ...others.sort((a, b) => b.cosine - a.cosine)] }];
}

function photoOf(id: number, at: number, kind: NearKind, next: () => number): NearPhoto {
  const { width, height } = pictureOf(id);
  const isSmaller = at > 0 && kind !== "sameContent" && next() < 0.4;
  const shrunk = isSmaller ? 0.5 : 1;
  const name = nameOf(id, isSmaller, at > 0 && kind === "sameContent");
  const cosine = kind === "sameContent" ? 1 : kind === "nearDuplicate" ? 0.975 + next() * 0.0245 : 0.82 + next() * 0.155;
  const look = kind === "sameContent" ? 0 : kind === "nearDuplicate" ? Math.floor(next() * 5) : 4 + Math.floor(next() * 18);
  return {
    id, name, path: `${FOLDERS[(id + at) % FOLDERS.length]}/${name}`, width: Math.round(width * shrunk), height: Math.round(height * shrunk),
    bytes: Math.round(width * height * shrunk * shrunk * (0.28 + next() * 0.12)), cosine: at === 0 ? 1 : cosine, lookDistance: at === 0 ? 0 : look, keep: at === 0, marked: false,
  };
}

function nameOf(id: number, isSmaller: boolean, isCopy: boolean): string {
  const stem = `IMG_${String(4000 + id).padStart(5, "0")}`;
  if (isCopy) return `${stem} (1).jpg`;
  return isSmaller ? `${stem}-web.jpg` : `${stem}.jpg`;
}

const ODD = ["Screenshot 2024-07-14 at 21.03.11.png", "scan-0012.tif", "receipt-dentist.jpg", "IMG_pocket.jpg", "whiteboard.jpg"];

export function outlierRows(top: number): Outlier[] {
  const next = random(99);
  let similarity = 0.18;
  return Array.from({ length: Math.min(top, 340) }, (_, index): Outlier => {
    similarity += next() * 0.0016;
    const id = 3 + index * 7;
    return {
      id, name: ODD[index] ?? `DSC_${String(4000 + id).padStart(5, "0")}.jpg`, similarity, deviations: (0.71 - similarity) / 0.088, nearest: id + 1 + Math.floor(next() * 5),
      nearestCosine: similarity + 0.04 + next() * 0.1, marked: false,
    };
  });
}
