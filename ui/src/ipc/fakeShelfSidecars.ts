// Made-up sidecars: which tags each photo has here and in its file, and the diff that writing one would be.
import type { PathProblem, Problem, SidecarConflict, SidecarFound, SidecarOptions, SidecarPlan, SidecarReading, SidecarReport } from "./bindings";
import { FITTING, random } from "./fakeData";
import { pictureOf } from "./fakePictures";

const TAGGED = 260;
const AT_MOST = 200;
const FOLDER = "/home/ada/Pictures/2024 Summer";
const UNREADABLE: Problem = { code: "corrupt", params: { format: "XMP", cause: "line 14: the element rdf:Bag is not closed" }, message: "line 14: the element rdf:Bag is not closed" };
const DENIED: Problem = { code: "permission", params: { path: "/home/ada/Pictures/Family" }, message: "the folder can only be read" };

interface Sidecar {
  photo: number;
  name: string;
  /** Confirmed here. */
  tags: string[];
  suggested: string[];
  /** In the file; null without one. */
  written: string[] | null;
  /** Fields beside the usual ones, as they were written. */
  fields: string;
  conflict: SidecarConflict | null;
  /** In the file and not here. */
  news: string[];
  rejected: string[];
}

export class FakeSidecars {
  options: SidecarOptions = { naming: "nameExt", microsoft: false, mediapro: false, suggestions: false, root: "Cliploupe", onConflict: "ask" };
  #all = Array.from({ length: TAGGED }, (_, index) => sidecarOf(index * 3 + 1));

  plan(ids: number[] | null, options: SidecarOptions): SidecarReport {
    this.options = options;
    const chosen = this.#chosen(ids);
    const plans = chosen.flatMap((sidecar) => planOf(sidecar, options));
    const failed: PathProblem[] = ids === null ? [{ path: "/home/ada/Pictures/Family/grandma.jpg.xmp", problem: UNREADABLE }] : [];
    return {
      plans: plans.slice(0, AT_MOST), changed: plans.length, unchanged: chosen.length - plans.length,
      conflicts: chosen.filter(({ conflict }) => conflict && options.onConflict === "ask").length, failed, written: false,
    };
  }

  write(ids: number[] | null, options: SidecarOptions): SidecarReport {
    const report = this.plan(ids, options);
    for (const sidecar of this.#chosen(ids)) {
      sidecar.written = wanted(sidecar, options);
      sidecar.fields = fieldsOf(options);
      if (options.onConflict !== "ask") sidecar.conflict = null;
    }
    const failed = ids === null ? [...report.failed, { path: "/home/ada/Pictures/Family/boat.jpg.xmp", problem: DENIED }] : report.failed;
    return { ...report, failed, written: true };
  }

  removeMachineTags(ids: number[] | null): SidecarReport {
    const root = `${this.options.root}|`;
    const having = this.#chosen(ids).filter(({ written }) => written?.some((tag) => tag.startsWith(root)));
    const plans = having.map((sidecar) => {
      const after = sidecar.written?.filter((tag) => !tag.startsWith(root)) ?? [];
      return changeOf(sidecar, after, sidecar.fields, []);
    });
    for (const sidecar of having) sidecar.written = sidecar.written?.filter((tag) => !tag.startsWith(root)) ?? null;
    return { plans: plans.slice(0, AT_MOST), changed: plans.length, unchanged: this.#chosen(ids).length - plans.length, conflicts: 0, failed: [], written: true };
  }

  look(ids: number[] | null): SidecarReading {
    const having = this.#chosen(ids).filter(({ news, rejected }) => news.length + rejected.length > 0);
    return {
      found: having.slice(0, AT_MOST).map(foundIn), photos: having.length, tags: having.reduce((sum, { news }) => sum + news.length, 0),
      sidecars: this.#chosen(ids).filter(({ written }) => written !== null).length + 41, failed: [{ path: "/home/ada/Pictures/Family/grandma.jpg.xmp", problem: UNREADABLE }], taken: false,
    };
  }

  take(ids: number[] | null, evenRejected: boolean): SidecarReading {
    const before = this.look(ids);
    for (const sidecar of this.#chosen(ids)) {
      sidecar.tags.push(...sidecar.news);
      sidecar.news = [];
      if (!evenRejected) continue;
      sidecar.tags.push(...sidecar.rejected);
      sidecar.rejected = [];
    }
    const more = evenRejected ? before.found.reduce((sum, { rejected }) => sum + rejected.length, 0) : 0;
    return { ...before, tags: before.tags + more, taken: true };
  }

  #chosen(ids: number[] | null): Sidecar[] {
    const only = ids && new Set(ids);
    return only ? this.#all.filter(({ photo }) => only.has(photo)) : this.#all;
  }
}

function sidecarOf(photo: number): Sidecar {
  const next = random(photo * 13 + 7);
  const [first = "photo", second = "picture", third = "image", fourth = "memory"] = Object.keys(FITTING[pictureOf(photo).scene]);
  const hasFile = next() < 0.6;
  const isDone = hasFile && next() < 0.3;
  const tags = next() < 0.5 ? [`scene/${first}`, second] : [first, second];
  const written = isDone ? [...tags] : ["holiday", ...tags.slice(0, next() < 0.5 ? 1 : 0)];
  const isConflict = hasFile && !isDone && next() < 0.2;
  const hasNews = hasFile && next() < 0.35;
  return {
    photo, name: `DSC_${String(4000 + photo).padStart(5, "0")}.jpg`, tags: isDone ? tags : [...tags, "holiday"].slice(0, next() < 0.8 ? 3 : 2), suggested: [third, fourth],
    written: hasFile ? written : null, fields: "", conflict: isConflict ? { tag: third, inLibrary: next() < 0.5 } : null,
    news: hasNews ? ["Ben", "Lisbon"].slice(0, 1 + Math.floor(next() * 2)) : [], rejected: hasNews && next() < 0.4 ? [fourth] : [],
  };
}

