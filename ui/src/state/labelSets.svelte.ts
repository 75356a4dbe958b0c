// Label sets that are kept in the library: which there are, which one is in use, and whether it was changed since.
import type { Backend } from "../ipc/backend";
import type { LabelSettings, LabelSetVersion, SavedLabelSet } from "../ipc/bindings";
import { sameSettings } from "../model/prompts";
import { Asked } from "./asked.svelte";
import type { LabelDraft } from "./labelDraft.svelte";

export class LabelSets {
  readonly saved = new Asked<SavedLabelSet[]>();
  /** Versions of the set that is looked at. */
  readonly versions = new Asked<{ uid: string; list: LabelSetVersion[] }>();
  /** The version in use as it was saved. */
  readonly #base = new Asked<LabelSettings | null>();

  #backend: Backend;
  #draft: LabelDraft;

  constructor(backend: Backend, draft: LabelDraft) {
    this.#backend = backend;
    this.#draft = draft;
  }

  current = $derived.by(() => this.#draft.value.set);
  isChanged: boolean = $derived.by(() => {
    const base = this.#base.value;
    return this.current !== null && base !== null && !sameSettings(base, this.#draft.value);
  });

  load(): void {
    void this.saved.ask(() => this.#backend.savedLabelSets());
  }

  /** What the set in use was when it was saved; asked for when another one is in use. */
  loadBase(): void {
    const set = this.current;
    void this.#base.ask(async () => {
      if (!set) return null;
      const versions = await this.#backend.labelSetVersions(set.uid);
      return versions.find(({ version }) => version === set.version)?.settings ?? null;
    });
  }

  loadVersions(uid: string): void {
    void this.versions.ask(async () => ({ uid, list: await this.#backend.labelSetVersions(uid) }));
  }

  /** The labels in use become a set of that name, or its next version. */
  async save(name: string): Promise<SavedLabelSet> {
    await this.#draft.flush();
    const { uid, version, ...saved } = await this.#backend.saveLabelSet(name);
    this.#draft.comeFrom({ uid, name: saved.name, version });
    this.load();
    this.loadBase();
    return { uid, version, ...saved };
  }

  /** Takes a version into use; the newest where none is named. */
  async use({ uid, name, version }: Pick<SavedLabelSet, "uid" | "name" | "version">): Promise<void> {
    const versions = await this.#backend.labelSetVersions(uid);
    const found = versions.find((one) => one.version === version);
    if (found) this.#draft.change({ ...found.settings, set: { uid, name, version } });
  }

  async rename(uid: string, name: string): Promise<void> {
    await this.#backend.renameLabelSet(uid, name);
    if (this.current?.uid === uid) this.#draft.comeFrom({ ...this.current, name });
    this.load();
  }

  async remove(uid: string): Promise<void> {
    await this.#backend.removeLabelSet(uid);
    if (this.current?.uid === uid) this.#draft.comeFrom(null);
    this.load();
  }

  async import(): Promise<SavedLabelSet | null> {
    const set = await this.#backend.importLabelSet();
    if (set) this.load();
    return set;
  }
}
