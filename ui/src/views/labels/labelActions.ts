// Changes to the label list, each with a note that can take it back where something is lost.
import { includesAll, parseLabels, reinserted, renamed, tidy, withLabels, without } from "../../model/labels";
import { t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

export class LabelActions {
  constructor(readonly app: Workspace) {}

  get #labels(): readonly string[] {
    return this.app.labels.value.labels;
  }

  /** Adds every label in a typed or pasted text. */
  addText(text: string): void {
    this.add(parseLabels(text));
  }

  add(added: readonly string[]): void {
    const { labels, repeated } = withLabels(this.#labels, added);
    if (labels.length > this.#labels.length) this.app.labels.change({ labels });
    else if (repeated.length > 0) this.#sayKnown(repeated);
  }

  replace(labels: readonly string[]): void {
    const before = [...this.#labels];
    this.app.labels.change({ labels: [...labels] });
    if (includesAll(labels, before)) return;
    this.#offerUndo(t("toast.labelsReplaced", { count: before.length }), () => this.app.labels.change({ labels: before }));
  }

  remove(label: string): void {
    const index = this.#labels.indexOf(label);
    this.app.labels.change({ labels: without(this.#labels, [label]) });
    this.#offerUndo(t("toast.labelRemoved", { label }), () => this.app.labels.change({ labels: reinserted(this.#labels, label, index) }));
  }

  removeAll(): void {
    this.replace([]);
  }

  /** False when the name is empty or taken; the row then shows its old one. */
  rename(index: number, name: string): boolean {
    const labels = renamed(this.#labels, index, name);
    if (!labels) {
      if (tidy(name) !== "") this.#sayKnown([name]);
      return false;
    }
    if (labels[index] !== this.#labels[index]) this.app.labels.change({ labels });
    return true;
  }

  async loadFile(): Promise<void> {
    const labels = await this.app.run(this.app.backend.loadLabelFile());
    if (labels) this.add(labels);
  }

  #sayKnown(labels: readonly string[]): void {
    this.app.toasts.show({ text: t("toast.labelsKnown", { count: labels.length, label: labels[0] ?? "" }), tone: "plain" });
  }

  #offerUndo(text: string, run: () => void): void {
    this.app.toasts.show({ text, tone: "plain", action: { label: t("action.undo"), run } });
  }
}