function wanted({ tags, suggested }: Sidecar, { suggestions, root }: SidecarOptions): string[] {
  return suggestions ? [...tags, ...suggested.map((tag) => `${root}|${tag}`)] : tags;
}

function fieldsOf({ microsoft, mediapro }: SidecarOptions): string {
  return [microsoft ? "microsoft" : "", mediapro ? "mediapro" : ""].join(" ").trim();
}

function planOf(sidecar: Sidecar, options: SidecarOptions): SidecarPlan[] {
  const after = wanted(sidecar, options);
  const isSame = sidecar.written?.join() === after.join() && sidecar.fields === fieldsOf(options);
  const conflicts = sidecar.conflict && options.onConflict === "ask" ? [sidecar.conflict] : [];
  return isSame ? [] : [changeOf(sidecar, after, fieldsOf(options), conflicts, options.naming === "name")];
}

function changeOf(sidecar: Sidecar, after: string[], fields: string, conflicts: SidecarConflict[], isShort = false): SidecarPlan {
  const before = sidecar.written ?? [];
  const name = sidecar.written === null && isShort ? sidecar.name.replace(/\.jpg$/u, ".xmp") : `${sidecar.name}.xmp`;
  const old = sidecar.written === null ? [] : xmp(before, sidecar.fields);
  return {
    photo: sidecar.photo, path: `${FOLDER}/${pictureOf(sidecar.photo).scene}/${name}`, exists: sidecar.written !== null, adds: after.filter((tag) => !before.includes(tag)),
    removes: before.filter((tag) => !after.includes(tag)), conflicts, diff: unified(old, xmp(after, fields), name, sidecar.written !== null),
  };
}

function foundIn({ photo, name, news, rejected }: Sidecar): SidecarFound {
  return { photo, path: `${FOLDER}/${pictureOf(photo).scene}/${name}${photo % 2 === 0 ? ".xmp" : ""}`, adds: news, rejected };
}

function xmp(tags: string[], fields: string): string[] {
  const bag = (field: string, values: string[], kind = "Bag") => [`   <${field}>`, `    <rdf:${kind}>`, ...values.map((value) => `     <rdf:li>${value}</rdf:li>`), `    </rdf:${kind}>`, `   </${field}>`];
  const flat = tags.flatMap((tag) => tag.split(/[/|]/u).at(-1) ?? []);
  return [
    `<x:xmpmeta xmlns:x="adobe:ns:meta/">`, ` <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">`, `  <rdf:Description rdf:about="" crs:Exposure2012="+0.35" crs:Temperature="5200">`,
    ...bag("dc:subject", flat), ...bag("lr:hierarchicalSubject", tags.map((tag) => tag.replaceAll("/", "|"))), ...bag("digiKam:TagsList", tags.map((tag) => tag.replaceAll("|", "/")), "Seq"),
    ...(fields.includes("microsoft") ? bag("MicrosoftPhoto:LastKeywordXMP", flat) : []), ...(fields.includes("mediapro") ? bag("mediapro:CatalogSets", tags) : []),
    `  </rdf:Description>`, ` </rdf:RDF>`, `</x:xmpmeta>`,
  ];
}

const AROUND = 3;

/** Unified diff by the longest common subsequence, as `diff -u` has it. */
function unified(before: string[], after: string[], name: string, exists: boolean): string {
  const common = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    const row = common[i] ?? [];
    for (let j = after.length - 1; j >= 0; j--) row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: { sign: " " | "+" | "-"; text: string; i: number; j: number }[] = [];
  for (let [i, j] = [0, 0]; i < before.length || j < after.length; ) {
    if (i < before.length && j < after.length && before[i] === after[j]) lines.push({ sign: " ", text: before[i] ?? "", i: i++, j: j++ });
    else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) lines.push({ sign: "-", text: before[i] ?? "", i: i++, j });
    else lines.push({ sign: "+", text: after[j] ?? "", i, j: j++ });
  }
  const isNear = lines.map((_, index) => lines.slice(Math.max(0, index - AROUND), index + AROUND + 1).some(({ sign }) => sign !== " "));
  const hunks: string[] = [];
  for (let from = isNear.indexOf(true); from >= 0; ) {
    const end = isNear.indexOf(false, from);
    const hunk = lines.slice(from, end < 0 ? undefined : end);
    const count = (sign: string) => hunk.filter((line) => line.sign === " " || line.sign === sign).length;
    const [first] = hunk;
    const place = (index: number, size: number) => `${size === 0 ? index : index + 1},${size}`;
    hunks.push(`@@ -${place(first?.i ?? 0, count("-"))} +${place(first?.j ?? 0, count("+"))} @@`, ...hunk.map(({ sign, text }) => sign + text));
    from = end < 0 ? -1 : isNear.indexOf(true, end);
  }
  return [exists ? `--- ${name}` : "--- /dev/null", `+++ ${name}`, ...hunks, ""].join("\n");
}
