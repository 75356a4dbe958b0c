// Saved label sets of the made-up shell, with their versions.
import type { LabelSettings, LabelSetVersion, Problem, SavedLabelSet } from "./bindings";
import { wait } from "./fakeModels";

interface Kept {
  name: string;
  versions: LabelSetVersion[];
}

const ASKING_MS = 20;
const DAY_MS = 86_400_000;
const FIRST_MS = 1_760_000_000_000;
const TAKEN: Problem = { code: "settings", params: { cause: "another set has that name" }, message: "the set was not renamed: another set has that name" };

export class FakeLabelSets {
  #sets = new Map<string, Kept>([["set-birds", { name: "Birds of the garden", versions: [version(2, ["bird/robin", "bird/wren", "bird/tit", "cat"]), version(1, ["robin", "wren"])] }]]);
  #next = 1;

  async list(): Promise<SavedLabelSet[]> {
    await wait(ASKING_MS);
    return [...this.#sets].map(([uid, kept]) => saved(uid, kept)).sort((a, b) => a.name.localeCompare(b.name));
  }

  async save(name: string, settings: LabelSettings): Promise<SavedLabelSet> {
    const uid = [...this.#sets].find(([, kept]) => kept.name === name)?.[0] ?? `set-${this.#next++}`;
    const versions = this.#sets.get(uid)?.versions ?? [];
    const kept = { name, versions: [{ version: (versions[0]?.version ?? 0) + 1, savedMs: Date.now(), settings }, ...versions] };
    this.#sets.set(uid, kept);
    return saved(uid, kept);
  }

  async versions(uid: string): Promise<LabelSetVersion[]> {
    await wait(ASKING_MS);
    const kept = this.#sets.get(uid);
    return (kept?.versions ?? []).map((one) => ({ ...one, settings: { ...one.settings, set: { uid, name: kept?.name ?? "", version: one.version } } }));
  }

  async rename(uid: string, name: string): Promise<void> {
    const kept = this.#sets.get(uid);
    if ([...this.#sets.values()].some((other) => other !== kept && other.name === name)) throw TAKEN;
    if (kept) kept.name = name;
  }

  async remove(uid: string): Promise<void> {
    this.#sets.delete(uid);
  }

  async import(): Promise<SavedLabelSet> {
    const kept = { name: "Weather", versions: [version(3, ["fog", "rain", "snow", "sky/clear", "sky/overcast"])] };
    this.#sets.set("set-weather", kept);
    return saved("set-weather", kept);
  }
}

function version(number: number, labels: string[]): LabelSetVersion {
  const prompts: LabelSettings["prompts"] = labels.includes("bird/wren") ? { "bird/wren": { prompts: ["a small brown bird with its tail up", "wren"], templates: null } } : {};
  return { version: number, savedMs: FIRST_MS + number * DAY_MS, settings: { labels, templates: ["a photo of a {}"], topK: 5, threshold: 0.3, prompts, set: null } };
}

function saved(uid: string, { name, versions }: Kept): SavedLabelSet {
  const [newest] = versions;
  return { uid, name, version: newest?.version ?? 0, labels: newest?.settings.labels.length ?? 0, savedMs: newest?.savedMs ?? 0 };
}
