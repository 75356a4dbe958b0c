// Short notes at the foot of the window.

export interface Toast {
  id: number;
  text: string;
  detail?: string;
  tone: "plain" | "bad";
  action?: { label: string; run: () => void };
}

const PLAIN_MS = 6000;
/** An error is read, and perhaps acted on; it stays longer. */
const BAD_MS = 14000;
const MOST = 3;

export class Toasts {
  list: readonly Toast[] = $state.raw([]);
  #nextId = 1;

  show(toast: Omit<Toast, "id">): void {
    const id = this.#nextId++;
    // The same error again (a hundred files of one kind) replaces the note instead of stacking.
    const others = this.list.filter((other) => other.text !== toast.text);
    this.list = [...others, { ...toast, id }].slice(-MOST);
    setTimeout(() => this.dismiss(id), toast.tone === "bad" ? BAD_MS : PLAIN_MS);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
