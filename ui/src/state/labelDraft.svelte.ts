// The label settings as they are being edited: ahead of the shell by one debounce, with undo.
import type { LabelSetRef, LabelSettings } from "../ipc/bindings";
import { History } from "../model/history";
import { problemFrom } from "../model/problems";
import { NO_LABELS, type Library } from "./library.svelte";

/** Long enough to join the keystrokes of one word, short enough to feel live. */
const DEBOUNCE_MS = 150;
/** Steps of one drag of a slider closer than this are one step of undo. */
const JOIN_MS = 800;

export class LabelDraft {
  value: LabelSettings = $state.raw(NO_LABELS);

  #library: Library;
  #history = new History<LabelSettings>();
  #lastChange = { kind: "", at: 0 };
  #timer: ReturnType<typeof setTimeout> | undefined;
  #inFlight = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** Takes what the shell says, unless an edit is still on its way there. */
  adopt(settings: LabelSettings): void {
    if (this.#timer === undefined && this.#inFlight === 0) this.value = settings;
  }

  /** `kind` joins a burst of like edits (a slider's drag) into one step of undo. */
  change(change: Partial<LabelSettings>, kind = ""): void {
    const now = performance.now();
    const continues = kind !== "" && kind === this.#lastChange.kind && now - this.#lastChange.at < JOIN_MS;
    if (!continues) this.#history.remember(this.value);
    this.#lastChange = { kind, at: now };
    this.#become({ ...this.value, ...change });
  }

  /** Says which saved set the labels are, without changing any. */
  comeFrom(set: LabelSetRef | null): void {
    this.value = { ...this.value, set };
  }

  /** Everything that was changed is with the shell. */
  async flush(): Promise<void> {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    await this.#send();
  }

  undo(): boolean {
    const before = this.#history.back();
    if (!before) return false;
    this.#lastChange = { kind: "", at: 0 };
    this.#become(before);
    return true;
  }

  #become(settings: LabelSettings): void {
    this.value = settings;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#send(), DEBOUNCE_MS);
  }

  async #send(): Promise<void> {
    this.#timer = undefined;
    this.#inFlight += 1;
    try {
      await this.#library.backend.setLabels(this.value);
    } catch (reason) {
      this.#library.onProblem(problemFrom(reason));
    } finally {
      this.#inFlight -= 1;
    }
  }
}
